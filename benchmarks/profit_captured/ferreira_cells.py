"""From a campaign to the cells and levels of the ladder program, valued in the account of profit.

The paper maximizes revenue, since its goods are bought and its sales end. What is scored here is the incremental
contribution of the account (`flashlift.account`), so that is what a cell holds: contribution with the sale price less
contribution without a sale, over the sale and the days after it. Demand is Poisson around the prediction; units sold
within the quota and sales at list price within the stock are its exact expectations, save that the stock left after the
offer is taken at its mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import special, stats

from benchmarks.profit_captured.case import Case
from benchmarks.profit_captured.ferreira_draws import GroupDraws
from benchmarks.profit_captured.ferreira_program import Cells, Levels
from flashlift.account import contribution
from flashlift.domain import Costs
from flashlift.limits import Excluded, MarginFloor
from flashlift.planning.goals import profit_alone
from flashlift.planning.prices import sale_prices
from flashlift.planning.problem import Columns
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import SaleItems

__all__ = ["Ladder", "expected_minimum", "ladder_of"]

_WIDTH_FRAC = 0.04  # of a level: the relative price is known to a fiftieth; half of it costs four times the time
_CENT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Levels and cells of the program, and the cells as offers, row by row."""

    levels: Levels
    cells: Cells
    offers: Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shop:
    """Columns of SaleItems as arrays, (n_items,)."""

    list_price: FloatArray
    unit_cost: FloatArray
    stock: FloatArray
    horizon_units: FloatArray
    costs: Costs

    def profit(self, item: IntArray, units: FloatArray, price: FloatArray, list_units: FloatArray) -> FloatArray:
        """Expected contribution when `units` are sold in the sale and `list_units` are wanted outside it."""
        left = self.stock[item] - units
        return contribution(
            units,
            units * price,
            expected_minimum(np.maximum(list_units, 0.0), left),
            list_price=self.list_price[item],
            unit_cost=self.unit_cost[item],
            stock=self.stock[item],
            costs=self.costs,
        )


def ladder_of(case: Case, draws: GroupDraws) -> Ladder:
    """Every level that offers can reach, and every sale price at it that the campaign allows."""
    shop = _Shop(
        **{name: case.items[name].to_numpy().astype(np.float64) for name in ("list_price", "unit_cost", "stock")},
        horizon_units=draws.horizon_units,
        costs=case.campaign.costs,
    )
    offers = _offers(case, draws, shop)
    ranges = _ranges(case, draws, offers)
    rest = _rest(draws, shop, ranges)
    levels = Levels(
        pair=ranges["pair"].to_numpy(), lower=ranges["lower"].to_numpy(), upper=ranges["upper"].to_numpy(),
        rest=np.bincount(rest["level"].to_numpy(), rest["value"].to_numpy(), len(ranges)).astype(np.float64),
    )  # fmt: skip
    at = (
        offers.join(ranges, on=["group", "slot"])
        .filter(pl.col("cut") <= pl.col("upper"))
        .join(rest.select("level", "item", at_list="value"), on=["level", "item"])
        .sort("level", "item", "cut")
    )
    item, slot = at["item"].to_numpy(), at["slot"].to_numpy()
    price, quota = at["price"].to_numpy(), at["quota"].to_numpy()
    wanted = draws.beside(item, slot, price, at["price_sum"].to_numpy(), in_sale=True)
    units = expected_minimum(wanted, quota.astype(np.float64))
    without = shop.profit(item, np.zeros(len(item)), price, draws.horizon_units[item])
    after = draws.horizon_units[item] - draws.slot_units[item, slot]
    value = shop.profit(item, units, price, after) - without
    cells = Cells(
        level=at["level"].to_numpy(), item=item, offer=at["offer"].to_numpy(), cut=at["cut"].to_numpy(),
        gain=value - at["at_list"].to_numpy(),
    )  # fmt: skip
    columns = Columns(
        item=item, slot=slot, discount=1.0 - price / shop.list_price[item], price=price, quota=quota, units=units,
        value=value, figures=profit_alone(value), discount_cost=at["cut"].to_numpy() * units,
    )  # fmt: skip
    return Ladder(levels=levels, cells=cells, offers=columns)


def expected_minimum(mean: FloatArray, most: FloatArray) -> FloatArray:
    """E[min(N, most)] for N ~ Poisson(mean); exact for any `most` >= 0, whole or not."""
    whole = np.floor(most)
    below = np.where(whole >= 1.0, special.pdtr(np.maximum(whole - 1.0, 0.0), mean), 0.0)
    return np.asarray(mean * below + most * special.pdtrc(whole, mean))


