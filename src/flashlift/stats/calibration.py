"""Are probabilities true, and how to make them so: beta calibration, reliability, Brier skill.

Every function takes predicted probabilities in [0, 1] and outcomes in {0, 1}, both of shape (n,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from flashlift.errors import InsufficientDataError

__all__ = [
    "BetaCalibrator",
    "brier_skill",
    "equal_mass_bins",
    "expected_calibration_error",
    "log_odds",
    "reliability",
]

Float = npt.NDArray[np.float64]
TINY = 1e-7
PRIOR = 1.0  # precision of the normal prior of a calibrator's parameters: about that of four outcomes at p = 1/2
FARTHEST = 40.0  # step of the level; more than the log odds of TINY twice over


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaCalibrator:
    """logit(calibrated) = a ln p - b ln(1 - p) + c with a, b >= 0, so the order of predictions is kept.

    Three parameters suit windows with few positives, where isotonic regression makes steps and ties. a = b = 1,
    c = 0 leaves predictions as they are.

    Source: Kull, Silva Filho, Flach, "Beta calibration", AISTATS 2017, equation 4.
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    @classmethod
    def fit(cls, predicted: Float, outcome: Float) -> BetaCalibrator:
        """Maximum likelihood with a normal prior around the identity.

        Raises:
            InsufficientDataError: outcomes of one kind only, so nothing can be compared.
        """
        positives = float(outcome.sum())
        if not 0 < positives < len(outcome):
            raise InsufficientDataError(
                f"Calibration needs outcomes of both kinds, but {positives:.0f} of {len(outcome)} are positive. "
                "Give it a longer window."
            )
        clipped = np.clip(predicted, TINY, 1 - TINY)
        design = np.column_stack([np.log(clipped), -np.log1p(-clipped), np.ones_like(clipped)])
        identity = np.array([1.0, 1.0, 0.0])

        def loss(parameters: Float) -> tuple[float, Float]:
            logit = design @ parameters
            pull = parameters - identity
            value = np.logaddexp(0.0, logit).sum() - outcome @ logit + 0.5 * PRIOR * pull @ pull
            return float(value), design.T @ (expit(logit) - outcome) + PRIOR * pull

        found = minimize(loss, identity, jac=True, method="L-BFGS-B", bounds=[(0, None), (0, None), (None, None)])
        a, b, c = (float(value) for value in found.x)
        return cls(a=a, b=b, c=c)

    def leveled(self, predicted: Float, outcome: Float, weight: Float) -> BetaCalibrator:
        """The same shape at the level of weighted rows: only c is fitted anew, with a normal prior around the old one.

        Args:
            predicted: before calibration, (n,).
            outcome: 0 or 1, (n,).
            weight: of each row, not negative, (n,).
        """
        odds = log_odds(self.apply(predicted))

        def pull(step: float) -> float:
            return float(weight @ (outcome - expit(odds + step))) - PRIOR * step

        return BetaCalibrator(a=self.a, b=self.b, c=self.c + float(brentq(pull, -FARTHEST, FARTHEST)))

    def apply(self, predicted: Float) -> Float:
        """Calibrated probabilities, same shape as `predicted`, never decreasing in it."""
        clipped = np.clip(predicted, TINY, 1 - TINY)
        calibrated: Float = expit(self.a * np.log(clipped) - self.b * np.log1p(-clipped) + self.c)
        return calibrated


def log_odds(probability: Float) -> Float:
    """Ln p / (1 - p), of the same shape, kept finite: p counts as at least 1e-7 and at most 1 - 1e-7."""
    odds: Float = logit(np.clip(probability, TINY, 1 - TINY))
    return odds


def equal_mass_bins(predicted: Float, bins: int) -> npt.NDArray[np.int64]:
    """Which of 0 .. bins - 1 each prediction falls into, (n,), about equally many in each.

    Equal predictions share a bin, so the result does not depend on the order of rows, and a bin may be empty.
    """
    smaller = np.searchsorted(np.sort(predicted), predicted, side="left")
    return smaller * bins // max(len(predicted), 1)


def reliability(predicted: Float, outcome: Float, *, bins: int = 10) -> pl.DataFrame:
    """Mean prediction against observed frequency in `equal_mass_bins`.

    Returns:
        bin, predicted, observed, n; ordered by bin, without empty bins.
    """
    return (
        pl.DataFrame({"bin": equal_mass_bins(predicted, bins), "predicted": predicted, "observed": outcome})
        .group_by("bin")
        .agg(pl.col("predicted").mean(), pl.col("observed").cast(pl.Float64).mean(), n=pl.len().cast(pl.Int64))
        .sort("bin")
    )


def expected_calibration_error(predicted: Float, outcome: Float, *, bins: int = 10) -> float:
    """Mean of |observed - predicted| over equal-mass bins, weighted by their size; in [0, 1], 0 is best.

    Sampling noise alone makes it positive, about sqrt(bins p (1 - p) / n).
    """
    table = reliability(predicted, outcome, bins=bins)
    gap = np.abs(table["observed"].to_numpy() - table["predicted"].to_numpy())
    return float(np.average(gap, weights=table["n"].to_numpy()))


def brier_skill(predicted: Float, outcome: Float) -> float | None:
    """1 - Brier(predicted) / Brier(always the mean): 1 perfect, 0 no better than the base rate, negative worse.

    None where all outcomes are alike, because the reference is then perfect.
    """
    spread = float(np.var(outcome))
    if spread == 0.0:
        return None
    return 1.0 - float(np.mean((predicted - outcome) ** 2)) / spread
