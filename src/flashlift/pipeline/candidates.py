"""What a plan chooses from: the campaign with all that people asked of it, and the items that may be in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta

import polars as pl

from flashlift import events
from flashlift.domain import Campaign
from flashlift.errors import SettingsError
from flashlift.limits import Blackout, CategoryCount, Excluded, FunderBudget, Limit, MaxChange, Nominations, Pinned
from flashlift.pipeline.csv_rows import hint
from flashlift.pipeline.nominations import with_nominated_stock
from flashlift.pipeline.picks import Picks
from flashlift.pipeline.shop import Shop, for_sale
from flashlift.schema import Events, Items, SaleFacts, SaleItems
from flashlift.settings import Settings

__all__ = ["candidates"]

DAYS = 56  # of sales by which candidates are ranked


def candidates(
    settings: Settings, shop: Shop, picks: Picks, nominated: Nominations | None
) -> tuple[Campaign, pl.DataFrame]:
    """The campaign, and table SaleItems at the end of the log with the columns of SaleFacts that it asks for.

    Args:
        settings: of the shop.
        shop: its tables.
        picks: items pinned and forbidden beside the settings.
        nominated: what sellers nominated.

    Raises:
        SettingsError: a limit names an item, a brand or a category that the shop does not have.
    """
    campaign = picks.within(settings.build_campaign(shop.split.test_end))
    _check_names(campaign, shop)
    if nominated is not None:
        campaign = replace(campaign, limits=(*campaign.limits, nominated))
    items = _with_facts(_sale_items(settings, shop, campaign), campaign, settings, shop)
    return campaign, items if nominated is None else with_nominated_stock(items, nominated)


def _check_names(campaign: Campaign, shop: Shop) -> None:
    """Names are looked up among everything the shop has: a limit may speak of what is no candidate."""
    items = shop.tables.items
    paths = items[Items.category.name].drop_nulls().unique().to_list()
    parts = [path.split("/") for path in paths]
    known = {
        "item": set(items[Items.item_id.name]),
        "brand": set(items[Items.brand.name].drop_nulls()),
        "category": {"/".join(part[: k + 1]) for part in parts for k in range(len(part))},
    }
    for limit in campaign.limits:
        for kind, names in _named(limit):
            unknown = next((name for name in names if name not in known[kind]), None)
            if unknown is not None:
                raise SettingsError(
                    f"The campaign names the {kind} {unknown!r}, which the shop does not have. "
                    f"{hint(unknown, known[kind]) if known[kind] else 'Drop it'}."
                )


def _named(limit: Limit) -> Iterator[tuple[str, Collection[str]]]:
    match limit:
        case Excluded() | MaxChange():
            yield "item", limit.item_ids
        case CategoryCount():
            yield "category", [limit.category]
        case Blackout():
            yield "item", limit.item_ids
            yield "category", [] if limit.category is None else [limit.category]
        case FunderBudget():
            yield "item", limit.item_ids
            yield "brand", [] if limit.brand is None else [limit.brand]


def _sale_items(settings: Settings, shop: Shop, campaign: Campaign) -> pl.DataFrame:
    """The items that sold most, what the campaign pins, and what sellers nominated."""
    at, key = shop.split.test_end, SaleItems.item_id.name
    items = for_sale(settings, shop)
    recent = events.before(shop.tables.events, at).filter(
        Events.event.col == "purchase", Events.at.col >= at - timedelta(days=DAYS)
    )
    sold = recent.group_by(Events.item_id.name).agg(sold=Events.quantity.col.sum()).collect()
    most = items.join(sold, on=key, how="left").sort(pl.col("sold").fill_null(0), key, descending=[True, False])
    named = [limit.item_id for limit in campaign.limits if isinstance(limit, Pinned)]
    named += [one.item_id for limit in campaign.limits if isinstance(limit, Nominations) for one in limit.offers]
    return items.filter(pl.col(key).is_in([*most[key].head(settings.campaign.candidates), *named]))


def _with_facts(items: pl.DataFrame, campaign: Campaign, settings: Settings, shop: Shop) -> pl.DataFrame:
    """The columns of SaleFacts: those that the campaign's limits ask for, and what turns units into buyers."""
    asked, at = settings.campaign, shop.split.test_end
    tables = [events.purchase_sizes(shop.tables, at=at)]
    if asked.reference_price is not None or asked.next_sale is not None:
        rule = events.POLICIES["eu"] if asked.reference_price is None else asked.reference_price.rule()
        start = campaign.slots[0].start
        tables.append(events.reference_prices(shop.tables, at=at, start=start, policy=rule))
    if asked.not_above_competitor:
        tables.append(events.competitor_prices(shop.tables, at=at))
    if asked.rest_hours is not None:
        tables.append(events.sales_around(shop.tables, start=campaign.slots[0].start))
    for table in tables:
        items = items.join(table, on=SaleFacts.item_id.name, how="left", maintain_order="left")
    return items
