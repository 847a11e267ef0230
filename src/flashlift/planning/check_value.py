"""What offers bring, recomputed from the design's definition: V = E[C(plan) - C(no sale)] over all items touched.

C = units kept x (price paid + what funders pay - unit cost) - returns - holding. Beside it stand, over the same items
and days, gross sales (units x price paid) and stock cleared (units kept x unit cost). Shares no code with the planner
or the account that it maximizes. Two questions share the arithmetic: what all offers bring together, with their
effects on each other's items added up before demand and stock cut them off, and what each offer brings if it runs
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from flashlift.domain import Costs, Offer
from flashlift.errors import InputError
from flashlift.planning.check_facts import Facts
from flashlift.protocols import DemandDraws, FloatArray, IntArray, SparseEffects
from flashlift.schema import SaleItems

__all__ = ["Cells", "Gain", "gain_alone", "gain_together", "read_cells"]

BLOCK = 64  # offers valued alone at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Offers that can run, on draws; arrays (n_offers,) and (n_offers, n_draws).

    Args:
        item: rows of the items table.
        price: sale prices.
        given: list price - price.
        funded: share of that which others pay to the shop.
        quota: quotas, not necessarily whole, and at most the stock: more cannot be sold.
        per_purchase: units that one customer buys at once, 1 where that is not known.
        wanted: units demanded at the price, unlimited by quota.
        replaced: units that the slot would sell at list price without the sale.
    """

    item: IntArray
    price: FloatArray
    given: FloatArray
    funded: FloatArray
    quota: FloatArray
    per_purchase: FloatArray
    wanted: FloatArray
    replaced: FloatArray

    @property
    def sold(self) -> FloatArray:
        """Units sold within the quota."""
        return np.minimum(self.wanted, self.quota[:, None])

    @property
    def buyers(self) -> FloatArray:
        """Distinct buyers of each offer, (n_offers, n_draws)."""
        return self.sold / self.per_purchase[:, None]

    @property
    def discount_cost(self) -> FloatArray:
        """(list price - price) x units sold of all offers, (n_draws,)."""
        cost: FloatArray = self.given @ self.sold
        return cost

    def take(self, part: slice | npt.NDArray[np.bool_]) -> Cells:
        """Some of the offers."""
        return Cells(
            item=self.item[part],
            price=self.price[part],
            given=self.given[part],
            funded=self.funded[part],
            quota=self.quota[part],
            per_purchase=self.per_purchase[part],
            wanted=self.wanted[part],
            replaced=self.replaced[part],
        )


