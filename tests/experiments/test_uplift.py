"""Learners find known effects, comparisons are paired and honest, and what cannot be learned is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats
from sklearn.ensemble import RandomForestClassifier

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import (
    DRLearner,
    Encoder,
    ResponseModel,
    Splits,
    TLearner,
    Trial,
    UpliftLearner,
    XLearner,
    compare_uplift,
    estimated_propensity,
    linear,
    randomized_trial,
    trees,
    value_of_top,
)
from flashlift.protocols import FloatArray
from flashlift.stats.mean_interval import mean_interval
from flashlift.stats.qini import Arms

LEARNERS = {
    "t": TLearner(),
    "x": XLearner(),
    "dr": DRLearner(),
    "t_trees": TLearner(outcome=trees),
    "x_trees": XLearner(outcome=trees, effect=trees),
    "dr_trees": DRLearner(outcome=trees, effect=trees),
}


def effect(x: FloatArray) -> FloatArray:
    """Of the first feature; the second drives the outcome without treatment, so responders are not the persuadable."""
    return np.asarray(0.15 + 0.15 * x[:, 0])


def made_up(rng: np.random.Generator, n: int = 6000, *, binary: bool, confounded: bool = False) -> Trial:
    x = rng.uniform(-1.0, 1.0, (n, 3))
    e = 1.0 / (1.0 + np.exp(-1.5 * x[:, 1])) if confounded else np.full(n, 0.4)
    treated = rng.random(n) < e
    mean = 0.4 + 0.25 * x[:, 1] + treated * effect(x)
    y = (rng.random(n) < mean).astype(float) if binary else mean + 0.3 * rng.normal(size=n)
    return Trial(features=x, arms=Arms(treated=treated, outcome=y, propensity=e))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", LEARNERS)
def test_learners_find_known_effects(name: str, binary: bool) -> None:
    rng = np.random.default_rng(1)
    tau = LEARNERS[name].fit(made_up(rng, binary=binary), rng=rng)
    fresh = rng.uniform(-1.0, 1.0, (4000, 3))
    told, true = tau(fresh), effect(fresh)
    assert told.mean() == pytest.approx(true.mean(), abs=0.05)  # 4 standard errors of the average effect
    steps = 0.35 if name.endswith("trees") else 0.0  # trees tell a straight effect in steps, and are noisier
    assert np.corrcoef(told, true)[0, 1] > (0.85 if binary else 0.95) - steps
    assert steps or np.mean((told - true) ** 2) < np.var(true)  # better than the average effect for everybody


@pytest.mark.parametrize("name", ["t", "x", "dr"])
def test_learners_see_through_a_choice_of_whom_to_treat(name: str) -> None:
    """Customers who buy anyway are treated more often; the plain difference of the arms is far off."""
    rng = np.random.default_rng(2)
    trial = estimated_propensity(made_up(rng, 20_000, binary=False, confounded=True), rng=rng)
    told = LEARNERS[name].fit(trial, rng=rng)(trial.features)
    arms = trial.arms
    naive = arms.outcome[arms.treated].mean() - arms.outcome[~arms.treated].mean()
    assert naive > 0.25
    assert told.mean() == pytest.approx(0.15, abs=0.03)


def test_dr_survives_a_wrong_outcome_model() -> None:
    """Kennedy (2023): with true propensities the average is right whatever the outcome model says."""

    class Wrong:
        def fit(self, x: FloatArray, y: FloatArray) -> None: ...

        def predict(self, x: FloatArray) -> FloatArray:
            return np.full(len(x), 0.9)

    rng = np.random.default_rng(3)
    trial = made_up(rng, 20_000, binary=False, confounded=True)
    dr = DRLearner(outcome=lambda y: Wrong()).fit(trial, rng=rng)(trial.features)
    t = TLearner(outcome=lambda y: Wrong()).fit(trial, rng=rng)(trial.features)
    assert dr.mean() == pytest.approx(0.15, abs=0.05)
    assert t.mean() == 0.0


def test_any_estimator_may_be_passed_in() -> None:
    rng = np.random.default_rng(4)
    forest = TLearner(outcome=lambda y: RandomForestClassifier(50, min_samples_leaf=50, random_state=0))
    trial = made_up(rng, 3000, binary=True)
    told = forest.fit(trial, rng=rng)(trial.features)
    assert np.corrcoef(told, effect(trial.features))[0, 1] > 0.6


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_repeat_themselves(name: str) -> None:
    trial = made_up(np.random.default_rng(5), 800, binary=True)
    one, two = (LEARNERS[name].fit(trial, rng=np.random.default_rng(6))(trial.features) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def compared(models: dict[str, UpliftLearner], **given: object) -> pl.DataFrame:
    trial = made_up(np.random.default_rng(7), 4000, binary=True)
    splits = Splits(n_splits=6, top_fracs=(0.2,))
    return compare_uplift(trial, models, reference="response", splits=splits, rng=np.random.default_rng(8)).to_polars()


def test_a_learner_of_effects_beats_a_response_model_where_responders_are_others() -> None:
    table = compared({"response": ResponseModel(), "t": TLearner()})
    t = table.row(by_predicate=(pl.col("model") == "t") & (pl.col("metric") == "qini"), named=True)
    assert t["difference_ci_lower"] > 0.0
    base = table.row(by_predicate=(pl.col("model") == "response") & (pl.col("metric") == "qini"), named=True)
    assert base["difference"] == base["difference_ci_lower"] == 0.0


def test_a_model_sees_the_same_splits_whatever_the_others_are() -> None:
    alone = compared({"response": ResponseModel(), "dr": DRLearner()}).filter(pl.col("model") == "dr")
    among = compared({"t": TLearner(), "response": ResponseModel(), "dr": DRLearner()}).filter(pl.col("model") == "dr")
    assert alone.equals(among)


def test_a_comparison_tells_tables_for_a_chart_and_a_manager() -> None:
    trial = made_up(np.random.default_rng(9), 3000, binary=True)
    models = {"response": ResponseModel(), "t": TLearner()}
    found = compare_uplift(
        trial, models, reference="response", metric="orders per customer", rng=np.random.default_rng(1)
    )
    curves = found.curves()
    assert curves.columns == ["model", "targeted_frac", "gain", "ci_lower", "ci_upper"]
    assert curves.height == 2 * 21
    ends = curves.filter(pl.col("targeted_frac") == 1.0)["gain"]
    assert ends[0] == pytest.approx(ends[1])
    assert curves.filter(pl.col("targeted_frac") == 0.0)["gain"].to_list() == [0.0, 0.0]
    metrics = {"normalized_qini", "qini", "auuc", "uplift_at_10", "value_at_10", "uplift_at_30", "value_at_30"}
    assert set(found.to_polars()["metric"]) == metrics
    for words in ("orders per customer", "that t puts first", "95% interval", "held out", "scarce stock"):
        assert words in found.paragraph()


def test_the_value_of_the_first_by_ips_holds_the_truth() -> None:
    runs, rng, missed = 400, np.random.default_rng(10), 0
    for _ in range(runs):
        trial = made_up(rng, 800, binary=True)
        told = mean_interval(value_of_top(trial.features[:, 0], trial.arms, 0.3))
        truth = 0.4 + 0.3 * (0.15 + 0.15 * 0.7)  # the first 30 % have a mean first feature of 0.7
        missed += not told.ci_lower <= truth <= told.ci_upper
    low, high = scipy_stats.binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= missed <= high


def test_the_value_of_the_first_agrees_with_a_plain_loop() -> None:
    trial = made_up(np.random.default_rng(11), 90, binary=False, confounded=True)
    score, arms = np.round(trial.features[:, 0], 1), trial.arms
    order = sorted(range(90), key=lambda i: -score[i])
    border = score[order[26]]
    above, tied = int((score > border).sum()), int((score == border).sum())
    total = 0.0
    for i in range(90):
        treat = 1.0 if score[i] > border else (27 - above) / tied if score[i] == border else 0.0
        p = arms.propensity[i]
        total += treat * arms.outcome[i] / p if arms.treated[i] else (1 - treat) * arms.outcome[i] / (1 - p)
    assert value_of_top(score, arms, 0.3).mean() == pytest.approx(total / 90, abs=1e-9)


def table(n: int = 40) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "variant": ["treatment", "control"] * (n // 2),
            "metric": [float(k % 3 == 0) for k in range(n)],
            "age": [float(k) for k in range(n)],
            "channel": ["web", "app", "store", "app"] * (n // 4),
        }
    )


def test_a_table_becomes_a_trial() -> None:
    frame = pl.concat([table(), table(4).with_columns(variant=pl.lit("other"))])
    encoder = Encoder.of(frame, ["age", "channel"])
    assert encoder.names == ["age", "channel=app", "channel=store", "channel=web"]
    features = encoder.matrix(frame).toarray()
    np.testing.assert_array_equal(features[:3], [[0, 0, 0, 1], [1, 1, 0, 0], [2, 0, 1, 0]])
    trial = randomized_trial(frame, features)
    assert trial.size == 40
    assert set(trial.arms.propensity) == {0.5}
    own = randomized_trial(frame.with_columns(propensity=pl.lit(0.3)), features)
    assert set(own.arms.propensity) == {0.3}
    new = encoder.matrix(table(4).with_columns(channel=pl.lit("phone"))).toarray()
    assert new[:, 1:].sum() == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": None}, "outcomes are missing"),
        ({"metric": "much"}, "must be numbers"),
        ({"propensity": 0.0}, "from 0 to 0"),
        ({"propensity": 1.5}, "from 1.5 to 1.5"),
        ({"variant": "b"}, "No unit is in variant 'treatment' or 'control'; the table has 'b'"),
    ],
)
def test_bad_tables_are_refused(change: dict[str, object], message: str) -> None:
    frame = table().with_columns(**{name: pl.lit(value) for name, value in change.items()})
    with pytest.raises(InputError, match=message):
        randomized_trial(frame, np.zeros((40, 1)))


def test_what_cannot_be_learned_is_refused() -> None:
    features = np.zeros((40, 1))
    with pytest.raises(InputError, match="missing: variant"):
        randomized_trial(table().drop("variant"), features)
    with pytest.raises(InsufficientDataError, match="No unit is in variant 'control'"):
        randomized_trial(table().with_columns(variant=pl.lit("treatment")), features)
    with pytest.raises(InsufficientDataError, match="outcome is 1 for all 40 units"):
        randomized_trial(table().with_columns(metric=pl.lit(1.0)), features)
    trial = randomized_trial(table(), features)
    with pytest.raises(InputError, match="do not fit"):
        replace(trial, features=np.zeros((39, 1)))
    with pytest.raises(InputError, match="feature is missing"):
        replace(trial, features=np.full((40, 1), np.nan))
    with pytest.raises(InputError, match="Compare with one of t"):
        compare_uplift(trial, {"t": TLearner()}, reference="response", rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="no column size"):
        Encoder.of(table(), ["size"])
    with pytest.raises(InputError, match="1 cells of the column age are empty"):
        Encoder.of(table(), ["age"]).matrix(table().with_columns(age=pl.col("age").replace(3.0, None)))
    certain = np.random.default_rng(1).normal(size=(400, 1))
    arms = Arms(treated=certain[:, 0] > 0.0, outcome=certain[:, 0], propensity=np.full(400, 0.5))
    with pytest.raises(InsufficientDataError, match="could hardly have been in the other arm"):
        estimated_propensity(Trial(features=50 * certain, arms=arms), rng=np.random.default_rng(0))


def test_defaults_know_the_kind_of_outcome() -> None:
    for maker in (linear, trees):
        assert hasattr(maker(np.array([0.0, 1.0])), "predict_proba")
        assert not hasattr(maker(np.array([0.0, 1.5])), "predict_proba")
