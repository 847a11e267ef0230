"""What sales drawn by lot say beside what the shop's own choices say, and how far the two disagree.

Sales by lot tell the response without any assumption about the merchant; the others are many, but the shop chose them.
The response combines both and has two controls for their difference (`response`): a shift of the lift and one of the
elasticity. The posterior of these is the disagreement. Each kind is also fitted alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.demand.config import DemandConfig
from flashlift.demand.posterior import elasticity_summary
from flashlift.demand.response import Response, SaleRows, fit_response
from flashlift.domain import Estimate
from flashlift.protocols import IntArray

__all__ = ["by_lot_and_by_choice"]

_NOT_BY_LOT = 2  # column of the controls; the next one is its product with x
_Z = 1.6448536269514722  # half width of a 90 % interval in standard deviations


def by_lot_and_by_choice(
    rows: SaleRows, response: Response, category: IntArray, n_categories: int, config: DemandConfig
) -> pl.DataFrame:
    """Elasticity of the shop from each kind of sale and from both, and the disagreement.

    Args:
        rows: past sales.
        response: their joint fit.
        category: category of each item.
        n_categories: number of categories.
        config: the choices of the fit.

    Returns:
        `basis`, `quantity`, `value`, `ci_lower`, `ci_upper` (90 %), `n`, `says`; no rows where the log does not hold
        both kinds of sales.
    """
    chosen = rows.controls[:, _NOT_BY_LOT] > 0
    schema = {"basis": pl.String, "quantity": pl.String, "value": pl.Float64, "ci_lower": pl.Float64}
    schema |= {"ci_upper": pl.Float64, "n": pl.Int64, "says": pl.String}
    if not chosen.any():
        return pl.DataFrame(schema=schema)

    def alone(kind: npt.NDArray[np.bool_]) -> Response:
        return fit_response(_only(rows, np.flatnonzero(kind)), category, n_categories, config)

    found = [("by lot", alone(~chosen)), ("by choice", alone(chosen)), ("both", response)]
    said = {
        "by lot": "What sales drawn by lot tell alone; no assumption about the shop's choices.",
        "by choice": "What the shop's own sales tell alone, corrected for what its rule makes us expect.",
        "both": "What plans use.",
    }
    table = [(name, "elasticity", *_figures(_elasticity(fit)), fit.n_sales, said[name]) for name, fit in found]
    usual = float(rows.x.mean())
    gap = _disagreement(response, usual)
    table.append(("by choice against by lot", "units", *_figures(gap), int(chosen.sum()), _words(gap, usual)))
    return pl.DataFrame(table, schema=schema, orient="row")


def _only(rows: SaleRows, kept: IntArray) -> SaleRows:
    """Some of the sales; the marks of their kind carry nothing when the other is not there."""
    part = SaleRows(**{name: getattr(rows, name)[kept] for name in rows.__slots__})
    controls = part.controls.copy()
    controls[:, _NOT_BY_LOT : _NOT_BY_LOT + 2] = 0.0
    return replace(part, controls=controls)


def _elasticity(fit: Response) -> Estimate:
    mean, lower, upper = elasticity_summary(fit.shop_mean[None, :2], fit.shop_covariance[None, :2, :2])
    return Estimate(value=float(mean[0]), ci_lower=float(lower[0]), ci_upper=float(upper[0]))


def _disagreement(fit: Response, x: float) -> Estimate:
    """Relative units of chosen sales against sales by lot, at the same discount and the same known state."""
    weight = np.zeros(len(fit.shop_mean))
    weight[2 + _NOT_BY_LOT], weight[3 + _NOT_BY_LOT] = 1.0, x
    middle, reach = float(weight @ fit.shop_mean), _Z * float(np.sqrt(weight @ fit.shop_covariance @ weight))
    value, low, high = np.expm1([middle, middle - reach, middle + reach])
    return Estimate(value=float(value), ci_lower=float(low), ci_upper=float(high))


def _words(gap: Estimate, x: float) -> str:
    ends = f"90 % interval {gap.ci_lower:+.0%} to {gap.ci_upper:+.0%}"
    said = (
        f"At {-np.expm1(-x):.0%} off, sales that the shop chose sold {abs(gap.value):.0%} "
        f"{'more' if gap.value > 0 else 'less'} than sales drawn by lot, beyond the correction ({ends})."
    )
    if gap.ci_lower <= 0.0 <= gap.ci_upper:
        return f"{said} The two agree within what the log can tell."
    return f"{said} The shop's own sales alone would mislead; the response leans on the lots."


def _figures(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.ci_lower, estimate.ci_upper
