"""Contradictions of a campaign that would surface later as nonsense, each in one sentence."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict

import polars as pl

from flashlift.domain import Campaign, Goal
from flashlift.errors import SettingsError
from flashlift.limits import (
    AlwaysTogether,
    Blackout,
    BrandCount,
    CategoryCount,
    FunderBudget,
    Limit,
    MaxChange,
    NeverTogether,
    Nomination,
    Nominations,
    PerCustomer,
    Pinned,
    ReferencePrice,
    Rest,
    SellThrough,
    SoftLimit,
    StockReserve,
)
from flashlift.planning.nominated import funded
from flashlift.schema import SaleItems

__all__ = ["require_sound"]


def require_sound(campaign: Campaign, items: pl.DataFrame) -> None:
    """Refuse what no plan could mean.

    Args:
        campaign: slots, ladder and limits.
        items: table SaleItems; names in the limits must be found in it, save those of items that may not run.

    Raises:
        SettingsError: the first contradiction.
    """
    names = [slot.slot_id for slot in campaign.slots]
    if len(set(names)) < len(names):
        raise SettingsError(f"Two slots of the campaign share a name ({', '.join(names)}). Give each its own.")
    for slot in campaign.slots:
        if slot.end <= slot.start or slot.positions < 0:
            raise SettingsError(
                f"Slot {slot.slot_id} runs from {slot.start} to {slot.end} with {slot.positions} positions. "
                "Let it end after it starts, with 0 or more positions."
            )
    wrong = [step for step in campaign.ladder if not 0.0 < step < 1.0]
    if wrong:
        raise SettingsError(f"The ladder holds the discount {wrong[0]}. Write fractions between 0 and 1, 20 % as 0.2.")
    if not 0.0 < campaign.quota_quantile < 1.0:
        raise SettingsError(f"quota_quantile is {campaign.quota_quantile}. Choose a value between 0 and 1.")
    for ending in campaign.endings:
        if not 0.0 <= ending < 1.0:
            raise SettingsError(f"price_ending is {ending}. Write the fraction only, such as 0.99.")
        if abs(ending - round(ending, 2)) > 1e-12:
            raise SettingsError(f"price_ending is {ending}. A price ends in whole cents, such as 0.99.")
    _goal(campaign.goal)
    later = campaign.next_sale
    if later is not None and not (0.0 <= later.units < math.inf and 0.0 <= later.discount_frac < 1.0):
        raise SettingsError(
            f"The next sale is expected to sell {later.units} units of an item at {later.discount_frac} off. "
            "Give a finite number from 0, and a discount from 0 to below 1, 20 % as 0.2."
        )
    ids, brands = set(items[SaleItems.item_id.name]), set(items[SaleItems.brand.name].drop_nulls())
    for limit in campaign.limits:
        if any(isinstance(figure, float) and math.isnan(figure) for figure in asdict(limit).values()):
            raise SettingsError(f"The limit {limit} holds a figure that is no number. Give one, or drop the limit.")
        if isinstance(limit, SoftLimit) and limit.penalty is not None and not 0.0 < limit.penalty < math.inf:
            raise SettingsError(
                f"The limit {limit} has a penalty of {limit.penalty:g}. Give what a unit beyond it costs, above 0, or "
                "no penalty where the limit must be kept."
            )
        _limit(limit, campaign, ids, brands)
    _nominated_once([one for limit in campaign.limits if isinstance(limit, Nominations) for one in limit.offers])
    _funded(campaign, items)


def _goal(goal: Goal) -> None:
    weights = asdict(goal)
    if not all(0.0 <= weight < math.inf for weight in weights.values()) or not any(weights.values()):
        told = ", ".join(f"{name} = {weight}" for name, weight in weights.items())
        raise SettingsError(
            f"The campaign's goal has the weights {told}. Give finite ones from 0, at least one above 0."
        )


def _limit(limit: Limit, campaign: Campaign, ids: Collection[str], brands: Collection[str]) -> None:
    match limit:
        case CategoryCount():
            if not limit.category:
                raise SettingsError(f"The limit {limit} names no category. Name one, or drop the limit.")
        case BrandCount():
            _known("brand", limit.brand, brands)
        case Pinned():
            _pin(limit, campaign, ids)
        case NeverTogether() | AlwaysTogether():
            if len(set(limit.item_ids)) < 2:
                raise SettingsError(f"The limit {limit} names fewer than two items. Name another, or drop the limit.")
            for item in limit.item_ids:
                _known("item", item, ids)
        case StockReserve() | SellThrough() | PerCustomer() | MaxChange() | FunderBudget() | Rest():
            _in_range(limit)
        case Nominations():
            for one in limit.offers:
                _known("item", one.item_id, ids)
                _nomination(one)
        case Blackout():
            _ordered(limit)
        case ReferencePrice():
            _fractions(limit)


def _nomination(one: Nomination) -> None:
    cents = one.price * 100.0
    if not 0.0 < one.price < math.inf or abs(cents - round(cents)) > 1e-6:
        raise SettingsError(f"Item {one.item_id} is nominated at {one.price:g}. Give a price in whole cents, above 0.")
    if not (one.stock >= 0 and one.stock == int(one.stock)):
        raise SettingsError(f"Item {one.item_id} is nominated with a stock of {one.stock:g}. Give whole units from 0.")
    if not 0.0 <= one.funding_frac <= 1.0:
        raise SettingsError(
            f"The seller of item {one.item_id} pays {one.funding_frac:g} of its discount. Give a share in [0, 1]."
        )


def _nominated_once(offers: Sequence[Nomination]) -> None:
    sellers: dict[str, str] = {}
    for one in offers:
        if one.item_id in sellers:
            both = f"{sellers[one.item_id] or 'a seller'!r} and {one.seller or 'a seller'!r}"
            raise SettingsError(f"Item {one.item_id} is nominated twice, by {both}. Keep one nomination of it.")
        sellers[one.item_id] = one.seller


def _funded(campaign: Campaign, items: pl.DataFrame) -> None:
    share = funded(campaign, items)
    if share.size and share.max() > 1.0 + 1e-9:
        item = items[SaleItems.item_id.name][int(share.argmax())]
        raise SettingsError(
            f"Funders and sellers pay {share.max():.0%} of the discount of item {item} together. "
            "Lower a share, so that it is 100 % at most."
        )


def _fractions(limit: ReferencePrice) -> None:
    low, high = limit.minimum_frac, limit.maximum_frac
    if not low <= high <= 1.0:
        raise SettingsError(
            f"The discount on the reference price lies between {low:g} and {high:g}. "
            "Let the minimum be at most the maximum, and both at most 1."
        )


def _pin(limit: Pinned, campaign: Campaign, ids: Collection[str]) -> None:
    _known("item", limit.item_id, ids)
    if limit.slot_id is not None:
        _known("slot", limit.slot_id, {slot.slot_id for slot in campaign.slots})
    if limit.discount_frac is not None and limit.discount_frac not in campaign.ladder:
        raise SettingsError(
            f"Item {limit.item_id} is pinned at {limit.discount_frac:g} off, which is no step of the ladder "
            f"({', '.join(f'{step:g}' for step in campaign.ladder)}). Add the step, or pin it at one of them."
        )


def _in_range(limit: StockReserve | SellThrough | PerCustomer | MaxChange | FunderBudget | Rest) -> None:
    match limit:
        case Rest():
            wrong = not 0.0 <= limit.hours < math.inf
        case StockReserve():
            wrong = limit.units < 0 or not 0.0 <= limit.share <= 1.0
        case SellThrough():
            wrong = not 0.0 <= limit.minimum_frac <= 1.0
        case FunderBudget():
            wrong = not (limit.amount >= 0.0 and 0.0 < limit.share <= 1.0)
        case PerCustomer():
            wrong = limit.maximum < 1
        case MaxChange():
            wrong = min(limit.new or 0, limit.kept) < 0
    if wrong:
        raise SettingsError(
            f"The limit {limit} holds a figure out of its range. Give shares in [0, 1] and counts from 0."
        )


def _known(kind: str, name: str, names: Collection[str]) -> None:
    if name in names:
        return
    near = difflib.get_close_matches(name, sorted(names), n=1)
    some = ", ".join(sorted(names)[:6]) or "none"
    hint = f"Did you mean {near[0]!r}?" if near else f"Correct it, or drop the limit. Known: {some}."
    raise SettingsError(f"A limit names the {kind} {name!r}, which the campaign does not have. {hint}")


def _ordered(limit: Blackout) -> None:
    if limit.start.tzinfo is None or limit.end.tzinfo is None:
        raise SettingsError(f"The blackout from {limit.start} to {limit.end} names no time zone. Add one, such as Z.")
    if limit.end <= limit.start:
        raise SettingsError(f"The blackout from {limit.start} ends at {limit.end}. Let it end after it starts.")
