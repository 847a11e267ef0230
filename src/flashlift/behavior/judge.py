"""Figures about predicted probabilities: ranking, truth of the probabilities, and what noise alone would show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.calibration import TINY, brier_skill, equal_mass_bins, expected_calibration_error, log_odds
from flashlift.stats.normal import NORMAL_90
from flashlift.stats.sandwich import cluster_meat

__all__ = [
    "average_precision",
    "calibration_line",
    "customer_weights",
    "ece_floor",
    "ece_floor_of_customers",
    "figures",
    "paired",
    "slope_error",
]

FLOOR_DRAWS = 200
FLOOR_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Predictions in falling order, so that many weightings of the rows cost one sort."""

    order: IntArray
    last: IntArray
    outcome: FloatArray

    @classmethod
    def build(cls, predicted: FloatArray, outcome: FloatArray) -> Ranked:
        """Sort once; equal predictions make one step."""
        order = np.argsort(-predicted, kind="stable")
        last = np.append(np.flatnonzero(np.diff(predicted[order])), len(order) - 1)
        return cls(order=order, last=last, outcome=outcome[order])

    def average_precision(self, weight: FloatArray) -> float:
        """Area under the precision-recall curve of weighted rows."""
        mass = weight[self.order]
        positives = np.cumsum(mass * self.outcome)[self.last]
        precision = positives / np.maximum(np.cumsum(mass)[self.last], 1e-12)
        return float(np.diff(positives, prepend=0.0) @ precision / positives[-1])


def average_precision(predicted: FloatArray, outcome: FloatArray, weight: FloatArray | None = None) -> float:
    """Area under the precision-recall curve as a step function; equal predictions count as one step.

    Needs at least one positive of positive weight.
    """
    return Ranked.build(predicted, outcome).average_precision(np.ones(len(outcome)) if weight is None else weight)


def figures(
    predicted: FloatArray, outcome: FloatArray, *, rng: np.random.Generator, customer: IntArray | None = None
) -> dict[str, float | int | None]:
    """log_loss, brier, brier_skill, ece, ece_floor, slope, intercept, base_rate, n, and ece_at_rate.

    `ece_at_rate` is the calibration error that is left once the predictions are given the true base rate: what the
    drift of the base rate does not explain. With the customer of each row, (n,), also `ece_customers` and the 90 %
    interval slope_ci_lower, slope_ci_upper, both with whole customers drawn.
    """
    clipped = np.clip(predicted, TINY, 1 - TINY)
    slope, intercept = calibration_line(predicted, outcome)
    level = predicted if intercept is None else expit(log_odds(predicted) + intercept)
    drawn: dict[str, float | int | None] = {}
    if customer is not None:
        half = np.nan if slope is None else NORMAL_90 * slope_error(predicted, outcome, customer)
        drawn["ece_customers"] = ece_floor_of_customers(predicted, outcome, customer, rng=np.random.default_rng(0))
        drawn["slope_ci_lower"] = None if slope is None else slope - half
        drawn["slope_ci_upper"] = None if slope is None else slope + half
    return drawn | {
        "log_loss": float(-np.mean(np.where(outcome > 0, np.log(clipped), np.log1p(-clipped)))),
        "brier": float(np.mean((predicted - outcome) ** 2)),
        "brier_skill": brier_skill(predicted, outcome),
        "ece": expected_calibration_error(predicted, outcome),
        "ece_at_rate": expected_calibration_error(level, outcome),
        "ece_floor": ece_floor(predicted, rng=rng),
        "slope": slope,
        "intercept": intercept,
        "base_rate": float(outcome.mean()),
        "n": len(outcome),
    }


def calibration_line(predicted: FloatArray, outcome: FloatArray) -> tuple[float | None, float | None]:
    """Slope of a logistic regression of the outcome on the predicted log odds, and calibration-in-the-large.

    A slope below 1 says that predictions are too extreme; the intercept (with the slope held at 1) is above 0
    where there were more orders than told. (Van Calster et al. 2019.) None where outcomes or predictions are all alike.
    """
    odds = log_odds(predicted)
    if not 0 < outcome.sum() < len(outcome) or np.ptp(odds) < 1e-12:
        return None, None
    one = np.ones((len(odds), 1))
    slope = _logistic(np.column_stack([one, odds]), np.zeros(len(odds)), outcome)[1]
    return float(slope), float(_logistic(one, odds, outcome)[0])


