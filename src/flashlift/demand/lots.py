"""What sales drawn by lot say beside what the shop's own choices say, and whether the two disagree.

Sales by lot tell the response without any assumption about the merchant; the others are many, but the shop chose them.
The response combines both (`response`). Here each kind is fitted alone, so that the disagreement can be seen. Both
posteriors are shrunk to one prior N(p, P^-1); with S the covariance of a posterior and W = I - S P the weight of its
data, the means of two posteriors of the same effects differ by a normal with covariance

    (W_c - W_l) P^-1 (W_c - W_l)' + W_c S_c + W_l S_l,

the prior predictive (Box, Journal of the Royal Statistical Society A 143(4), 1980) against which a difference is
judged: a few sales by lot that only repeat the prior do not disagree with anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import chi2

from flashlift.demand.config import DemandConfig
from flashlift.demand.posterior import elasticity_summary
from flashlift.demand.response import Response, SaleRows, fit_response
from flashlift.domain import Estimate
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.normal import NORMAL_90

__all__ = ["Disagreement", "by_lot_and_by_choice", "disagreement"]

_NOT_BY_LOT = 2  # column of the controls; the next one is its product with x
_DISAGREE = 0.05
_SCHEMA = {"basis": pl.String, "quantity": pl.String, "value": pl.Float64, "ci_lower": pl.Float64,
           "ci_upper": pl.Float64, "n": pl.Int64, "says": pl.String}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Response of chosen sales less that of sales by lot, of (lift of being shown, elasticity).

    Args:
        gap: difference of the posterior means, (2,).
        covariance: of the difference if both told the same, (2, 2).
    """

    gap: FloatArray
    covariance: FloatArray

    @property
    def pvalue(self) -> float:
        """Chance of so large a difference in both effects together if both kinds of sales told the same."""
        return float(chi2.sf(self.gap @ np.linalg.solve(self.covariance, self.gap), len(self.gap)))

    def units(self, x: float) -> Estimate:
        """The same as a relative change of units in a sale with x = -log(1 - depth), with its 90 % interval."""
        at = np.array([1.0, x])
        middle, reach = float(at @ self.gap), NORMAL_90 * float(np.sqrt(at @ self.covariance @ at))
        value, low, high = np.expm1([middle, middle - reach, middle + reach])
        return Estimate(value=float(value), ci_lower=float(low), ci_upper=float(high))


def disagreement(chosen: Response, by_lot: Response, config: DemandConfig) -> Disagreement:
    """Difference of two responses that were fitted to different sales."""
    prior = np.diag([config.assumed_visibility_sd**2, config.assumed_elasticity_sd**2])
    spreads = [fit.shop_covariance[:2, :2] for fit in (chosen, by_lot)]
    weights = [np.eye(2) - spread @ np.linalg.inv(prior) for spread in spreads]
    apart = weights[0] - weights[1]
    covariance = apart @ prior @ apart.T + weights[0] @ spreads[0] + weights[1] @ spreads[1]
    # Where neither kind says anything, there is nothing to differ.
    covariance = 0.5 * (covariance + covariance.T) + 1e-9 * np.eye(2)
    return Disagreement(gap=chosen.shop_mean[:2] - by_lot.shop_mean[:2], covariance=covariance)


def by_lot_and_by_choice(
    rows: SaleRows,
    response: Response,
    category: IntArray,
    n_categories: int,
    config: DemandConfig,
    brand: IntArray | None = None,
) -> pl.DataFrame:
    """Elasticity of the shop from each kind of sale and from both, and the disagreement.

    Args:
        rows: past sales.
        response: their joint fit.
        category: category of each item.
        n_categories: number of categories.
        config: the choices of the fit.
        brand: brand of each item, 0 without one. None: no item has one.

    Returns:
        `basis`, `quantity` (elasticity, or units: relative change at the usual discount), `value`, `ci_lower`,
        `ci_upper` (90 %), `n`, `says`; no rows where the log does not hold both kinds of sales.
    """
    chosen = rows.controls[:, _NOT_BY_LOT] > 0
    if not chosen.any():
        return pl.DataFrame(schema=_SCHEMA)

    def alone(kind: npt.NDArray[np.bool_]) -> Response:
        return fit_response(_only(rows, np.flatnonzero(kind)), category, n_categories, config, brand)

    by_lot, by_choice, usual = alone(~chosen), alone(chosen), float(rows.x.mean())
    table = [
        (name, "elasticity", *_elasticity(fit), fit.n_sales, said)
        for name, fit, said in (
            ("by lot", by_lot, "What sales drawn by lot tell alone; no assumption about the shop's choices."),
            (
                "by choice",
                by_choice,
                "What the shop's own sales tell alone, corrected for what its rule makes us expect.",
            ),
            ("both", response, "What plans use."),
        )
    ]
    found = disagreement(by_choice, by_lot, config)
    gap = found.units(usual)
    words = _words(gap, usual, found.pvalue)
    table.append(("by choice against by lot", "units", gap.value, gap.ci_lower, gap.ci_upper, int(chosen.sum()), words))
    return pl.DataFrame(table, schema=_SCHEMA, orient="row")


def _only(rows: SaleRows, kept: IntArray) -> SaleRows:
    """Some of the sales; the marks of their kind carry nothing when the other is not there."""
    part = SaleRows(**{name: getattr(rows, name)[kept] for name in rows.__slots__})
    controls = part.controls.copy()
    controls[:, _NOT_BY_LOT : _NOT_BY_LOT + 2] = 0.0
    return replace(part, controls=controls)


def _elasticity(fit: Response) -> tuple[float, float, float]:
    mean, lower, upper = elasticity_summary(fit.shop_mean[None, :2], fit.shop_covariance[None, :2, :2])
    return float(mean[0]), float(lower[0]), float(upper[0])


def _words(gap: Estimate, x: float, pvalue: float) -> str:
    said = (
        f"At {-np.expm1(-x):.0%} off, sales that the shop chose say {abs(gap.value):.0%} "
        f"{'more' if gap.value > 0 else 'fewer'} units than sales drawn by lot "
        f"(90 % interval {gap.ci_lower:+.0%} to {gap.ci_upper:+.0%}; both effects together p = {pvalue:.2g})."
    )
    if pvalue >= _DISAGREE:
        return f"{said} The two agree within what the log can tell."
    return f"{said} The shop's own sales alone would mislead; the response leans on the lots."
