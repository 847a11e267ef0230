"""How many units to order for a sale: the newsvendor's quantity, from the same draws as the plan.

A unit too few loses price - cost, a unit too many loses cost - salvage, so the best quantity is the quantile

    q* = F^-1((p - c) / (p - s))

of the units demanded (Arrow, Harris and Marschak, "Optimal inventory policy", Econometrica 1951), where p is the price
after the discount, c the unit cost and s what a leftover unit is still worth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.errors import InputError
from flashlift.protocols import DemandDraws, FloatArray, IntArray

__all__ = ["SaleOffers", "critical_ratio", "stock_to_order"]

_EDGES = (0.05, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleOffers:
    """Offers to order stock for, one entry each; several of one item share its stock.

    Args:
        item_id: their items.
        item: rows of the draws.
        slot: slots of the draws.
        discount: fractions of the list price.
        price: after the discount, in currency, above 0.
        unit_cost: in currency, at least 0.
        salvage: what a leftover unit is still worth, in currency; below 0 where it costs to get rid of it.
    """

    item_id: tuple[str, ...]
    item: IntArray
    slot: IntArray
    discount: FloatArray
    price: FloatArray
    unit_cost: FloatArray
    salvage: FloatArray

    def __post_init__(self) -> None:
        for name, value, least in (("price", self.price, 1e-12), ("unit_cost", self.unit_cost, 0.0)):
            wrong = np.flatnonzero(~(np.isfinite(value) & (value >= least)))
            if len(wrong):
                raise InputError(
                    f"The {name} of item {self.item_id[wrong[0]]!r} is {value[wrong[0]]}; stock to order needs a "
                    f"{'positive price' if name == 'price' else 'cost of at least 0'}. Correct it in the items table."
                )
        if not np.isfinite(self.salvage).all():
            raise InputError("A salvage value is no number. Give what a leftover unit is worth, such as 0.")


def critical_ratio(price: FloatArray, unit_cost: FloatArray, salvage: FloatArray) -> FloatArray:
    """Service level (p - c) / (p - s), in [0, 1]: 0 where a sale loses money, nan where a leftover loses none."""
    gain, loss = np.maximum(price - unit_cost, 0.0), unit_cost - salvage
    ratio = np.divide(gain, gain + loss, out=np.full_like(gain, np.nan), where=loss > 1e-12)
    return np.asarray(ratio)


def stock_to_order(draws: DemandDraws, offers: SaleOffers) -> pl.DataFrame:
    """Units to order per item for all its offers together.

    The price of an item with several offers is their mean, weighted by units. Where a leftover unit loses nothing
    (its salvage is at least its cost) no quantity is best, and the order is null.

    Returns:
        `item_id`, `offers`, `price`, `mean_units`, `ci_lower`, `ci_upper` (units demanded, 90 %), `order_units`,
        `service_level` (share of futures in which nobody goes away empty-handed), `leftover_units`, `lost_units`
        (expected); in the order of the first offer of each item.

    Raises:
        InputError: a price or cost that is no sound number.
    """
    if not offers.item_id:
        return pl.DataFrame(schema=_SCHEMA)
    item, first, group = np.unique(offers.item, return_index=True, return_inverse=True)
    drawn = draws.units(offers.item, offers.slot, offers.discount)
    units = np.zeros((len(item), drawn.shape[1]))
    np.add.at(units, group, drawn)
    units = np.rint(units)  # draws come in usual quantities per purchase, which need not be whole
    mean = drawn.mean(axis=1) + 1e-9
    price = np.bincount(group, mean * offers.price) / np.bincount(group, mean)
    cost = offers.unit_cost[first]
    ratio = critical_ratio(price, cost, offers.salvage[first])
    known = np.isfinite(ratio)
    order = np.array([_quantile(row, level) for row, level in zip(units, ratio, strict=True)])
    frame = pl.DataFrame(
        {
            "item_id": [offers.item_id[k] for k in first],
            "offers": np.bincount(group),
            "price": price,
            "mean_units": units.mean(axis=1),
            "ci_lower": np.quantile(units, _EDGES[0], axis=1),
            "ci_upper": np.quantile(units, _EDGES[1], axis=1),
            "order_units": order,
            "service_level": np.where(known, (units <= order[:, None]).mean(axis=1), np.nan),
            "leftover_units": np.maximum(order[:, None] - units, 0.0).mean(axis=1),
            "lost_units": np.maximum(units - order[:, None], 0.0).mean(axis=1),
        }
    )
    return frame[np.argsort(first, kind="stable")].fill_nan(None).cast(_SCHEMA)  # type: ignore[arg-type]


_SCHEMA = {
    "item_id": pl.String,
    "offers": pl.Int64,
    "price": pl.Float64,
    "mean_units": pl.Float64,
    "ci_lower": pl.Float64,
    "ci_upper": pl.Float64,
    "order_units": pl.Int64,
    "service_level": pl.Float64,
    "leftover_units": pl.Float64,
    "lost_units": pl.Float64,
}


def _quantile(units: FloatArray, level: float) -> float:
    """Smallest number of units that covers the share `level` of the draws; none for level 0, nan for no level."""
    if not np.isfinite(level):
        return np.nan
    if level <= 0.0:
        return 0.0
    return float(np.quantile(units, level, method="inverted_cdf"))
