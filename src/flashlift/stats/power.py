"""Power of a two-sided two-sample t test: how small an effect can be seen with how many units."""

from __future__ import annotations

from math import ceil, isnan, sqrt

from scipy.optimize import brentq
from scipy.special import nctdtr, ndtri, stdtrit

from flashlift.errors import InputError

__all__ = ["minimum_detectable_effect", "power", "sample_size"]


def power(*, effect: float, std: float, n_control: float, n_treatment: float, alpha: float = 0.05) -> float:
    """Probability that the test rejects "no effect" when the true difference is `effect`.

    Args:
        effect: true difference of means, in the metric's unit.
        std: standard deviation of one unit, the same in both arms (after adjustment by a covariate:
            std x sqrt(1 - correlation^2)).
        n_control: units in control, more than 1.
        n_treatment: units in treatment, more than 1.
        alpha: two-sided false-positive rate.
    """
    if std <= 0.0 or min(n_control, n_treatment) <= 1 or not 0.0 < alpha < 1.0:
        raise InputError(
            f"Power needs std > 0, more than one unit per arm and alpha in (0, 1); given std {std:g}, "
            f"{n_control:g} and {n_treatment:g} units, alpha {alpha:g}."
        )
    degrees = n_control + n_treatment - 2.0
    noncentral = abs(effect) / (std * sqrt(1.0 / n_control + 1.0 / n_treatment))
    critical = float(stdtrit(degrees, 1.0 - alpha / 2.0))
    return _upper_tail(degrees, noncentral, critical) + _upper_tail(degrees, -noncentral, critical)


def minimum_detectable_effect(
    *, std: float, n_control: float, n_treatment: float, alpha: float = 0.05, target_power: float = 0.8
) -> float:
    """Smallest difference of means, > 0, that the test detects with probability `target_power`."""
    _check_target(alpha, target_power)
    guess = _z_sum(alpha, target_power) * std * sqrt(1.0 / n_control + 1.0 / n_treatment)

    def missing(effect: float) -> float:
        return power(effect=effect, std=std, n_control=n_control, n_treatment=n_treatment, alpha=alpha) - target_power

    upper = guess
    while missing(upper) < 0.0:  # few units: heavier tails than the normal guess
        upper *= 2.0
    return float(brentq(missing, 0.0, upper, xtol=1e-12 * guess, rtol=1e-12))


def sample_size(
    *, effect: float, std: float, treatment_frac: float = 0.5, alpha: float = 0.05, target_power: float = 0.8
) -> int:
    """Units in both arms together that detect `effect` with probability `target_power`.

    Args:
        effect: difference of means to be seen, not 0.
        std: as in `power`.
        treatment_frac: share of units in the treatment arm, in (0, 1).
        alpha: two-sided false-positive rate.
        target_power: in (alpha, 1).
    """
    _check_target(alpha, target_power)
    if effect == 0.0 or not 0.0 < treatment_frac < 1.0:
        raise InputError(
            f"A sample size needs an effect other than 0 and a treatment share in (0, 1); given {effect:g} "
            f"and {treatment_frac:g}."
        )

    def missing(total: float) -> float:
        n_treatment = total * treatment_frac
        found = power(effect=effect, std=std, n_control=total - n_treatment, n_treatment=n_treatment, alpha=alpha)
        return found - target_power

    fewest = 2.001 / min(treatment_frac, 1.0 - treatment_frac)  # two units per arm
    if missing(fewest) >= 0.0:
        return ceil(fewest)
    normal = (_z_sum(alpha, target_power) * std / effect) ** 2 / (treatment_frac * (1.0 - treatment_frac))
    upper = max(normal, fewest)
    while missing(upper) < 0.0:
        upper *= 2.0
    return ceil(float(brentq(missing, fewest, upper, rtol=1e-12)))


def _upper_tail(degrees: float, noncentral: float, critical: float) -> float:
    """P(T > critical) of the noncentral t distribution."""
    below = float(nctdtr(degrees, noncentral, critical))
    if isnan(below):  # scipy 1.17, where one of the tails is under 1e-10
        return 1.0 if noncentral > 0.0 else 0.0
    return 1.0 - below


def _z_sum(alpha: float, target_power: float) -> float:
    return float(ndtri(1.0 - alpha / 2.0) + ndtri(target_power))


def _check_target(alpha: float, target_power: float) -> None:
    if not 0.0 < alpha < target_power < 1.0:
        raise InputError(f"Power {target_power:g} must lie between alpha {alpha:g} and 1. Choose for example 0.8.")
