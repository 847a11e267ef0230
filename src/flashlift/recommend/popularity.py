"""Popular in the last days, per segment: the baseline that every model is printed beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift.errors import InputError
from flashlift.protocols import FloatArray
from flashlift.schema import Customers, Events

__all__ = ["Popularity"]

SEGMENT = "segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Popularity:
    """Ranks items by their share of purchases in the last `days`, in the customer's segment.

    A segment with few purchases borrows from the whole shop, and the shop's purchases borrow from all
    interactions with wanted items, each as if `shrinkage` purchases had been seen with the shares of the level above.
    So a small segment, an unknown customer, or a shop with views alone gets a sensible order.

    Args:
        days: length of the window before the moment asked about.
        shrinkage: weight of the level above, in purchases.
        segments: customer_id, segment; customers who are not in it belong to the whole shop.
    """

    days: float
    shrinkage: float
    segments: pl.DataFrame

    @classmethod
    def fit(
        cls,
        events: pl.DataFrame | pl.LazyFrame,
        customers: pl.DataFrame | None = None,
        *,
        days: float = 28.0,
        shrinkage: float = 100.0,
    ) -> Popularity:
        """Learn who belongs where: `segment` or else `region` of the customers table, or the last region of a customer.

        Give only events from before the moment of the first prediction.

        Raises:
            InputError: `days` or `shrinkage` is not positive.
        """
        if min(days, shrinkage) <= 0:
            raise InputError(
                f"days={days:g} and shrinkage={shrinkage:g} must both be above 0. Raise the one that is not."
            )
        key = Events.customer_id.name
        parts: list[pl.LazyFrame] = []
        if customers is not None:
            where = pl.coalesce(Customers.segment.col, Customers.region.col)
            parts.append(customers.lazy().select(Customers.customer_id.name, where.alias(SEGMENT)))
        seen = events.lazy().filter(Events.customer_id.col.is_not_null(), Events.region.col.is_not_null())
        parts.append(seen.group_by(key).agg(Events.region.col.sort_by(Events.at.name).last().alias(SEGMENT)))
        both = pl.concat(parts).drop_nulls().unique(key, keep="first", maintain_order=True)
        return cls(days=days, shrinkage=shrinkage, segments=both.sort(key).collect())

    def score(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, item_ids: Sequence[str]
    ) -> FloatArray:
        """Shrunken share of purchases, (n_customers, n_items); items without any interaction get 0."""
        key, item = Events.customer_id.name, Events.item_id.name
        recent = events.lazy().filter(
            Events.at.col >= at - timedelta(days=self.days),
            Events.at.col < at,
            Events.event.col.cast(pl.String).is_in(["uncart", "refund"]).not_(),
        )
        counts = (
            recent.join(self.segments.lazy(), on=key, how="left")
            .group_by(item, SEGMENT)
            .agg(seen=pl.len(), bought=(Events.event.col == "purchase").sum())
            .collect()
        )
        segments = ["", *sorted(self.segments[SEGMENT].unique().to_list())]  # "" is the whole shop
        tables = self._shares(counts, segments, item_ids)
        asked = pl.DataFrame({key: list(customers)}, schema={key: pl.String})
        of = asked.join(self.segments, on=key, how="left", maintain_order="left")[SEGMENT].fill_null("")
        place = {name: row for row, name in enumerate(segments)}
        return tables[[place[name] for name in of]]

    def _shares(self, counts: pl.DataFrame, segments: list[str], item_ids: Sequence[str]) -> FloatArray:
        """Shares of the items asked for, (n_segments, n_items); row 0 is the whole shop."""
        seen, bought = np.zeros((2, len(segments), len(item_ids)))
        total_bought = np.zeros(len(segments))
        place = {name: row for row, name in enumerate(segments)}
        known = counts.with_columns(row=pl.col(SEGMENT).fill_null("").replace_strict(place, return_dtype=pl.Int64))
        np.add.at(total_bought, known["row"].to_numpy(), known["bought"].to_numpy())
        column = pl.DataFrame(
            {Events.item_id.name: list(item_ids), "column": range(len(item_ids))},
            schema={Events.item_id.name: pl.String, "column": pl.Int64},
        )
        asked = column.join(known, on=Events.item_id.name, how="inner")
        cell = asked["row"].to_numpy(), asked["column"].to_numpy()
        np.add.at(seen, cell, asked["seen"].to_numpy())
        np.add.at(bought, cell, asked["bought"].to_numpy())
        interest = seen.sum(axis=0) / max(float(counts["seen"].sum()), 1.0)
        shop = _shrink(bought.sum(axis=0), float(total_bought.sum()), interest, self.shrinkage)
        shares = _shrink(bought, total_bought[:, None], shop, self.shrinkage)
        shares[0] = shop
        return shares


def _shrink(count: FloatArray, total: FloatArray | float, prior: FloatArray, weight: float) -> FloatArray:
    share: FloatArray = (count + weight * prior) / (total + weight)
    return share
