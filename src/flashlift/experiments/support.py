"""Can this log tell the value of that policy at all? What is asked before any figure is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.protocols import FloatArray
from flashlift.stats.mean_interval import mean_error
from flashlift.stats.off_policy import effective_size

__all__ = ["Support", "SupportRules", "judge_support"]

FAR = 2.5  # standard errors by which the mean weight may miss 1; beyond, weights too rare to be drawn are missing


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportRules:
    """When a log is refused.

    Args:
        min_effective_rounds: least rounds that the log must be worth; below about 30 no mean is nearly normal.
        max_weight_frac: most of the weights' sum that one round may have; above it, that round decides the value.
        max_unseen_frac: most of the policy's probability that may be on actions that the log never shows.
        max_mean_weight_error: by how much the mean weight may differ from 1 where that is no chance.
    """

    min_effective_rounds: float = 30.0
    max_weight_frac: float = 0.05
    max_unseen_frac: float = 0.05
    max_mean_weight_error: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How well a log covers what a policy would do.

    Args:
        rounds: of the log.
        effective_rounds: rounds chosen by the policy itself that would tell as much: (sum w)^2 / sum w^2.
        matched_frac: share of rounds whose action the policy might have taken.
        largest_weight: of one round.
        largest_weight_frac: the same as a share of the sum of all weights.
        mean_weight, mean_weight_error: mean of the weights, 1 where the propensities are true and nothing is missing,
            and its standard error.
        unseen_frac: share of the policy's probability on actions that the log never shows (in that position).
        problems: why the log is refused, each with what to do; none: it is not.
    """

    rounds: int
    effective_rounds: float
    matched_frac: float
    largest_weight: float
    largest_weight_frac: float
    mean_weight: float
    mean_weight_error: float
    unseen_frac: float
    problems: tuple[str, ...]


def judge_support(
    weight: FloatArray,
    reward: FloatArray,
    unseen_frac: float,
    rules: SupportRules,
    units: npt.ArrayLike | None = None,
) -> Support:
    """Judge the weights of a log's rounds.

    Args:
        weight: probability under the policy / propensity, (n,).
        reward: (n,).
        unseen_frac: from `PolicyTable.unseen_frac`.
        rules: what is refused.
        units: label of the unit of each round.
    """
    mean = mean_error(weight, units)
    worth = effective_size(weight)
    problems = []
    if unseen_frac > rules.max_unseen_frac:
        problems.append(
            f"{unseen_frac:.1%} of the policy's choices are actions that the log never shows, so nothing is known of "
            "them. Show them to a few customers by lot first, or take them out of the policy."
        )
    if worth < rules.min_effective_rounds:
        problems.append(
            f"The log's {weight.size:,} rounds are worth {worth:.1f} rounds of the policy (largest weight "
            f"{weight.max():.4g}), fewer than {rules.min_effective_rounds:g}. Log more rounds, or value a policy that "
            "is nearer to the one that was logged."
        )
    largest = float(weight.max() / weight.sum()) if weight.any() else 0.0
    if largest > rules.max_weight_frac:
        problems.append(
            f"One of {weight.size:,} rounds carries {largest:.1%} of all weight, where {rules.max_weight_frac:.0%} is "
            "the most, so that round decides the value. Log more rounds, or value a policy nearer to the logged one."
        )
    off = abs(mean.mean - 1.0)
    if off > rules.max_mean_weight_error and off > FAR * mean.std_error:
        problems.append(
            f"The weights average {mean.mean:.3f} where they must average 1: either the propensities are not the "
            "probabilities with which the actions were drawn, or the policy takes actions that were hardly ever drawn. "
            "(Of sound logs about one in a hundred is refused so.) Check how the propensities were written down, or "
            "log more rounds."
        )
    seen = reward[weight > 0.0]
    if seen.size and np.ptp(seen) == 0.0 and not problems:
        problems.append(
            f"The reward is {seen[0]:g} in all {seen.size:,} rounds that the policy might have chosen, so its value "
            "has no error that could be told. Log more rounds."
        )
    return Support(
        rounds=weight.size,
        effective_rounds=worth,
        matched_frac=float((weight > 0.0).mean()),
        largest_weight=float(weight.max()),
        largest_weight_frac=largest,
        mean_weight=mean.mean,
        mean_weight_error=mean.std_error,
        unseen_frac=unseen_frac,
        problems=tuple(problems),
    )
