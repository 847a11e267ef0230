"""An independent opinion on a plan: what all its offers together are worth, and which limits it breaks.

Shares no code with the planner or the account it maximizes: the value is recomputed here from the design's definition,
V = E[C(plan) - C(no sale)], C = units kept x (price paid - unit cost) - returns - holding, over all items touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import (
    Appearances,
    Budget,
    Campaign,
    CategoryCount,
    Costs,
    Estimate,
    Excluded,
    MarginFloor,
    Offer,
    Slot,
)
from flashlift.errors import SettingsError
from flashlift.protocols import DemandDraws, FloatArray
from flashlift.schema import SaleItems

__all__ = ["Broken", "Verdict", "check"]

CENT = 0.01
NOISE_SIGMAS = 4.0  # a budget recomputed on other draws is over it beyond this many standard errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A limit that the plan breaks, where, and by how much in the limit's unit."""

    limit: str
    where: str
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a plan is worth on the draws given, and what it breaks. Money in shop currency.

    Args:
        value: mean of V over the draws; the interval is the central `level` share of V's distribution, that is the
            uncertainty of the outcome, not of the mean.
        mean_error: standard error of the mean of V over the draws; null for a single draw.
        gross_sales: expected revenue of the offers.
        units: expected units sold in the offers.
        sell_through: expected units / quotas; null for a plan without quota.
        discount_cost: expected (list price - price) x units.
        broken: limits the plan breaks. Offers of unknown items or slots are listed here and not valued.
    """

    value: Estimate
    mean_error: float | None
    gross_sales: float
    units: float
    sell_through: float | None
    discount_cost: float
    broken: tuple[Broken, ...]

    def to_polars(self) -> pl.DataFrame:
        """One row for each figure: `figure`, `value`, `ci_lower`, `ci_upper` (null where there is no interval)."""
        rows = [
            ("incremental profit", self.value.value, self.value.ci_lower, self.value.ci_upper),
            ("standard error of its mean", self.mean_error, None, None),
            ("gross sales", self.gross_sales, None, None),
            ("units", self.units, None, None),
            ("sell-through", self.sell_through, None, None),
            ("discount cost", self.discount_cost, None, None),
            ("limits broken", float(len(self.broken)), None, None),
        ]
        columns = ("figure", "value", "ci_lower", "ci_upper")
        return pl.DataFrame(rows, schema=dict(zip(columns, [pl.String, *[pl.Float64] * 3], strict=True)), orient="row")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One offer beside the raw row of its item."""

    offer: Offer
    slot: Slot
    item: int
    slot_at: int
    category: str
    list_price: float
    unit_cost: float
    stock: int


def check(
    plan_offers: Sequence[Offer],
    campaign: Campaign,
    items: pl.DataFrame,
    draws: DemandDraws,
    *,
    level: float = 0.9,
) -> Verdict:
    """Value the offers jointly and verify every limit from the raw tables.

    On the optimizer's draws the value of a plan with one appearance per item equals its objective, save where effects
    on one item from several sides meet the end of its stock; on fresh draws it is what people are told.

    Args:
        plan_offers: offers of the plan, in any order.
        campaign: the limits.
        items: table SaleItems, in the row order of `draws`.
        draws: demand of these items in the campaign's slots.
        level: probability of the interval, in (0, 1).

    Raises:
        SettingsError: `level` is no probability.
    """
    if not 0.0 < level < 1.0:
        raise SettingsError(f"The level of an interval is {level}. Choose a value between 0 and 1, such as 0.9.")
    rows, strangers = _join(plan_offers, campaign, items)
    value, sold = _value(rows, campaign.costs, items, draws)
    offers = [row.offer for row in rows]
    price = np.array([offer.price for offer in offers])
    given = np.array([row.list_price - row.offer.price for row in rows])
    quota = sum(offer.quota for offer in offers)
    tail = (1.0 - level) / 2.0
    broken = [
        *strangers,
        *_tags(rows, campaign),
        *_places(rows, campaign),
        *_amounts(rows),
        *(b for limit in campaign.limits for b in _limit(limit, rows, campaign, given @ sold)),
    ]
    return Verdict(
        value=Estimate(
            value=float(value.mean()),
            ci_lower=float(np.quantile(value, tail)),
            ci_upper=float(np.quantile(value, 1.0 - tail)),
            level=level,
        ),
        mean_error=_mean_error(value),
        gross_sales=float((price @ sold).mean()),
        units=float(sold.sum(axis=0).mean()),
        sell_through=float(sold.sum(axis=0).mean()) / quota if quota > 0 else None,
        discount_cost=float((given @ sold).mean()),
        broken=tuple(broken),
    )