def read_cells(offers: Sequence[Offer], facts: Facts, draws: DemandDraws) -> Cells:
    """Ask the draws for the units of offers that can run (`flashlift.planning.check_facts.can_run`)."""
    known = [facts.items[offer.item_id] for offer in offers]
    item = np.array([one.row for one in known], dtype=np.int64)
    slot = np.array([facts.slots[offer.slot_id][0] for offer in offers], dtype=np.int64)
    price = np.array([float(offer.price) for offer in offers])
    list_price = np.array([one.list_price for one in known])
    quota = np.array([min(float(offer.quota), one.stock) for offer, one in zip(offers, known, strict=True)])
    none = np.zeros((0, draws.n_draws))
    with np.errstate(all="ignore"):  # what is not finite is reported by the caller
        return Cells(
            item=item,
            price=price,
            given=list_price - price,
            funded=np.array([one.funded for one in known]),
            quota=quota,
            per_purchase=np.array([one.units_per_purchase for one in known]),
            wanted=draws.units(item, slot, 1.0 - price / list_price) if offers else none,
            replaced=draws.units(item, slot, np.zeros(len(offers))) if offers else none,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What plans add to what happens without them, in each draw, (n_plans, n_draws).

    Args:
        profit: V.
        revenue: gross sales.
        stock_cleared: units kept by customers at their unit cost.
    """

    profit: FloatArray
    revenue: FloatArray
    stock_cleared: FloatArray


def gain_together(cells: Cells, items: pl.DataFrame, draws: DemandDraws, costs: Costs) -> Gain:
    """Of all offers in one plan, (1, n_draws).

    Raises:
        InputError: the draws or the items hold values that are not finite.
    """
    together = np.zeros(len(cells.item), dtype=np.int64)
    return _gain(_gains(cells, together, 1, items, draws, draws.cross(), costs))


def gain_alone(cells: Cells, items: pl.DataFrame, draws: DemandDraws, costs: Costs) -> Gain:
    """Of each offer as the only one of a plan, (n_offers, n_draws).

    Raises:
        InputError: the draws or the items hold values that are not finite.
    """
    cross = draws.cross()
    blocks = [cells.take(slice(at, at + BLOCK)) for at in range(0, len(cells.item), BLOCK)]
    parts = [_gains(block, np.arange(len(block.item)), len(block.item), items, draws, cross, costs) for block in blocks]
    return _gain(np.concatenate([np.zeros((3, 0, draws.n_draws)), *parts], axis=1))


def _gain(figures: FloatArray) -> Gain:
    return Gain(profit=figures[0], revenue=figures[1], stock_cleared=figures[2])


@np.errstate(all="ignore")  # what is not finite is an error in the end
def _gains(
    cells: Cells,
    plan: IntArray,
    n_plans: int,
    items: pl.DataFrame,
    draws: DemandDraws,
    cross: SparseEffects,
    costs: Costs,
) -> FloatArray:
    """V, gross sales and stock cleared of several plans in each draw, (3, n_plans, n_draws).

    `plan` says to which plan each offer belongs.
    """
    if not len(cells.item):
        return np.zeros((3, n_plans, draws.n_draws))
    sold = cells.sold
    extra = sold - cells.replaced
    offer, target, effect = _edges(cells.item, cross)
    size = items.height
    touched = np.union1d(plan * size + cells.item, plan[offer] * size + target)  # pairs of a plan and an item
    own = _sums(np.searchsorted(touched, plan * size + cells.item), np.arange(len(plan)), len(touched), len(plan))
    elsewhere = _sums(np.searchsorted(touched, plan[offer] * size + target), offer, len(touched), len(plan), effect)

    at_plan, item = np.divmod(touched, size)
    offered = np.flatnonzero(np.diff(own.indptr))
    before = draws.without_sale(item)
    after = before - own @ cells.replaced + elsewhere @ extra
    after[offered] += draws.aftermath(item[offered], (own @ extra)[offered])
    raw = items[item.tolist()]
    none = np.zeros((1, 1))
    revenue = own @ (sold * cells.price[:, None])
    funding = own @ (sold * (cells.funded * cells.given)[:, None])
    gain = _contribution(own @ sold, revenue, funding, after, raw, costs)
    gain -= _contribution(none, none, none, before, raw, costs)
    per_plan = _sums(at_plan, np.arange(len(touched)), n_plans, len(touched))
    value = np.stack([per_plan @ figure for figure in gain])
    if not np.isfinite(value).all():
        raise InputError(
            "The value of the plan is not a finite number: the demand draws or the prices, costs and stock of the "
            "items it touches hold one that is not. Fit the demand model again, or correct the items."
        )
    return value


def _edges(item: IntArray, cross: SparseEffects) -> tuple[IntArray, IntArray, FloatArray]:
    """Offer, item touched and effect per extra unit, for every effect that starts at an offer's item."""
    by_source = np.argsort(cross.source, kind="stable")
    source = cross.source[by_source]
    first = np.searchsorted(source, item)
    degree = np.searchsorted(source, item, side="right") - first
    offer = np.repeat(np.arange(len(item)), degree)
    within = np.arange(len(offer)) - np.repeat(np.cumsum(degree) - degree, degree)
    edge = by_source[first[offer] + within]
    return offer, cross.target[edge], cross.effect[edge]


def _sums(
    row: IntArray, column: IntArray, n_rows: int, n_columns: int, weight: FloatArray | None = None
) -> sparse.csr_array:
    weights = np.ones(len(row)) if weight is None else weight
    return sparse.csr_array((weights, (row, column)), shape=(n_rows, n_columns))


def _contribution(
    units: FloatArray, revenue: FloatArray, funding: FloatArray, at_list: FloatArray, raw: pl.DataFrame, costs: Costs
) -> FloatArray:
    """Profit, gross sales and stock cleared, (3, n_items, n_draws); sales at list price end with the stock.

    Profit is revenue and funding less goods, returns and holding.
    """
    list_price, unit_cost, stock = (
        raw[name].to_numpy().astype(np.float64)[:, None]
        for name in (SaleItems.list_price.name, SaleItems.unit_cost.name, SaleItems.stock.name)
    )
    after_sale = np.clip(stock - units, 0.0, None)
    bought = np.clip(at_list, 0.0, after_sale)
    gone = units + bought
    kept = 1.0 - costs.return_frac
    paid, goods = revenue + bought * list_price, kept * gone * unit_cost
    spent = goods + costs.return_frac * gone * costs.return_cost
    profit = kept * (paid + funding) - spent - (after_sale - bought) * costs.holding_cost
    return np.stack([profit, paid, goods])
