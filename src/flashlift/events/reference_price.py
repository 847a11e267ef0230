"""The price that a reduction is measured against by law or by the merchant: the lowest of so many days before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from flashlift.errors import SettingsError
from flashlift.events.split import before
from flashlift.schema import Events, ItemHistory, SaleFacts, Tables

__all__ = ["POLICIES", "ReferencePolicy", "reference_prices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePolicy:
    """Which prices count.

    Args:
        name: the rule and the day since which it applies.
        days: length of the window before the sale, at least 1.
        paid: prices that customers paid; else prices that were on offer, whether or not anybody bought, which only
            the history tells; where an item has no history, the paid ones stand in for them.
    """

    name: str
    days: int
    paid: bool = False

    def __post_init__(self) -> None:
        if self.days < 1:
            raise SettingsError(f"A reference price looks back {self.days} days; let it be 1 or more.")


POLICIES = {
    # Directive 98/6/EC, Art. 6a, by Directive (EU) 2019/2161: lowest price applied in the 30 days before
    "eu": ReferencePolicy(name="EU, 98/6/EC Art. 6a, since 2022-05-28", days=30),
    # SAMR, Interim Provisions on Promotions, Art. 21: lowest transaction of 7 days, else the last transaction
    "china": ReferencePolicy(name="China, SAMR Art. 21, since 2020-12-01", days=7, paid=True),
}


def reference_prices(tables: Tables, *, at: datetime, start: datetime, policy: ReferencePolicy) -> pl.DataFrame:
    """The reference price of every item that has one: item_id, reference_price (schema SaleFacts).

    Args:
        tables: from `open_store`.
        at: nothing at or after it is read; what holds then is taken to hold until the sale.
        start: first moment of the sale; the window is the policy's days before it.
        policy: which prices count. Where it counts paid prices and there was none in the window, the last one counts.
    """
    since = start - timedelta(days=policy.days)
    item, name = Events.item_id.name, SaleFacts.reference_price.name
    bought = (Events.event.col == "purchase") & Events.price.col.is_not_null()
    paid = before(tables.events, at).filter(bought).select(Events.item_id.name, Events.at.name, Events.price.name)
    lowest = paid.filter(Events.at.col >= since).group_by(item).agg(Events.price.col.min().alias(name)).collect()
    if policy.paid:
        last = paid.sort(Events.at.name).group_by(item, maintain_order=True).agg(Events.price.col.last().alias(name))
        return pl.concat([lowest, last.collect().join(lowest, on=item, how="anti")]).sort(item)
    if tables.history is None:
        return lowest.sort(item)
    told = tables.history.filter(ItemHistory.at.col < at).drop_nulls(ItemHistory.price.name).sort(item, "at")
    ends = pl.col("at").shift(-1).over(item)  # a row holds until the next one
    offered = told.filter(ends.is_null() | (ends > since)).group_by(item).agg(ItemHistory.price.col.min().alias(name))
    return pl.concat([offered, lowest.join(offered, on=item, how="anti")]).sort(item)