def _join(plan_offers: Sequence[Offer], campaign: Campaign, items: pl.DataFrame) -> tuple[list[_Row], list[Broken]]:
    slots = {slot.slot_id: i for i, slot in enumerate(campaign.slots)}
    wanted = {offer.item_id for offer in plan_offers}
    numbered = items.with_row_index("_row").filter(pl.col(SaleItems.item_id.name).is_in(list(wanted)))
    raw = {row[SaleItems.item_id.name]: row for row in numbered.iter_rows(named=True)}
    rows, strangers = [], []
    for offer in plan_offers:
        where = f"{offer.item_id} in {offer.slot_id}"
        if offer.item_id not in raw:
            strangers.append(Broken(limit="known item", where=where, amount=1.0))
        elif offer.slot_id not in slots:
            strangers.append(Broken(limit="known slot", where=where, amount=1.0))
        else:
            item, at = raw[offer.item_id], slots[offer.slot_id]
            rows.append(
                _Row(
                    offer=offer,
                    slot=campaign.slots[at],
                    item=item["_row"],
                    slot_at=at,
                    category=item[SaleItems.category.name],
                    list_price=item[SaleItems.list_price.name],
                    unit_cost=item[SaleItems.unit_cost.name],
                    stock=item[SaleItems.stock.name],
                )
            )
    return rows, strangers


def _value(rows: list[_Row], costs: Costs, items: pl.DataFrame, draws: DemandDraws) -> tuple[FloatArray, FloatArray]:
    """V of each draw (n_draws,) and units sold of each offer (n_offers, n_draws)."""
    if not rows:
        return np.zeros(draws.n_draws), np.zeros((0, draws.n_draws))
    item = np.array([row.item for row in rows])
    slot = np.array([row.slot_at for row in rows])
    price = np.array([[row.offer.price] for row in rows])
    quota = np.array([[row.offer.quota] for row in rows])
    discount = 1.0 - price[:, 0] / np.array([row.list_price for row in rows])
    sold = np.minimum(draws.units(item, slot, discount), quota)
    replaced = draws.units(item, slot, np.zeros(len(rows)))

    cross = draws.cross()
    from_plan = np.isin(cross.source, item)
    touched = np.union1d(item, cross.target[from_plan])
    units, revenue, extra = (np.zeros((len(touched), draws.n_draws)) for _ in range(3))
    before = draws.without_sale(touched)
    after = before.copy()
    at = np.searchsorted(touched, item)
    np.add.at(units, at, sold)
    np.add.at(revenue, at, sold * price)
    np.add.at(extra, at, sold - replaced)
    np.subtract.at(after, at, replaced)
    own = np.unique(at)
    after[own] += draws.aftermath(touched[own], extra[own])
    source = np.searchsorted(touched, cross.source[from_plan])
    target = np.searchsorted(touched, cross.target[from_plan])
    np.add.at(after, target, cross.effect[from_plan, None] * extra[source])

    raw = items[touched.tolist()]
    with_sale = _contribution(units, revenue, after, raw, costs)
    without = _contribution(np.zeros_like(units), np.zeros_like(units), before, raw, costs)
    return (with_sale - without).sum(axis=0), sold


def _contribution(
    units: FloatArray, revenue: FloatArray, at_list: FloatArray, raw: pl.DataFrame, costs: Costs
) -> FloatArray:
    """Income less goods, returns and holding, (n_items, n_draws); sales at list price end with the stock."""
    list_price, unit_cost, stock = (
        raw[name].to_numpy().astype(np.float64)[:, None]
        for name in (SaleItems.list_price.name, SaleItems.unit_cost.name, SaleItems.stock.name)
    )
    after_sale = np.clip(stock - units, 0.0, None)
    bought = np.clip(at_list, 0.0, after_sale)
    gone = units + bought
    kept = 1.0 - costs.return_frac
    income = kept * (revenue + bought * list_price)
    spent = kept * gone * unit_cost + costs.return_frac * gone * costs.return_cost
    return income - spent - (after_sale - bought) * costs.holding_cost


def _tags(rows: list[_Row], campaign: Campaign) -> Iterator[Broken]:
    """Each price is a ladder step of its item's list price, ends as the campaign says and lies below list price."""
    for row in rows:
        price = row.offer.price
        where = f"{row.offer.item_id} in {row.slot.slot_id}"
        reach = CENT / 2 if campaign.price_ending is None else 0.5
        nearest = min((abs(row.list_price * (1.0 - step) - price) for step in campaign.ladder), default=np.inf)
        if nearest > reach + CENT / 2 + 1e-9:  # a wanted price is first rounded to the cent
            yield Broken(limit="ladder", where=where, amount=float(nearest))
        tail = (price * 100.0) % (1.0 if campaign.price_ending is None else 100.0)
        off = abs(tail - 100.0 * (campaign.price_ending or 0.0))
        off = min(off, abs(1.0 - tail)) if campaign.price_ending is None else min(off, 100.0 - off)
        if off > 1e-6:
            yield Broken(limit="price ending", where=where, amount=off / 100.0)
        if not 0.0 < price < row.list_price:
            yield Broken(limit="below list price", where=where, amount=price - row.list_price)
        if abs(1.0 - price / row.list_price - row.offer.discount_frac) > 1e-9:
            yield Broken(limit="discount", where=where, amount=1.0 - price / row.list_price - row.offer.discount_frac)


