"""Difference of two arms from sufficient statistics: means and ratios, covariates, strata, before and after.

All of them are smooth functions of column means of independent samples, so that one delta method serves them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from flashlift.domain import Estimate
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray
from flashlift.stats.moments import Moments, least_squares
from flashlift.stats.ratios import Ratio, linearize

__all__ = ["Comparison", "compare", "compare_changes", "compare_strata"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Treatment against control.

    Args:
        control, treatment: means or ratios, adjusted by covariates and strata where there are any.
        effect: treatment - control, with a two-sided interval.
        relative: treatment / control - 1, its interval symmetric in logarithms; None where one of them is not positive.
        std_error, degrees: standard error of the effect and its Welch-Satterthwaite degrees of freedom.
        pvalue: two-sided, of no effect.
        covariate_coefs: CUPED's theta, one per covariate.
        variance_reduction_frac: share of the plain difference's variance that covariates and strata removed.
    """

    control: float
    treatment: float
    effect: Estimate
    relative: Estimate | None
    std_error: float
    degrees: float
    pvalue: float
    covariate_coefs: tuple[float, ...]
    variance_reduction_frac: float


def compare(
    control: Moments, treatment: Moments, *, ratios: Sequence[Ratio] | None = None, level: float = 0.95
) -> Comparison:
    """Compare two independent samples, without assuming equal variances.

    With covariates x measured before the test, the metric y is adjusted by theta (x - overall x), theta = the least
    squares coefficients of y on x over both arms together (Deng, Xu, Kohavi and Walker 2013, eqs. 4-5; of ratios the
    linearized ones). The effect stays unbiased up to O(1/n), because x cannot depend on the arm.

    Args:
        control: moments of the control arm, at least 2 units (clusters, where rows come in clusters).
        treatment: moments of the treatment arm, at least 2 units.
        ratios: the metric and then its covariates, as ratios of columns. Default: the mean of the first column,
            adjusted by the means of the others.
        level: probability that the intervals claim.

    Raises:
        InsufficientDataError: fewer than 2 units in an arm, neither arm varies, or a denominator of 0.
    """
    return compare_strata([control], [treatment], ratios=ratios, level=level)