def slope_error(predicted: FloatArray, outcome: FloatArray, customer: IntArray) -> float:
    """Standard error of the slope of `calibration_line` where the rows of a customer (n,) belong together.

    The sandwich estimate with customers as clusters (Liang and Zeger 1986).
    """
    x = np.column_stack([np.ones(len(outcome)), log_odds(predicted)])
    fitted = expit(x @ _logistic(x, np.zeros(len(outcome)), outcome))
    inverse = np.linalg.inv((x * (fitted * (1 - fitted))[:, None]).T @ x)
    meat = cluster_meat(x * (outcome - fitted)[:, None], customer)
    return float(np.sqrt((inverse @ meat @ inverse)[1, 1]))


def ece_floor_of_customers(
    predicted: FloatArray, outcome: FloatArray, customer: IntArray, *, rng: np.random.Generator, bins: int = 10
) -> float:
    """As `ece_floor`, but the rows of a customer (n,) belong together.

    Whole customers are drawn anew, and each bin's error is measured from the one that was found.
    """
    bin_ = equal_mass_bins(predicted, bins)
    _, cluster = np.unique(customer, return_inverse=True)
    n = int(cluster.max()) + 1
    error = np.bincount(cluster * bins + bin_, outcome - predicted, n * bins).reshape(n, bins)
    often = rng.multinomial(n, np.full(n, 1 / n), size=FLOOR_DRAWS) - 1.0
    return float(np.quantile(np.abs(often @ error).sum(axis=1), FLOOR_LEVEL) / len(predicted))


def ece_floor(predicted: FloatArray, *, rng: np.random.Generator, bins: int = 10) -> float:
    """The calibration error that true probabilities stay below in 95 of 100 draws of their outcomes.

    Outcomes are drawn independently; snapshots of one customer are not, so the honest floor is somewhat higher.
    """
    bin_ = equal_mass_bins(predicted, bins)
    draws = [
        np.abs(np.bincount(bin_, (rng.random(len(predicted)) < predicted) - predicted, bins)).sum()
        for _ in range(FLOOR_DRAWS)
    ]
    return float(np.quantile(draws, FLOOR_LEVEL) / len(predicted))


def paired(
    predictions: Mapping[str, FloatArray],
    outcome: FloatArray,
    weights: FloatArray,
    *,
    against: str,
) -> tuple[dict[str, float], dict[str, FloatArray], dict[str, FloatArray]]:
    """PR-AUC of each model on the rows and on weighted resamples, the same ones for every model.

    Args:
        predictions: model -> probabilities, (n,).
        outcome: 0 or 1, (n,).
        weights: of the rows in each resample, (n_bootstrap, n).
        against: the model that the others are compared with.

    Returns:
        model -> PR-AUC, model -> PR-AUC of each resample, and model -> relative difference to `against`, first
        on all rows and then on each resample (1 + n_bootstrap,); NaN in a resample without an order, and no
        differences where `against` is not among the models.
    """
    whole, drawn = {}, {}
    usable = np.asarray((weights * outcome).sum(axis=1) > 0)
    for name, predicted in predictions.items():
        ranked = Ranked.build(predicted, outcome)
        whole[name] = ranked.average_precision(np.ones(len(outcome)))
        drawn[name] = np.array([
            ranked.average_precision(row) if some else np.nan for row, some in zip(weights, usable, strict=True)
        ])  # fmt: skip
    gains = {}
    if against in predictions:
        base = np.concatenate([[whole[against]], drawn[against]])
        gains = {name: np.concatenate([[whole[name]], drawn[name]]) / base - 1 for name in predictions}
    return whole, drawn, gains


def customer_weights(customer: IntArray, n_customers: int, n_bootstrap: int, *, seed: int) -> FloatArray:
    """How often each row counts when whole customers are drawn anew, (n_bootstrap, n).

    A seed draws the same customers whatever the rows, so resamples of several horizons belong together.
    """
    rng, even = np.random.default_rng(seed), np.full(n_customers, 1 / n_customers)
    return np.stack([rng.multinomial(n_customers, even)[customer] for _ in range(n_bootstrap)]).astype(np.float64)


def _logistic(x: FloatArray, offset: FloatArray, outcome: FloatArray) -> FloatArray:
    """Coefficients of a logistic regression on x, (n, m), beside a fixed part of the log odds, (n,)."""

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        z = x @ parameters + offset
        return float(np.mean(np.logaddexp(0.0, z) - outcome * z)), x.T @ (expit(z) - outcome) / len(outcome)

    found: FloatArray = minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS").x
    return found