def _places(rows: list[_Row], campaign: Campaign) -> Iterator[Broken]:
    """Positions of every slot, and one price per item and moment."""
    for slot in campaign.slots:
        over = sum(row.slot.slot_id == slot.slot_id for row in rows) - slot.positions
        if over > 0:
            yield Broken(limit="positions", where=slot.slot_id, amount=float(over))
    for one, other in _pairs(rows):
        if one.slot.start < other.slot.end and other.slot.start < one.slot.end:
            where = f"{one.offer.item_id} in {one.slot.slot_id} and {other.slot.slot_id}"
            yield Broken(limit="one price", where=where, amount=1.0)


def _pairs(rows: list[_Row]) -> Iterator[tuple[_Row, _Row]]:
    """Offers of the same item, two by two, the earlier first."""
    by_item: dict[int, list[_Row]] = {}
    for row in rows:
        by_item.setdefault(row.item, []).append(row)
    for same in by_item.values():
        yield from combinations(sorted(same, key=lambda row: row.slot.start), 2)


def _amounts(rows: list[_Row]) -> Iterator[Broken]:
    """Whole positive quotas, together within the stock."""
    total: dict[int, int] = {}
    stock: dict[int, tuple[str, int]] = {}
    for row in rows:
        if row.offer.quota < 1:
            where = f"{row.offer.item_id} in {row.slot.slot_id}"
            yield Broken(limit="quota", where=where, amount=float(1 - row.offer.quota))
        total[row.item] = total.get(row.item, 0) + row.offer.quota
        stock[row.item] = (row.offer.item_id, row.stock)
    for item, (item_id, on_hand) in stock.items():
        if total[item] > on_hand:
            yield Broken(limit="stock", where=item_id, amount=float(total[item] - on_hand))


def _limit(
    limit: CategoryCount | Budget | MarginFloor | Appearances | Excluded,
    rows: list[_Row],
    campaign: Campaign,
    discount_cost: npt.NDArray[np.float64],
) -> Iterator[Broken]:
    match limit:
        case CategoryCount():
            yield from _category(limit, rows, campaign)
        case Budget():
            yield from _budget(limit, rows, discount_cost)
        case MarginFloor():
            for row in rows:
                short = limit.margin_frac - (row.offer.price - row.unit_cost) / row.offer.price
                if short > 1e-9:
                    where = f"{row.offer.item_id} in {row.slot.slot_id}"
                    yield Broken(limit="margin floor", where=where, amount=short)
        case Appearances():
            yield from _appearances(limit, rows)
        case Excluded():
            for row in rows:
                if row.offer.item_id in limit.item_ids:
                    where = f"{row.offer.item_id} in {row.slot.slot_id}"
                    yield Broken(limit="excluded", where=where, amount=1.0)


def _category(limit: CategoryCount, rows: list[_Row], campaign: Campaign) -> Iterator[Broken]:
    path = limit.category.split("/")
    inside = [row for row in rows if row.category.split("/")[: len(path)] == path]
    places = [(slot.slot_id, slot.slot_id) for slot in campaign.slots] if limit.per_slot else [("campaign", None)]
    for where, slot_id in places:
        count = sum(slot_id is None or row.slot.slot_id == slot_id for row in inside)
        if count < limit.minimum:
            yield Broken(limit=f"category[{limit.category}] minimum", where=where, amount=float(limit.minimum - count))
        if limit.maximum is not None and count > limit.maximum:
            yield Broken(limit=f"category[{limit.category}] maximum", where=where, amount=float(count - limit.maximum))


def _budget(limit: Budget, rows: list[_Row], discount_cost: npt.NDArray[np.float64]) -> Iterator[Broken]:
    """The plan's own units must keep the budget exactly; those of the draws given, up to sampling noise."""
    tolerance = 1e-6 * max(1.0, abs(limit.amount))
    stated = sum((row.list_price - row.offer.price) * row.offer.expected_units for row in rows) - limit.amount
    found = float(discount_cost.mean()) - limit.amount
    noise = NOISE_SIGMAS * (_mean_error(discount_cost) or 0.0)
    if stated > tolerance or found > noise + tolerance:
        yield Broken(limit="budget", where="campaign", amount=max(stated, found))


def _appearances(limit: Appearances, rows: list[_Row]) -> Iterator[Broken]:
    times: dict[str, int] = {}
    for row in rows:
        times[row.offer.item_id] = times.get(row.offer.item_id, 0) + 1
    for item_id, count in times.items():
        if count > limit.maximum:
            yield Broken(limit="appearances", where=item_id, amount=float(count - limit.maximum))
    pause = timedelta(hours=max(limit.cool_down_hours, 0.0))
    for one, other in _pairs(rows):
        rest = other.slot.start - one.slot.end
        if rest < pause:
            where = f"{one.offer.item_id} in {one.slot.slot_id} and {other.slot.slot_id}"
            yield Broken(limit="cool-down", where=where, amount=(pause - rest) / timedelta(hours=1))


def _mean_error(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else None
