"""What a policy would have earned, from the log of another one that drew its actions by lot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from flashlift.domain import Estimate
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.policy_table import PolicyTable
from flashlift.experiments.reward_model import Rewards
from flashlift.experiments.support import Support, SupportRules, judge_support
from flashlift.protocols import FloatArray
from flashlift.stats.mean_interval import Interval, mean_error, mean_interval
from flashlift.stats.off_policy import LIMITED, MODELED, Estimator, Rounds, bias_bound, choose_limit, contributions

__all__ = ["PolicyEstimate", "PolicyValue", "Valuation", "check_log", "value"]

NAMES: Mapping[Estimator, str] = {
    Estimator.IPS: "inverse propensity weights",
    Estimator.SNIPS: "self-normalized inverse propensity weights",
    Estimator.DR: "a reward model corrected by inverse propensity weights (doubly robust)",
}
"""What may speak for a policy, in words; the last one that there is speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """What is asked.

    Args:
        metric: what the reward is, in words, for example "clicks per impression".
        interval: how the intervals are made.
        level: probability that each of them claims.
        reward_range: smallest and largest reward that there can be, for `Interval.EMPIRICAL_BERNSTEIN`.
        rules: when the log is refused.
    """

    metric: str = "reward per round"
    interval: Interval = Interval.NORMAL
    level: float = 0.95
    reward_range: tuple[float, float] | None = None
    rules: SupportRules = field(default_factory=SupportRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEstimate:
    """The value of a policy by one estimator, in units of the reward.

    Args:
        policy_value: mean reward per round, had the policy chosen.
        std_error: of the contributions' mean.
        interval: None for DM, whose error is the model's and shows in no spread, and for SNIPS by empirical Bernstein.
            With a limit it is widened by `bias_bound` on each side.
        gain: the same less what the log earned, round by round, so that what both share cancels.
        limit: of the weights, chosen by the bound of the mean squared error; infinite: none was better. None: has none.
        bias_bound: how far the limit can have moved the value.
    """

    estimator: Estimator
    policy_value: float
    std_error: float
    interval: Estimate | None
    gain: Estimate | None
    limit: float | None
    bias_bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """What a policy would have earned in the rounds of a log.

    Args:
        asked: the question.
        estimates: by estimator.
        logged: mean reward of the log, what the policy that was logged earned.
        support: how well the log covers the policy.
    """

    asked: Valuation
    estimates: Mapping[Estimator, PolicyEstimate]
    logged: Estimate
    support: Support

    @property
    def headline(self) -> PolicyEstimate:
        """DR where there is a model, else SNIPS; IPS where that has no interval."""
        spoken = [self.estimates[name] for name in NAMES if name in self.estimates]
        return next(one for one in reversed(spoken) if one.interval is not None)

    def to_polars(self) -> pl.DataFrame:
        """One row per estimator."""
        rows = [
            {
                "estimator": one.estimator.value,
                "policy_value": one.policy_value,
                "std_error": one.std_error,
                "ci_lower": one.interval.ci_lower if one.interval else None,
                "ci_upper": one.interval.ci_upper if one.interval else None,
                "gain": one.gain.value if one.gain else None,
                "gain_ci_lower": one.gain.ci_lower if one.gain else None,
                "gain_ci_upper": one.gain.ci_upper if one.gain else None,
                "limit": one.limit,
                "bias_bound": one.bias_bound,
            }
            for one in self.estimates.values()
        ]
        floats = ("ci_lower", "ci_upper", "gain", "gain_ci_lower", "gain_ci_upper", "limit")
        return pl.DataFrame(rows, schema_overrides=dict.fromkeys(floats, pl.Float64))

    def paragraph(self) -> str:
        """The value for a campaign manager: what is estimated, its interval and what it rests on."""
        one, s = self.headline, self.support
        told, gain = one.interval, one.gain
        if told is None or gain is None:
            raise InsufficientDataError("No estimator has an interval, so nothing is told.")
        clear = gain.ci_lower > 0.0 or gain.ci_upper < 0.0
        meaning = "A difference of this size is unlikely to be chance." if clear else "That may be chance."
        return (
            f"Had the policy chosen in these {s.rounds:,} rounds, {self.asked.metric} would have been "
            f"{told.value:,.4g} on average ({100 * told.level:.4g}% interval {told.ci_lower:,.4g} to "
            f"{told.ci_upper:,.4g}; by {NAMES[one.estimator]}), against {self.logged.value:,.4g} in the log: "
            f"{gain.value:+,.4g} ({gain.ci_lower:+,.4g} to {gain.ci_upper:+,.4g}). {meaning} "
            f"The log is worth {s.effective_rounds:,.0f} rounds of the policy; its largest weight is "
            f"{s.largest_weight:,.4g}, and {s.unseen_frac:.1%} of the policy's choices were never shown. "
            "The estimand is the mean reward over rounds like these. It assumes that the propensities are the "
            "probabilities with which the actions were drawn, that a choice in one round does not change another round "
            "(no scarce stock that they share, no habits formed), and that customers, items and prices stay as they "
            "were."
        )


def value(
    log: pl.DataFrame,
    policy: PolicyTable,
    asked: Valuation | None = None,
    *,
    rewards: Rewards | None = None,
    rng: np.random.Generator | None = None,
) -> PolicyValue:
    """Value a policy by every estimator that the log and the model allow.

    Args:
        log: a row per round: `action`, `reward`, `propensity` (probability with which the action was drawn), optionally
            `position`, `unit_id` (rows of one depend on each other) and whatever the policy looks at.
        policy: what it would do in these rounds.
        asked: what is asked.
        rewards: a model's rewards, for DM, DR, Switch-DR and DRos (`cross_fit_rewards`).
        rng: for bootstrap intervals.

    Raises:
        InputError: a column is missing, a cell is empty, a propensity is outside (0, 1], or the policy does not fit.
        InsufficientDataError: the log cannot tell the value of this policy; the message says why and what to do.
    """
    asked = asked or Valuation()
    check_log(log)
    policy = policy.matched(log)
    units = log["unit_id"].rank("dense").to_numpy() if "unit_id" in log.columns else None
    reward = log["reward"].cast(pl.Float64).to_numpy()
    rounds = Rounds(
        weight=policy.of_logged(log) / log["propensity"].to_numpy(),
        reward=reward,
        predicted=None if rewards is None else rewards.predicted,
        expected=None if rewards is None else rewards.expected,
    )
    support = judge_support(rounds.weight, reward, policy.unseen_frac(log), asked.rules, units)
    if support.problems:
        raise InsufficientDataError(" ".join(support.problems))
    names = [name for name in Estimator if rewards is not None or name not in MODELED]
    return PolicyValue(
        asked=asked,
        estimates={name: _estimate(name, rounds, asked, units, rng) for name in names},
        logged=mean_interval(reward, units=units, level=asked.level),
        support=support,
    )


def check_log(log: pl.DataFrame) -> None:
    """Refuse a log that is no log.

    Raises:
        InputError: see `value`.
        InsufficientDataError: the reward never varies.
    """
    if missing := [name for name in ("action", "reward", "propensity") if name not in log.columns]:
        raise InputError(f"A log needs action, reward and propensity; missing: {', '.join(missing)}.")
    if log.is_empty():
        raise InputError("The log has no rows. Give the rounds that were logged.")
    for name in ("reward", "propensity"):
        if not (log.schema[name].is_numeric() or log.schema[name] == pl.Boolean):
            raise InputError(f"The column {name} of the log must hold numbers, not {log.schema[name]}. Convert it.")
    reward, propensity = pl.col("reward").cast(pl.Float64), pl.col("propensity").cast(pl.Float64)
    _refuse(log, pl.col("action").is_null(), "no action", "Leave such rounds out")
    _refuse(
        log,
        propensity.is_null() | propensity.is_nan(),
        "no propensity, so nobody knows how likely its action was",
        "Leave them out (the value is then of the other rounds alone), or log the propensity",
    )
    _refuse(
        log,
        (propensity <= 0.0) | (propensity > 1.0),
        "a propensity outside (0, 1]",
        "Write down the probability with which the logged action was drawn",
    )
    _refuse(
        log,
        reward.is_null() | ~reward.is_finite(),
        "no reward",
        "Say what it counts as (0 for no click), or leave such rounds out",
    )
    if "unit_id" in log.columns:
        _refuse(log, pl.col("unit_id").is_null(), "no unit_id", "Name the customer, or leave the column out")
    if log["reward"].n_unique() == 1:
        raise InsufficientDataError(
            f"The reward is {log['reward'][0]} in all {log.height:,} rounds, so nothing can be compared. Log more."
        )


def _refuse(log: pl.DataFrame, wrong: pl.Expr, what: str, fix: str) -> None:
    rows = log.select(pl.arg_where(wrong)).to_series()
    if rows.len():
        some = log[int(rows[0])].select("action", "reward", "propensity").row(0)
        raise InputError(
            f"{rows.len():,} of {log.height:,} rounds have {what}; the first is row {rows[0]} (action, reward, "
            f"propensity: {some}). {fix}."
        )


def _estimate(
    name: Estimator, rounds: Rounds, asked: Valuation, units: FloatArray | None, rng: np.random.Generator | None
) -> PolicyEstimate:
    limit = choose_limit(name, rounds) if name in LIMITED else np.inf
    z = contributions(name, rounds, limit)
    bias = bias_bound(name, rounds, limit) if name in LIMITED else 0.0
    bounds = _bounds(name, rounds, limit, asked.reward_range)
    interval = gain = None
    if name is not Estimator.DM and not (name is Estimator.SNIPS and asked.interval is Interval.EMPIRICAL_BERNSTEIN):
        low, high = asked.reward_range or (0.0, 0.0)
        interval = _widened(
            mean_interval(z, asked.interval, units=units, bounds=bounds, level=asked.level, rng=rng), bias
        )
        paired = None if bounds is None else (bounds[0] - high, bounds[1] - low)
        gain = _widened(
            mean_interval(z - rounds.reward, asked.interval, units=units, bounds=paired, level=asked.level, rng=rng),
            bias,
        )
    return PolicyEstimate(
        estimator=name,
        policy_value=float(z.mean()),
        std_error=mean_error(z, units).std_error,
        interval=interval,
        gain=gain,
        limit=limit if name in LIMITED else None,
        bias_bound=bias,
    )


def _widened(one: Estimate, by: float) -> Estimate:
    return Estimate(value=one.value, ci_lower=one.ci_lower - by, ci_upper=one.ci_upper + by, level=one.level)


def _bounds(
    name: Estimator, rounds: Rounds, limit: float, reward_range: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Smallest and largest contribution, if no weight can be larger than the largest of the log."""
    if reward_range is None:
        return None
    low, high = reward_range
    if rounds.reward.min() < low or rounds.reward.max() > high:
        raise InputError(
            f"Rewards reach from {rounds.reward.min():g} to {rounds.reward.max():g}, outside the range {low:g} to "
            f"{high:g}. Give the smallest and largest reward that there can be."
        )
    most = min(float(rounds.weight.max()), limit)
    predicted, expected = rounds.model(name)
    if name in MODELED:
        low = min(low, float(predicted.min()), float(expected.min()))
        high = max(high, float(predicted.max()), float(expected.max()))
        return low - most * (high - low), high + most * (high - low)
    return min(0.0, most * low), max(0.0, most * high)
