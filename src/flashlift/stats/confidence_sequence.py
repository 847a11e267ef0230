"""Confidence sequences: intervals that hold at all looks together, however many there are and whenever one stops.

Asymptotic confidence sequences by a normal mixture (Robbins, Annals of Mathematical Statistics 1970; Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 2024, theorem 2.2; one-sided: by a half-normal mixture). They
need an estimate that is asymptotically linear, and its standard error: means, means adjusted by a covariate, ratios by
the delta method. Like every use of the central limit theorem they hold once an arm is large, so looks begin at
`FEWEST_UNITS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import lambertw, log_ndtr

from flashlift.errors import InputError
from flashlift.protocols import FloatArray

__all__ = ["FEWEST_UNITS", "ConfidenceSequence", "best_mixture"]

FEWEST_UNITS = 100  # per arm, before the first look


def best_mixture(alpha: float) -> float:
    """Variance of the mixture x information at which the sequence of this level is narrowest; above 1.

    Waudby-Smith et al. 2024, appendix B.2, with the lower branch of Lambert's W.
    """
    return float(-1.0 - lambertw(-(alpha**2) / np.e, -1).real)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceSequence:
    """Narrowest at the fraction 1 of the planned information, valid at every other as well.

    Args:
        alpha: probability that the effect is outside at any look, in (0, 1).
        one_sided: alpha is spent on one side: the sequence is a lower (or, for the negative effect, an upper) bound.
    """

    alpha: float = 0.05
    one_sided: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise InputError(
                f"A confidence sequence needs alpha in (0, 1), not {self.alpha:g}. Choose for example 0.05."
            )

    def critical(self, fraction: npt.ArrayLike) -> FloatArray:
        """Distance of the bounds from the estimate, in standard errors, of the shape of `fraction`.

        Args:
            fraction: information as a share of the planned information, above 0; may exceed 1.
        """
        spread = self._spread(fraction)
        aim = 0.5 * np.log1p(spread) - np.log(self.alpha)
        distance = _half_normal_root(aim) if self.one_sided else np.sqrt(2.0 * aim)
        return np.asarray(distance * np.sqrt(1.0 + 1.0 / spread))

    def log_evidence(self, z: npt.ArrayLike, fraction: npt.ArrayLike) -> FloatArray:
        """Logarithm of the e-process against no effect (one-sided: against an effect of at most 0); both broadcast.

        It starts at 0, and under no effect it exceeds ln(1 / alpha) at any look with probability alpha at most.

        Args:
            z: estimate / standard error.
            fraction: as in `critical`.
        """
        spread = self._spread(fraction)
        x = np.asarray(z, dtype=np.float64) * np.sqrt(spread / (1.0 + spread))
        two_sided = 0.5 * x**2 - 0.5 * np.log1p(spread)
        return np.asarray(two_sided + np.log(2.0) + log_ndtr(x) if self.one_sided else two_sided)

    def pvalues(self, z: npt.ArrayLike, fraction: npt.ArrayLike) -> FloatArray:
        """Always-valid p-values at each look, falling along the last axis: 1 / the largest evidence until then."""
        most = np.maximum.accumulate(self.log_evidence(z, fraction), axis=-1)
        return np.asarray(np.exp(-np.maximum(most, 0.0)))

    def _spread(self, fraction: npt.ArrayLike) -> FloatArray:
        share = np.asarray(fraction, dtype=np.float64)
        if not ((share > 0.0) & np.isfinite(share)).all():
            raise InputError("A confidence sequence needs information above 0 at every look. Leave out empty looks.")
        return np.asarray(best_mixture(2.0 * self.alpha if self.one_sided else self.alpha) * share)


def _half_normal_root(aim: FloatArray) -> FloatArray:
    """The x > 0 with x^2 / 2 + ln(2 Phi(x)) = aim, by Newton's method from above (the left side is convex)."""
    x = np.sqrt(2.0 * aim)
    for _ in range(20):
        log_phi = log_ndtr(x)
        slope = x + np.exp(-0.5 * x**2 - log_phi) / np.sqrt(2.0 * np.pi)
        x = x - (0.5 * x**2 + np.log(2.0) + log_phi - aim) / slope
    return np.asarray(x)
