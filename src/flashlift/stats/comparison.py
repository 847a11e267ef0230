"""Difference of two means from sufficient statistics: Welch's t, CUPED, relative effect by the delta method."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from scipy.special import stdtr, stdtrit

from flashlift.domain import Estimate
from flashlift.errors import InsufficientDataError
from flashlift.stats.moments import Moments

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Treatment against control.

    Args:
        control, treatment: means, adjusted by the covariate where there is one.
        effect: treatment - control, with a two-sided interval.
        relative: treatment / control - 1; None where the control mean is not positive.
        std_error, degrees: standard error of the effect and its Welch-Satterthwaite degrees of freedom.
        pvalue: two-sided, of no effect.
        covariate_coef: CUPED's theta; 0 without a covariate.
        variance_reduction_frac: share of the effect's variance that the covariate removed.
    """

    control: float
    treatment: float
    effect: Estimate
    relative: Estimate | None
    std_error: float
    degrees: float
    pvalue: float
    covariate_coef: float
    variance_reduction_frac: float


def compare(control: Moments, treatment: Moments, *, level: float = 0.95) -> Comparison:
    """Compare two means, without assuming equal variances.

    With a covariate x measured before the test, means are adjusted by theta (mean x - overall mean x)
    with theta = cov(y, x) / var(x) over both arms together (Deng, Xu, Kohavi and Walker 2013, eqs. 4-5). The effect
    stays unbiased up to O(1/n), because x cannot depend on the arm.

    Args:
        control: moments of the control arm, at least 2 units.
        treatment: moments of the treatment arm, at least 2 units.
        level: probability that the intervals claim.

    Raises:
        InsufficientDataError: fewer than 2 units in an arm, or neither arm varies.
    """
    both = control + treatment
    theta = both.cov / both.covariate_var if both.covariate_m2 > 0 else 0.0
    mean_c = control.mean - theta * (control.covariate_mean - both.covariate_mean)
    mean_t = treatment.mean - theta * (treatment.covariate_mean - both.covariate_mean)
    std_error, degrees = _error(control, treatment, theta=theta, to_control=-1.0, to_treatment=1.0)
    if std_error == 0.0:
        raise InsufficientDataError(
            f"Neither arm varies (means {mean_c:g} and {mean_t:g}), so the effect has no interval. Add units."
        )
    plain = sqrt(control.var / control.count + treatment.var / treatment.count)
    effect = mean_t - mean_c
    return Comparison(
        control=mean_c,
        treatment=mean_t,
        effect=_interval(effect, std_error, degrees, level),
        relative=_relative(control, treatment, mean_c, mean_t, theta, level),
        std_error=std_error,
        degrees=degrees,
        pvalue=float(2.0 * stdtr(degrees, -abs(effect) / std_error)),
        covariate_coef=theta,
        variance_reduction_frac=1.0 - (std_error / plain) ** 2 if plain > 0 else 0.0,
    )


def _relative(
    control: Moments, treatment: Moments, mean_c: float, mean_t: float, theta: float, level: float
) -> Estimate | None:
    """Delta method for the ratio of the adjusted means; the shared overall mean of x is random, too."""
    if mean_c <= 0.0:
        return None
    gradient_t, gradient_c = 1.0 / mean_c, -mean_t / mean_c**2
    error, degrees = _error(control, treatment, theta=theta, to_control=gradient_c, to_treatment=gradient_t)
    return _interval(mean_t / mean_c - 1.0, error, degrees, level)


def _error(
    control: Moments, treatment: Moments, *, theta: float, to_control: float, to_treatment: float
) -> tuple[float, float]:
    """Standard error and degrees of freedom of to_control * A_c + to_treatment * A_t, A the adjusted means.

    A_t = y_t - theta w_c (x_t - x_c) and A_c = y_c + theta w_t (x_t - x_c), w the shares of units; so both
    coefficients of x are -+ k.
    """
    share_t = treatment.count / (control.count + treatment.count)
    k = theta * (share_t * to_control - (1.0 - share_t) * to_treatment)
    part_c = _variance(control, to_control, -k)
    part_t = _variance(treatment, to_treatment, k)
    total = part_c + part_t
    if total <= 0.0:
        return 0.0, 1.0
    return sqrt(total), total**2 / (part_c**2 / (control.count - 1) + part_t**2 / (treatment.count - 1))


def _variance(arm: Moments, a: float, b: float) -> float:
    """Variance of a * mean(y) + b * mean(x) within one arm; rounding must not make it negative."""
    return max(a * a * arm.var + b * b * arm.covariate_var + 2.0 * a * b * arm.cov, 0.0) / arm.count


def _interval(value: float, std_error: float, degrees: float, level: float) -> Estimate:
    half = float(stdtrit(degrees, 0.5 + level / 2.0)) * std_error
    return Estimate(value=value, ci_lower=value - half, ci_upper=value + half, level=level)
