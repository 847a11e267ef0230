"""The value of a policy is its formula, its intervals cover the truth, and a log that cannot tell is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import PolicyTable, Rewards, SupportRules, Valuation, cross_fit_rewards, value
from flashlift.experiments.outcome_model import fit_mean, folds, linear, trees
from flashlift.stats.mean_interval import Interval
from flashlift.stats.off_policy import Estimator, choose_limit, contributions

ACTIONS = ("a", "b", "c", "d")
SEGMENTS = ("new", "old")
LOGGING = {"new": (0.4, 0.3, 0.2, 0.1), "old": (0.1, 0.1, 0.2, 0.6)}
TARGET = {"new": (0.1, 0.2, 0.3, 0.4), "old": (0.3, 0.3, 0.4, 0.0)}
MEAN = {"new": (0.3, 0.5, 0.6, 0.2), "old": (0.5, 0.2, 0.7, 0.4)}
TRUTH = sum(p * m for s in SEGMENTS for p, m in zip(TARGET[s], MEAN[s], strict=True)) / 2


def policy(table: dict[str, tuple[float, ...]] = TARGET) -> PolicyTable:
    rows = [(s, a, p) for s in SEGMENTS for a, p in zip(ACTIONS, table[s], strict=True)]
    return PolicyTable(table=pl.DataFrame(rows, schema=["segment", "action", "probability"], orient="row"))


def logged(rng: np.random.Generator, n: int = 2000) -> pl.DataFrame:
    """Half of the rounds in each segment, so that the mean over segments is the truth."""
    segment = rng.integers(2, size=n)
    p = np.array([LOGGING[s] for s in SEGMENTS])[segment]
    action = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    mean = np.array([MEAN[s] for s in SEGMENTS])[segment, action]
    return pl.DataFrame(
        {
            "segment": np.array(SEGMENTS)[segment],
            "action": np.array(ACTIONS)[action],
            "reward": (rng.random(n) < mean).astype(float),
            "propensity": p[np.arange(n), action],
        }
    )


def test_every_estimate_agrees_with_a_plain_loop() -> None:
    log = logged(np.random.default_rng(1))
    model = {(s, a): 0.1 + 0.1 * k + 0.05 * (s == "old") for s in SEGMENTS for k, a in enumerate(ACTIONS)}
    predicted = np.array([model[s, a] for s, a in log.select("segment", "action").rows()])
    expected = np.array([sum(p * model[s, a] for a, p in zip(ACTIONS, TARGET[s], strict=True)) for s in log["segment"]])
    found = value(log, policy(), rewards=Rewards(predicted=predicted, expected=expected))
    for name, one in found.estimates.items():
        total = weights = 0.0
        limit = math.inf if one.limit is None else one.limit
        for s, a, r, p in log.select("segment", "action", "reward", "propensity").rows():
            w, q = TARGET[s][ACTIONS.index(a)] / p, model[s, a]
            e = sum(p * model[s, b] for b, p in zip(ACTIONS, TARGET[s], strict=True))
            kept = {
                Estimator.CLIPPED_IPS: min(w, limit),
                Estimator.DM: 0.0,
                Estimator.SWITCH_DR: w if w <= limit else 0.0,
                Estimator.DROS: w if math.isinf(limit) else limit**2 * w / (w * w + limit**2),
            }.get(name, w)
            modeled = name in (Estimator.DM, Estimator.DR, Estimator.SWITCH_DR, Estimator.DROS)
            total += e + kept * (r - q) if modeled else kept * r
            weights += w
        plain = total / (weights if name is Estimator.SNIPS else log.height)
        assert one.policy_value == pytest.approx(plain, abs=1e-9), name
    assert list(found.estimates) == list(Estimator)


def test_the_logged_policy_is_worth_what_the_log_earned() -> None:
    log = logged(np.random.default_rng(2))
    found = value(log, policy(LOGGING))
    assert found.estimates[Estimator.IPS].policy_value == pytest.approx(log["reward"].mean(), abs=1e-15)
    assert found.estimates[Estimator.IPS].gain == pytest.approx(replace(found.logged, value=0, ci_lower=0, ci_upper=0))
    assert found.support.effective_rounds == pytest.approx(log.height)


@pytest.mark.parametrize("interval", [Interval.NORMAL, Interval.EMPIRICAL_BERNSTEIN])
def test_intervals_hold_the_truth(interval: Interval) -> None:
    """Over 400 logs with known truth; the model is wrong everywhere, which may cost width and never coverage."""
    runs, missed = 400, dict.fromkeys(Estimator, 0)
    all_logs = SupportRules(max_mean_weight_error=1.0)  # one in a hundred would be refused by chance
    asked = Valuation(interval=interval, reward_range=(0.0, 1.0), rules=all_logs)
    rng = np.random.default_rng(3)
    for _ in range(runs):
        log = logged(rng, 500)
        wrong = Rewards(predicted=np.full(500, 0.3), expected=np.full(500, 0.3))
        for name, one in value(log, policy(), asked, rewards=wrong).estimates.items():
            if one.interval is not None:
                missed[name] += not one.interval.ci_lower <= TRUTH <= one.interval.ci_upper
    low, high = scipy_stats.binom.ppf([0.0001, 0.9999], runs, 0.05)  # nine figures are judged
    for name in (Estimator.IPS, Estimator.SNIPS, Estimator.DR):
        assert missed[name] <= high, name
        if interval is Interval.NORMAL:
            assert missed[name] >= low, name
    for name in (Estimator.CLIPPED_IPS, Estimator.SWITCH_DR, Estimator.DROS):
        assert missed[name] <= high, name  # conservative: widened by what the limit may have moved


def test_dm_tells_no_interval_and_snips_none_by_bernstein() -> None:
    log = logged(np.random.default_rng(4))
    flat = Rewards(predicted=np.full(log.height, 0.4), expected=np.full(log.height, 0.4))
    asked = Valuation(interval=Interval.EMPIRICAL_BERNSTEIN, reward_range=(0.0, 1.0))
    found = value(log, policy(), asked, rewards=flat)
    assert found.estimates[Estimator.DM].interval is None
    assert found.estimates[Estimator.SNIPS].interval is None
    assert found.headline.estimator is Estimator.DR
    assert value(log, policy(), asked).headline.estimator is Estimator.IPS
    assert value(log, policy()).headline.estimator is Estimator.SNIPS
    table = found.to_polars()
    assert table.filter(pl.col("estimator") == "dm")["ci_lower"].to_list() == [None]
    assert table.height == 7


def test_rounds_of_a_customer_count_together() -> None:
    log = logged(np.random.default_rng(5), 400)
    alone, repeated = value(log, policy()), pl.concat([log.with_columns(unit_id=pl.int_range(pl.len()))] * 4)
    for name, one in value(repeated, policy()).estimates.items():
        if name is not Estimator.CLIPPED_IPS:  # its limit is chosen from the number of rounds
            assert one.policy_value == pytest.approx(alone.estimates[name].policy_value)
            assert one.std_error == pytest.approx(alone.estimates[name].std_error)


def test_bootstrap_intervals_repeat_themselves_and_resemble_the_normal_ones() -> None:
    log = logged(np.random.default_rng(6))
    asked = Valuation(interval=Interval.BOOTSTRAP)
    one, two = (value(log, policy(), asked, rng=np.random.default_rng(7)) for _ in range(2))
    assert one == two
    normal = value(log, policy()).estimates[Estimator.SNIPS].interval
    drawn = one.estimates[Estimator.SNIPS].interval
    assert drawn is not None
    assert normal is not None
    width = normal.ci_upper - normal.ci_lower  # quantiles of 1,000 resamples err by about 3 % of the width
    assert drawn.ci_lower == pytest.approx(normal.ci_lower, abs=0.1 * width)
    assert drawn.ci_upper == pytest.approx(normal.ci_upper, abs=0.1 * width)


def test_the_paragraph_names_estimand_interval_and_assumptions() -> None:
    text = value(logged(np.random.default_rng(8)), policy(), Valuation(metric="clicks per round")).paragraph()
    for words in ("clicks per round would have been", "95% interval", "estimand", "propensities", "scarce stock"):
        assert words in text


def test_a_model_is_asked_only_about_rounds_it_has_not_seen() -> None:
    """Every prediction by a plain loop over the same folds, actions and rounds."""
    log = logged(np.random.default_rng(9), 240).with_columns(position=pl.int_range(pl.len()) % 3 + 1, age=pl.lit(2.5))
    found = cross_fit_rewards(log, policy(), context=["segment", "age"], learner=linear, rng=np.random.default_rng(10))
    reward = log["reward"].to_numpy()

    def features(s: str, position: int, action: str) -> list[float]:
        return [*(float(position == k) for k in (1, 2, 3)), float(s == "new"), float(s == "old"), 2.5] + [
            float(action == a) for a in ACTIONS
        ]

    rows = log.select("segment", "position", "action").rows()
    x = np.array([features(*row) for row in rows])
    for fold in folds(240, 3, rng=np.random.default_rng(10)):
        rest = np.array([i for i in range(240) if i not in set(fold.tolist())])
        mean = fit_mean(linear(reward), x[rest], reward[rest])
        for i in fold:
            s, position, _ = rows[i]
            asked = mean(np.array([features(s, position, a) for a in ACTIONS]))
            assert found.predicted[i] == pytest.approx(mean(x[[i]])[0], abs=1e-9)
            assert found.expected[i] == pytest.approx(asked @ np.array(TARGET[s]), abs=1e-9)


def test_rounds_of_a_customer_share_a_fold() -> None:
    units = np.repeat(np.arange(50), 4)[np.random.default_rng(11).permutation(200)]
    parts = [set(units[fold].tolist()) for fold in folds(200, 3, rng=np.random.default_rng(12), units=units)]
    assert sum(len(part) for part in parts) == 50
    assert set.union(*parts) == set(range(50))


def test_a_model_makes_dr_narrower() -> None:
    log = logged(np.random.default_rng(13), 3000)
    rewards = cross_fit_rewards(log, policy(), context=["segment"], learner=trees, rng=np.random.default_rng(14))
    found = value(log, policy(), rewards=rewards)
    assert found.estimates[Estimator.DR].std_error < found.estimates[Estimator.IPS].std_error
    assert found.estimates[Estimator.DR].policy_value == pytest.approx(TRUTH, abs=0.06)  # 4 standard errors


def test_a_matrix_of_predictions() -> None:
    rng = np.random.default_rng(15)
    q, p, a = rng.random((5, 3)), rng.dirichlet(np.ones(3), 5), np.array([0, 2, 1, 1, 0])
    found = Rewards.of_matrix(q, p, a)
    for i in range(5):
        assert found.predicted[i] == q[i, a[i]]
        assert found.expected[i] == pytest.approx(sum(q[i, k] * p[i, k] for k in range(3)))
    with pytest.raises(InputError, match="rather than 1"):
        Rewards.of_matrix(q, p * 0.9, a)
    with pytest.raises(InputError, match="do not fit"):
        Rewards.of_matrix(q, p[:, :2], a)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit(0.0).alias("propensity"), r"outside \(0, 1\]"),
        (pl.lit(1.2).alias("propensity"), r"outside \(0, 1\]"),
        (pl.lit(None, pl.Float64).alias("propensity"), "nobody knows how likely"),
        (pl.lit(float("nan")).alias("propensity"), "nobody knows how likely"),
        (pl.lit(None, pl.Float64).alias("reward"), "have no reward"),
        (pl.lit(float("inf")).alias("reward"), "have no reward"),
        (pl.lit(None, pl.String).alias("action"), "have no action"),
        (pl.lit(None, pl.String).alias("unit_id"), "have no unit_id"),
        (pl.lit("much").alias("reward"), "must hold numbers"),
    ],
)
def test_bad_rounds_are_refused_by_number_and_place(change: pl.Expr, message: str) -> None:
    log = logged(np.random.default_rng(1), 100).with_columns(unit_id=pl.col("segment"))
    bad = log if "numbers" in message else log.with_row_index("i")
    name = change.meta.output_name()
    bad = (
        log.with_columns(change)
        if "numbers" in message
        else bad.with_columns(pl.when(pl.col("i") == 17).then(change).otherwise(pl.col(name)).alias(name)).drop("i")
    )
    with pytest.raises(InputError, match=message) as error:
        value(bad, policy())
    assert "numbers" in message or "1 of 100 rounds" in str(error.value)
    assert "numbers" in message or "row 17" in str(error.value)


def test_a_log_that_cannot_tell_is_refused() -> None:
    log = logged(np.random.default_rng(1), 1000)
    with pytest.raises(InputError, match="missing: propensity"):
        value(log.drop("propensity"), policy())
    with pytest.raises(InputError, match="no rows"):
        value(log.clear(), policy())
    with pytest.raises(InsufficientDataError, match=r"reward is 1\.0 in all 1,000 rounds"):
        value(log.with_columns(reward=pl.lit(1.0)), policy())
    unseen = PolicyTable(table=pl.DataFrame({"action": ["a", "z"], "probability": [0.3, 0.7]}))
    with pytest.raises(InsufficientDataError, match=r"70\.0% of the policy's choices are actions that the log never"):
        value(log, unseen)
    with pytest.raises(InsufficientDataError, match=r"average 0\.5"):  # propensities of twice the truth
        value(log.with_columns(propensity=(pl.col("propensity") * 2).clip(0, 1)), policy())
    rare = PolicyTable(table=pl.DataFrame({"action": ["a"], "probability": [1.0]}))
    few = log.filter(pl.col("action") != "a").vstack(log.filter(pl.col("action") == "a").head(6))
    with pytest.raises(InsufficientDataError, match=r"are worth 6\.0 rounds of the policy"):
        value(few.with_columns(propensity=pl.lit(6 / few.height)), rare)
    with pytest.raises(InsufficientDataError, match="no error that could be told"):
        value(log.with_columns(reward=(pl.col("action") != "a").cast(pl.Float64), propensity=pl.lit(0.26)), rare)
    heavy = log.with_row_index("i").with_columns(propensity=pl.when(i=0).then(0.0005).otherwise("propensity")).drop("i")
    with pytest.raises(InsufficientDataError, match=r"One of 1,000 rounds carries [0-9.]+% of all weight"):
        value(heavy, policy())
    asked = Valuation(rules=SupportRules(min_effective_rounds=5000))
    with pytest.raises(InsufficientDataError, match="fewer than 5000"):
        value(log, policy(), asked)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"action": ["a", "b"]}, "missing: probability"),
        ({"action": ["a", "b"], "probability": [0.5, 0.4]}, r"add up to 0\.9, not 1"),
        ({"action": ["a", "b"], "probability": [1.5, -0.5]}, "probability of the policy is 1.5"),
        ({"action": ["a", "b"], "probability": [0.5, float("nan")]}, "probability of the policy is nan"),
        ({"action": ["a", None], "probability": [0.5, 0.5]}, "empty cell"),
        ({"action": ["a", "a"], "probability": [0.5, 0.5]}, "names action 'a' twice"),
        ({"action": ["a"], "probability": ["all"]}, "must be numbers"),
        ({"action": ["a"], "probability": [1.0], "reward": [1.0]}, "cannot look at the reward"),
        ({"action": ["a", "b"], "probability": [1.0, 0.5], "segment": ["new", "old"]}, "where segment = old"),
    ],
)
def test_a_policy_that_is_none_is_refused(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PolicyTable(table=pl.DataFrame(columns))


def test_a_policy_that_does_not_fit_the_log_is_refused() -> None:
    log = logged(np.random.default_rng(1), 100)
    with pytest.raises(InputError, match="looks at segment, which the log does not have"):
        value(log.drop("segment"), policy())
    only = PolicyTable(table=policy().table.filter(pl.col("segment") == "new"))
    with pytest.raises(
        InputError, match=r"does not say what it does in .* rounds, the first of them where segment = old"
    ):
        value(log, only)


def test_a_policy_may_name_actions_in_another_type() -> None:
    log = logged(np.random.default_rng(1)).with_columns(
        action=pl.col("action").replace_strict({a: k for k, a in enumerate(ACTIONS)})
    )
    numbered = policy().table.with_columns(
        action=pl.col("action").replace_strict({a: str(k) for k, a in enumerate(ACTIONS)})
    )
    same = value(logged(np.random.default_rng(1)), policy())
    assert value(log, PolicyTable(table=numbered)).estimates[Estimator.IPS] == same.estimates[Estimator.IPS]


def test_rewards_outside_their_range_are_refused() -> None:
    asked = Valuation(interval=Interval.EMPIRICAL_BERNSTEIN, reward_range=(0.0, 0.5))
    with pytest.raises(InputError, match=r"outside the range 0 to 0\.5"):
        value(logged(np.random.default_rng(1)), policy(), asked)


def test_limits_are_those_of_the_rule() -> None:
    from flashlift.stats.off_policy import Rounds

    log = logged(np.random.default_rng(16))
    found = value(log, policy()).estimates[Estimator.CLIPPED_IPS]
    weight = policy().of_logged(log) / log["propensity"].to_numpy()
    rounds = Rounds(weight=weight, reward=log["reward"].to_numpy())
    assert found.limit == choose_limit(Estimator.CLIPPED_IPS, rounds)
    assert found.limit is not None
    assert found.policy_value == contributions(Estimator.CLIPPED_IPS, rounds, found.limit).mean()
