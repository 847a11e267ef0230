"""Value of one policy from rounds that another one chose: what each round contributes to it.

A round has a context x, an action a drawn with the propensity p, and a reward r; w = pi(a | x) / p is the weight that
the policy to be valued gives it. With a model q(x, a) of the reward, every estimator but SNIPS is the mean of

    sum over a' of pi(a' | x) q(x, a')  +  v (r - q(x, a))

for some weight v; without a model both terms of q are 0. SNIPS divides by the sum of the weights. `contributions`
returns the terms, whose mean is the estimate, so that errors and intervals are made in one place (`mean_interval`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = [
    "LIMITED",
    "MODELED",
    "Estimator",
    "Rounds",
    "bias_bound",
    "choose_limit",
    "contributions",
    "effective_size",
]

LIMITS = 20  # tried by `choose_limit`


class Estimator(StrEnum):
    """How rounds of one policy value another."""

    IPS = "ips"  # v = w (Horvitz and Thompson 1952)
    SNIPS = "snips"  # sum of w r / sum of w (Swaminathan and Joachims, NeurIPS 2015)
    CLIPPED_IPS = "clipped_ips"  # v = min(w, limit) (Ionides 2008)
    DM = "dm"  # v = 0: the model alone
    DR = "dr"  # v = w (Dudik, Langford and Li, ICML 2011)
    SWITCH_DR = "switch_dr"  # v = w where w <= limit, else 0 (Wang, Agarwal and Dudik, ICML 2017)
    DROS = "dros"  # v = limit^2 w / (w^2 + limit^2) (Su, Dimakopoulou, Krishnamurthy and Dudik, ICML 2020)


MODELED = frozenset({Estimator.DM, Estimator.DR, Estimator.SWITCH_DR, Estimator.DROS})
"""Estimators that need a model of the reward."""

LIMITED = frozenset({Estimator.CLIPPED_IPS, Estimator.SWITCH_DR, Estimator.DROS})
"""Estimators that trade a bias for less variance: they treat weights above a limit differently."""

_WEIGHTS: Mapping[Estimator, Callable[[FloatArray, float], FloatArray]] = MappingProxyType(
    {
        Estimator.IPS: lambda w, _limit: w,
        Estimator.CLIPPED_IPS: np.minimum,
        Estimator.DM: lambda w, _limit: np.zeros_like(w),
        Estimator.DR: lambda w, _limit: w,
        Estimator.SWITCH_DR: lambda w, limit: np.where(w <= limit, w, 0.0),
        Estimator.DROS: lambda w, limit: w / (1.0 + (w / limit) ** 2),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Logged rounds as the estimators see them; every array is (n,).

    Args:
        weight: probability of the logged action under the policy to be valued / its propensity; at least 0.
        reward: of the logged action.
        predicted: the model's reward of the logged action; None without a model.
        expected: the model's reward of the policy: its predictions of all actions, weighted with the policy's
            probabilities; None without a model.
    """

    weight: FloatArray
    reward: FloatArray
    predicted: FloatArray | None = None
    expected: FloatArray | None = None

    def model(self, estimator: Estimator) -> tuple[FloatArray, FloatArray]:
        """`predicted` and `expected`, zeros for an estimator without a model."""
        if estimator not in MODELED:
            nothing = np.zeros_like(self.reward)
            return nothing, nothing
        if self.predicted is None or self.expected is None:
            raise InputError(f"{estimator} needs a model of the reward. Give one, or choose ips or snips.")
        return self.predicted, self.expected


def contributions(estimator: Estimator, rounds: Rounds, limit: float = np.inf) -> FloatArray:
    """What each round adds, (n,); the mean is the estimated value of the policy, in units of the reward.

    SNIPS by linearization: V + n w (r - V) / sum of w, whose mean is V and whose variance is that of the delta method.

    Args:
        estimator: which one.
        rounds: the log.
        limit: of the weights, above 0, for the estimators in `LIMITED`; infinite: none. For DRos it is the weight of
            which half is kept, the square root of the paper's lambda.

    Raises:
        InputError: the estimator needs a model and there is none, or the limit is not above 0.
        InsufficientDataError: every weight is 0, and SNIPS was asked for.
    """
    if not limit > 0.0:
        raise InputError(f"A limit of the weights must be above 0, not {limit:g}.")
    if estimator is Estimator.SNIPS:
        total = float(rounds.weight.sum())
        if total <= 0.0:
            raise InsufficientDataError("The policy never takes an action of the log, so nothing can be compared.")
        value = float(rounds.weight @ rounds.reward) / total
        return np.asarray(value + rounds.weight * (rounds.reward - value) * (rounds.weight.size / total))
    predicted, expected = rounds.model(estimator)
    return np.asarray(expected + _WEIGHTS[estimator](rounds.weight, limit) * (rounds.reward - predicted))


def bias_bound(estimator: Estimator, rounds: Rounds, limit: float) -> float:
    """How far the limit can move the estimate: the mean of |w - v| |r - q|, in units of the reward.

    The bias of a limited estimator is the mean of (v - w)(r - q) over all rounds that could be drawn; the triangle
    inequality bounds it, and the log estimates the bound.
    """
    predicted, _ = rounds.model(estimator)
    cut = rounds.weight - _WEIGHTS[estimator](rounds.weight, limit)
    return float(np.mean(np.abs(cut) * np.abs(rounds.reward - predicted)))


def choose_limit(estimator: Estimator, rounds: Rounds) -> float:
    """The limit with the smallest bound of the mean squared error: var(contributions) / n + `bias_bound`^2.

    The rule of Wang, Agarwal and Dudik (2017, sec. 4) and of Su et al. (2020, sec. 5) with the bound of the bias above,
    over no limit and 19 limits spaced geometrically from the median to the largest of the weights above 0. The
    intersection of intervals (SLOPE: Su, Srinath and Krishnamurthy, ICML 2020) is bolder and trusts the model more:
    where that is wrong its errors are two to three times as large (`benchmarks.off_policy --rules`).

    Raises:
        InputError: the estimator needs a model and there is none.
        InsufficientDataError: every weight is 0.
    """
    found = rounds.weight[rounds.weight > 0.0]
    if not found.size:
        raise InsufficientDataError("The policy never takes an action of the log, so no limit can be chosen.")
    spaced = np.geomspace(np.median(found), found.max(), LIMITS)[:-1]

    def worst(limit: float) -> float:
        z = contributions(estimator, rounds, limit)
        return float(z.var(ddof=1)) / z.size + bias_bound(estimator, rounds, limit) ** 2

    return float(min([np.inf, *spaced], key=worst))


def effective_size(weight: FloatArray) -> float:
    """Rounds that a log with these weights is worth: (sum of w)^2 / sum of w^2 (Kish 1965); 0 where all are 0."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0.0 else 0.0
