"""From a campaign to columns: every offer that could run, with its price, its quota and what it is worth alone.

The value of an offer is the mean over draws of the contribution of all items with this offer alone in the plan, less
the contribution without any (`flashlift.account`), or what else the campaign's goal makes of the offer
(`flashlift.planning.goals`). The sum of these values over a plan is the joint account as long as offers do not meet: it
is an approximation where one item appears several times, and where the effects of several offers on one item add up to
more than its stock or its demand allows. `flashlift.planning.check` values a finished plan jointly, so the difference
is seen.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import Campaign
from flashlift.errors import InputError
from flashlift.limits import SellThrough
from flashlift.planning.goals import Effect, Shop, figures, worth
from flashlift.planning.nominated import funded
from flashlift.planning.sound import require_sound
from flashlift.planning.steps import steps
from flashlift.planning.stock import quotas, saleable
from flashlift.planning.windows import known
from flashlift.protocols import DemandDraws, FloatArray, IntArray, Progress, SparseEffects, silent
from flashlift.schema import SaleFacts, SaleItems

__all__ = ["Columns", "Problem", "all_columns", "build_columns", "sells_too_little"]

log = logging.getLogger(__name__)

BLOCK = 1_000_000  # cells x draws evaluated at a time: 8 MB an array, which stays near the cache
TASK = "Value offers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The offers that could run, in order of item; all arrays (n,).

    Args:
        item: row of the items table.
        slot: index of the campaign's slots.
        discount: 1 - price / list price.
        price: sale price.
        quota: units the offer may sell at most.
        units: expected units sold within the quota.
        value: expected worth of the offer alone for the campaign's goal: its incremental profit if that is all.
        figures: what it brings, in the order of `flashlift.planning.goals.FIGURES`; nan where not asked for; and the
            shadow cost, (n, 5).
        discount_cost: expected (list price - price) x units.
    """

    item: IntArray
    slot: IntArray
    discount: FloatArray
    price: FloatArray
    quota: IntArray
    units: FloatArray
    value: FloatArray
    figures: FloatArray
    discount_cost: FloatArray

    def __len__(self) -> int:
        """Number of columns."""
        return len(self.item)

    def take(self, index: npt.NDArray[np.bool_] | IntArray) -> Columns:
        """Some of the columns."""
        return Columns(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What may run, before any of it is valued.

    Args:
        campaign: slots, costs and limits.
        shop: the items.
        draws: demand of the items in the slots.
        cross: its effects on other items, in order of source.
        price: sale price of every item at every step (`flashlift.planning.steps`), (n_items, n_steps).
        allowed: whether the item may run at that step in that slot at all, (n_items, n_steps, n_slots).
        forbidden: whether what only a limit forbids is allowed here.
    """

    campaign: Campaign
    shop: Shop
    draws: DemandDraws
    cross: SparseEffects
    price: FloatArray
    allowed: npt.NDArray[np.bool_]
    forbidden: bool = False

    @classmethod
    def of(cls, campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, *, forbidden: bool = False) -> Problem:
        """Read the campaign; items without stock and what a limit forbids by itself may not run.

        With `forbidden` the latter may: to find out which limits conflict.

        Raises:
            SettingsError: the campaign contradicts itself.
        """
        require_sound(campaign, items)
        shop = Shop(
            item_ids=items[SaleItems.item_id.name].to_list(),
            list_price=items[SaleItems.list_price.name].to_numpy().astype(np.float64),
            unit_cost=items[SaleItems.unit_cost.name].to_numpy().astype(np.float64),
            stock=items[SaleItems.stock.name].to_numpy().astype(np.float64),
            saleable=saleable(campaign, items),
            funded=funded(campaign, items),
            costs=campaign.costs,
            **_later(campaign, items),
            per_purchase=np.fmax(known(items, SaleFacts.units_per_purchase.name, 1.0), 1.0),
        )
        price, allowed = steps(campaign, items, shop.saleable, forbidden=forbidden)
        cross = draws.cross()
        by_source = np.argsort(cross.source, kind="stable")
        cross = SparseEffects(
            source=cross.source[by_source], target=cross.target[by_source], effect=cross.effect[by_source]
        )
        return cls(
            campaign=campaign,
            shop=shop,
            draws=draws,
            cross=cross,
            price=price,
            allowed=allowed,
            forbidden=forbidden,
        )

    @property
    def n_cells(self) -> int:
        """Number of offers that may run, whether or not there is demand for them."""
        return int(self.allowed.sum())

    def blocks(self) -> list[slice]:
        """Ranges of items whose offers are valued together in bounded memory."""
        cells = np.cumsum(self.allowed.sum(axis=(1, 2)))
        if not len(cells) or not cells[-1]:
            return []
        block = (cells - 1) // max(BLOCK // self.draws.n_draws, 1)
        cuts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(cells)]
        return [slice(first, end) for first, end in pairwise(cuts)]

    def cells(self, items: slice) -> tuple[IntArray, IntArray, IntArray]:
        """Item, slot and step of every allowed offer of some items, by item, step and slot."""
        item, step, slot = np.nonzero(self.allowed[items])
        return item + (items.start or 0), slot, step

    def offered(self, columns: Columns) -> npt.NDArray[np.bool_]:
        """Whether valued offers may be chosen: there is demand for them, and they sell the share of it asked for."""
        return (columns.quota > 0) & (self.forbidden | ~sells_too_little(self.campaign, columns))

    def value(self, item: IntArray, slot: IntArray, step: IntArray) -> Columns:
        """Columns of some offers, each valued as if it stood alone in the plan.

        Raises:
            InputError: the draws hold values that are not finite.
        """
        return _evaluate(self, item, slot, self.price[item, step])


def build_columns(
    campaign: Campaign,
    items: pl.DataFrame,
    draws: DemandDraws,
    *,
    forbidden: bool = False,
    progress: Progress = silent,
) -> Columns:
    """Columns of the campaign, valued on `draws` in blocks of bounded memory.

    Offers that no plan may choose are left out, and so are offers without demand (quota 0).

    Args:
        campaign: what may run.
        items: table SaleItems, in the row order of `draws`.
        draws: demand of these items in the campaign's slots.
        forbidden: leave in what only a limit on single offers forbids.
        progress: told the items done.

    Raises:
        SettingsError: the campaign contradicts itself.
        InputError: the draws hold values that are not finite.
    """
    return all_columns(Problem.of(campaign, items, draws, forbidden=forbidden), progress=progress)


def sells_too_little(campaign: Campaign, columns: Columns) -> npt.NDArray[np.bool_]:
    """Whether offers are expected to sell less of their quotas than the campaign asks for, (n_columns,)."""
    least = max([0.0, *(limit.minimum_frac for limit in campaign.limits if isinstance(limit, SellThrough))])
    return np.asarray(columns.units < least * columns.quota - 1e-9)


def all_columns(problem: Problem, *, progress: Progress = silent) -> Columns:
    """Every offer that has demand; see `build_columns`."""
    parts = [problem.value(*problem.cells(slice(0, 0)))]
    done, total = 0, problem.n_cells
    for block in problem.blocks():
        parts.append(problem.value(*problem.cells(block)))
        done += len(parts[-1])
        progress(TASK, done, total, f"{done:,} of {total:,}")
    columns = Columns(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Columns)})
    kept = columns.take(problem.offered(columns))
    log.info("%d offers could run, %d more have no demand", len(kept), len(columns) - len(kept))
    return kept


def _later(campaign: Campaign, items: pl.DataFrame) -> dict[str, FloatArray]:
    """Reference prices, the list price where none is known, and the loss in the next sale per currency below them."""
    list_price = items[SaleItems.list_price.name].to_numpy().astype(np.float64)
    reference = known(items, SaleFacts.reference_price.name, np.nan)
    if (sale := campaign.next_sale) is None:
        return {"reference": list_price, "later": np.zeros(items.height)}
    kept = (1.0 - campaign.costs.return_frac) * (1.0 - sale.discount_frac)
    return {
        "reference": np.where(np.isnan(reference), list_price, reference),
        "later": kept * known(items, SaleFacts.next_sale_units.name, sale.units),
    }


def _evaluate(problem: Problem, item: IntArray, slot: IntArray, price: FloatArray) -> Columns:
    """Quota, expected units and expected value of the cells; each item's offer stands alone."""
    campaign, shop, draws = problem.campaign, problem.shop, problem.draws
    discount = 1.0 - price / shop.list_price[item]
    items, row = np.unique(item, return_inverse=True)
    pairs, pair = np.unique(item * len(campaign.slots) + slot, return_inverse=True)
    pair_item, pair_slot = np.divmod(pairs, max(len(campaign.slots), 1))

    base = draws.without_sale(items)
    displaced = draws.units(pair_item, pair_slot, np.zeros(len(pairs)))[pair]
    wanted = draws.units(item, slot, discount)
    _require_finite(shop, item, wanted, displaced)
    quota = quotas(wanted, campaign.quota_quantile, shop.saleable[item])
    sold = np.minimum(wanted, quota[:, None])
    extra = sold - displaced
    at_list = base[row] - displaced + draws.aftermath(item, extra)
    effect = Effect(
        item=item, sold=sold, extra=extra, at_list=at_list, items=items, row=row, base=base, draws=draws,
        cross=problem.cross,
    )  # fmt: skip
    brought = figures(campaign.goal, shop, effect, price)
    value = worth(campaign.goal, brought)
    _require_finite(shop, item, value[:, None])
    units = sold.mean(axis=1)
    return Columns(
        item=item,
        slot=slot,
        discount=discount,
        price=price,
        quota=quota,
        units=units,
        value=value,
        figures=brought,
        discount_cost=(shop.list_price[item] - price) * units,
    )


def _require_finite(shop: Shop, item: IntArray, *arrays: FloatArray) -> None:
    for array in arrays:
        bad = ~np.isfinite(array).all(axis=1)
        if bad.any():
            raise InputError(
                f"The demand draws of item {shop.item_ids[item[bad.argmax()]]} are not finite numbers. "
                "Fit the demand model again, or exclude the item."
            )