def compare_strata(
    control: Sequence[Moments],
    treatment: Sequence[Moments],
    *,
    ratios: Sequence[Ratio] | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compare two arms within strata, weighted by the share of all units that each stratum holds.

    Source: Miratrix, Sekhon and Yu, JRSS B 75(2), 2013, eqs. 5 and 12 (variance given the strata's sizes). theta is
    fitted within strata.

    Args:
        control: moments of the control arm in each stratum, at least 2 units each.
        treatment: moments of the treatment arm in the same strata.
        ratios: as in `compare`.
        level: probability that the interval claims.

    Raises:
        InsufficientDataError: as in `compare`.
    """
    sizes = np.array([c.count + t.count for c, t in zip(control, treatment, strict=True)], dtype=np.float64)
    one, other = _Arm.of(control, sizes), _Arm.of(treatment, sizes)
    terms = ratios or [Ratio(column) for column in range(len(one.means))]
    shares = one.count / (one.count + other.count), other.count / (one.count + other.count)
    gradient = linearize(shares[0] * one.means + shares[1] * other.means, terms)[1]
    within = np.sum([(c + t).m2 for c, t in zip(control, treatment, strict=True)], axis=0)
    theta = least_squares(gradient @ within @ gradient.T)
    plain = _contrast(one.merged(), other.merged(), terms[:1], np.zeros(0), shares)
    return _comparison(_contrast(one, other, terms, theta, shares), plain, level)


def compare_changes(control: Moments, treatment: Moments, *, level: float = 0.95) -> Comparison:
    """Difference in differences: how much more the treatment's ratio changed than the control's.

    `treatment` is then the treatment's ratio after, and `control` what it would have been with the control's change.
    It is least squares of rows on arm, period and both, with errors that are shared within units (Bertrand, Duflo and
    Mullainathan, QJE 2004): the change of a ratio is one figure per unit to first order.

    Args:
        control: moments over units (clusters) of four columns: sum and rows after, sum and rows before.
        treatment: the same of the treated units.
        level: probability that the intervals claim.

    Raises:
        InsufficientDataError: as in `compare`, or no rows in one of the periods.
    """
    one, other, terms = _Arm.of([control]), _Arm.of([treatment]), (Ratio(0, 1), Ratio(2, 3))
    at_treatment = (0.0, 1.0)
    plain = _contrast(one, other, terms[:1], np.zeros(0), at_treatment)
    return _comparison(_contrast(one, other, terms, np.ones(1), at_treatment), plain, level)


@dataclass(frozen=True, slots=True)
class _Arm:
    """An arm's column means as a weighted sum of the means of independent samples."""

    parts: Sequence[Moments]
    weights: FloatArray

    @classmethod
    def of(cls, parts: Sequence[Moments], sizes: FloatArray | None = None) -> _Arm:
        if min((part.count for part in parts), default=0) < 2:
            few = [part.count for part in parts if part.count < 2] or [0]
            raise InsufficientDataError(f"An arm needs at least 2 units, and there are {few[0]}. Add units.")
        total = np.ones(len(parts)) if sizes is None else sizes
        return cls(parts, total / total.sum())

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts)

    @property
    def means(self) -> FloatArray:
        return np.asarray(self.weights @ np.stack([part.means for part in self.parts]))

    def merged(self) -> _Arm:
        return _Arm.of([sum(self.parts, start=Moments())])

    def variances(self, gradient: FloatArray) -> list[tuple[float, int]]:
        """Variance of `gradient` @ means that each sample brings, not negative by rounding, and its degrees."""
        return [
            (max(float(gradient @ part.m2 @ gradient), 0.0) * w**2 / (part.count - 1) / part.count, part.count - 1)
            for w, part in zip(self.weights, self.parts, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Contrast:
    """Adjusted values of both arms, and their gradients in the column means of control and of treatment, (2, k)."""

    arms: tuple[_Arm, _Arm]
    theta: FloatArray
    values: tuple[float, float]
    gradients: tuple[FloatArray, FloatArray]

    def effect_gradient(self) -> FloatArray:
        return self.gradients[1] - self.gradients[0]

    def error(self, gradient: FloatArray) -> tuple[float, float]:
        """Standard error of `gradient` @ means of both arms, (2, k), and its Welch-Satterthwaite degrees of freedom."""
        parts = [part for arm, g in zip(self.arms, gradient, strict=True) for part in arm.variances(g)]
        total = sum(variance for variance, _ in parts)
        if total <= 0.0:
            return 0.0, 1.0
        return sqrt(total), total**2 / sum(variance**2 / degrees for variance, degrees in parts)


def _contrast(
    control: _Arm, treatment: _Arm, terms: Sequence[Ratio], theta: FloatArray, shares: tuple[float, float]
) -> _Contrast:
    """A_a = y_a - theta (x_a - x), with x taken at `shares` of the arms' means, which are random, too."""
    arms = control, treatment
    both = shares[0] * control.means + shares[1] * treatment.means
    overall, overall_gradient = linearize(both, terms)
    values, gradients = [], []
    for number, arm in enumerate(arms):
        value, gradient = linearize(arm.means, terms)
        values.append(float(value[0] - theta @ (value[1:] - overall[1:])))
        ours = np.stack([share * (theta @ overall_gradient[1:]) for share in shares])
        ours[number] += gradient[0] - theta @ gradient[1:]
        gradients.append(ours)
    return _Contrast(arms, theta, (values[0], values[1]), (gradients[0], gradients[1]))


def _comparison(found: _Contrast, plain: _Contrast, level: float) -> Comparison:
    control, treatment = found.values
    std_error, degrees = found.error(found.effect_gradient())
    plain_error = plain.error(plain.effect_gradient())[0]
    if std_error == 0.0:
        raise InsufficientDataError(
            f"Neither arm varies (means {control:g} and {treatment:g}), so the effect has no interval. Add units."
        )
    effect = treatment - control
    half = float(stdtrit(degrees, 0.5 + level / 2.0)) * std_error
    return Comparison(
        control=control,
        treatment=treatment,
        effect=Estimate(value=effect, ci_lower=effect - half, ci_upper=effect + half, level=level),
        relative=_relative(found, level),
        std_error=std_error,
        degrees=degrees,
        pvalue=float(2.0 * stdtr(degrees, -abs(effect) / std_error)),
        covariate_coefs=tuple(found.theta.tolist()),
        variance_reduction_frac=1.0 - (std_error / plain_error) ** 2 if plain_error > 0.0 else 0.0,
    )


def _relative(found: _Contrast, level: float) -> Estimate | None:
    """Delta method for the logarithm of treatment / control."""
    control, treatment = found.values
    if control <= 0.0 or treatment <= 0.0:
        return None
    error, degrees = found.error(found.gradients[1] / treatment - found.gradients[0] / control)
    middle, half = log(treatment / control), float(stdtrit(degrees, 0.5 + level / 2.0)) * error
    return Estimate(
        value=exp(middle) - 1.0, ci_lower=exp(middle - half) - 1.0, ci_upper=exp(middle + half) - 1.0, level=level
    )