def _offers(case: Case, draws: GroupDraws, shop: _Shop) -> pl.DataFrame:
    """Offers that stock, margin floor, exclusions and demand allow; the quota is that of the group's only offer."""
    campaign = case.campaign
    price, allowed = sale_prices(shop.list_price, sorted(set(campaign.ladder)), campaign.endings)
    allowed &= shop.stock[:, None] > 0.0
    for limit in campaign.limits:
        if isinstance(limit, MarginFloor):
            allowed &= price - shop.unit_cost[:, None] >= limit.margin_frac * price - 1e-9
        elif isinstance(limit, Excluded):
            allowed &= ~case.items[SaleItems.item_id.name].is_in(list(limit.item_ids)).to_numpy()[:, None]
    row, step = np.nonzero(allowed)
    n_slots = len(campaign.slots)
    item, slot = np.repeat(row, n_slots), np.tile(np.arange(n_slots), len(row))
    tag = np.repeat(price[row, step], n_slots)
    cut = shop.list_price[item] - tag
    wanted = draws.beside(item, slot, tag, draws.trees.groups.list_sum[item] - cut, in_sale=True)
    quota = np.minimum(stats.poisson.ppf(campaign.quota_quantile, wanted), shop.stock[item]).astype(np.int64)
    frame = pl.DataFrame({"item": item, "slot": slot, "price": tag, "cut": cut, "quota": quota})
    group = pl.Series("group", draws.trees.groups.group[item])
    return frame.with_columns(group).filter(pl.col("quota") > 0).with_row_index("offer").cast({"offer": pl.Int64})


def _ranges(case: Case, draws: GroupDraws, offers: pl.DataFrame) -> pl.DataFrame:
    """Levels: level, pair, group, slot, lower, upper, price_sum (the k that demand is evaluated at).

    Step 0 of a pair is its group at list price; the others are `_WIDTH_FRAC` of the sum of list prices wide, down to
    the deepest that the positions of the slot allow. Borders lie between two cents. A group of one item has a single
    level, since its price is relative to itself.
    """
    groups = draws.trees.groups
    stocked = pl.Series(groups.stocked)
    facts = pl.DataFrame({"group": groups.group, "list_sum": groups.list_sum, "size": groups.size}).filter(stocked)
    positions = pl.Series("positions", [slot.positions for slot in case.campaign.slots])
    slots = positions.to_frame().with_row_index("slot").cast(pl.Int64)
    pairs = (
        offers.group_by("group", "slot", "item")
        .agg(pl.col("cut").max())
        .join(slots, on="slot")
        .group_by("group", "slot")
        .agg(pl.col("cut").top_k(pl.col("positions").first()).sum().alias("deepest"))
        .join(facts.unique("group"), on="group")
        .sort("group", "slot")
        .with_row_index("pair")
    )
    width = _WIDTH_FRAC * pl.col("list_sum")
    last = pl.when(pl.col("size") > 1).then((pl.col("deepest") / width).ceil()).otherwise(0).cast(pl.Int64)
    border = ((pl.col("step") * width / _CENT).floor() + 0.5) * _CENT
    before = ((((pl.col("step") - 1) * width) / _CENT).floor() + 0.5) * _CENT
    return (
        pairs.with_columns(pl.int_ranges(0, last + 1).alias("step"))
        .explode("step")
        .with_columns(
            pl.when(pl.col("step") > 0).then(before).otherwise(0.0).alias("lower"),
            pl.when(pl.col("size") > 1).then(border).otherwise(pl.col("deepest") + 0.5 * _CENT).alias("upper"),
        )
        .filter(pl.col("lower") < pl.col("upper"))
        .with_columns(
            (
                pl.col("list_sum")
                - pl.when(pl.col("step") > 0).then((pl.col("lower") + pl.col("upper")) / 2).otherwise(0.0)
            ).alias("price_sum")
        )
        .with_row_index("level")
        .cast({"level": pl.Int64, "pair": pl.Int64})
        .select("level", "pair", "group", "slot", "lower", "upper", "price_sum")
    )


def _rest(draws: GroupDraws, shop: _Shop, ranges: pl.DataFrame) -> pl.DataFrame:
    """What each level changes on items at list price: level, item, value."""
    groups = draws.trees.groups
    members = pl.DataFrame({"group": groups.group, "item": np.arange(len(groups.group))})
    rows = ranges.join(members.filter(pl.Series(groups.stocked)), on="group").sort("level", "item")
    item, slot = rows["item"].to_numpy(), rows["slot"].to_numpy()
    price, none = shop.list_price[item], np.zeros(len(item))
    wanted = draws.beside(item, slot, price, rows["price_sum"].to_numpy(), in_sale=False)
    usual = shop.horizon_units[item]
    value = shop.profit(item, none, price, usual - draws.slot_units[item, slot] + wanted)
    value -= shop.profit(item, none, price, usual)
    return rows.select("level", "item", value=pl.Series(value))
