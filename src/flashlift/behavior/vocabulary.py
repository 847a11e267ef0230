"""The codes of a shop: its items, categories, channels and regions, as the training window knew them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.protocols import IntArray
from flashlift.schema import Events, Items

__all__ = ["LABELS", "Vocabulary"]

LABELS = ("category", "channel", "region")
MAX_LABELS = {"category": 2000, "channel": 20, "region": 200}
ITEM_SCHEMA = {"item_id": pl.String, "code": pl.Int64, "usual_price": pl.Float64, "category": pl.Int64,
               "category_price": pl.Float64}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Codes from 1 on; 0 is everything else.

    Args:
        items: item_id, code, usual_price (median paid, else list price, null without prices), category (code),
            category_price (median of usual prices in the category); ordered by code.
        labels: field (one of LABELS), value, code.
        n_trained: items 1..n_trained have events in the training window; later codes are known from the items
            table or from a question alone.
    """

    items: pl.DataFrame
    labels: pl.DataFrame
    n_trained: int

    @classmethod
    def fit(cls, events: pl.DataFrame, *, max_items: int, items: pl.DataFrame | None = None) -> Vocabulary:
        """Take the most frequent items of `events`, then those that stand in `items` (schema Items) alone.

        Equally frequent ones are taken in order of their ids.
        """
        key = Events.item_id.name
        table = Items.create_empty() if items is None else items
        counted = events.group_by(key).agg(n=pl.len(), paid=Events.price.col.median())
        sold = counted.sort("n", key, descending=[True, False]).head(max_items).select(key, "paid")
        unsold = table.select(key, paid=pl.lit(None, pl.Float64)).join(counted, on=key, how="anti").sort(key)
        named = {"category": _first(table[Items.category.name].drop_nulls(), "category")}
        named |= {field: _first(events[field].drop_nulls(), field) for field in LABELS[1:] if field in events.columns}
        labels = pl.concat([_labels(field, values) for field, values in named.items()])
        known = pl.concat([sold, unsold]).join(
            table.select(key, Items.category.name, Items.list_price.name), on=key, how="left", maintain_order="left"
        )
        codes = _codes(labels, "category", known[Items.category.name])
        rows = known.select(
            key,
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("code"),
            usual_price=pl.coalesce("paid", Items.list_price.name),
            category=pl.Series(codes),
        ).with_columns(category_price=pl.col("usual_price").median().over("category"))
        return cls(items=rows.cast(ITEM_SCHEMA), labels=labels, n_trained=sold.height)  # type: ignore[arg-type]

    @property
    def size(self) -> int:
        """Number of item codes, the shared code 0 included."""
        return self.items.height + 1

    def count(self, field: str) -> int:
        """Number of codes of a label, the shared code 0 included."""
        return self.labels.filter(pl.col("field") == field).height + 1

    def values(self, field: str) -> list[str]:
        """The values of a label in order of their codes 1..n."""
        return self.labels.filter(pl.col("field") == field)["value"].to_list()

    def extended(self, item_ids: Sequence[str]) -> Vocabulary:
        """With further codes for those of `item_ids` that have none; the network has no vectors for these."""
        key = Events.item_id.name
        new = (
            pl.DataFrame({key: list(item_ids)}, schema={key: pl.String})
            .unique(maintain_order=True)
            .join(self.items, on=key, how="anti", maintain_order="left")
        )
        if new.is_empty():
            return self
        more = new.select(
            key,
            pl.int_range(self.size, self.size + pl.len(), dtype=pl.Int64).alias("code"),
            usual_price=pl.lit(None, pl.Float64),
            category=pl.lit(0, pl.Int64),
            category_price=pl.lit(None, pl.Float64),
        )
        return Vocabulary(items=pl.concat([self.items, more]), labels=self.labels, n_trained=self.n_trained)

    def codes(self, item_ids: Sequence[str]) -> IntArray:
        """Code of each item, (n,); 0 for items without one."""
        asked = pl.DataFrame({Events.item_id.name: list(item_ids)}, schema={Events.item_id.name: pl.String})
        found = asked.join(self.items, on=Events.item_id.name, how="left", maintain_order="left")
        return found["code"].fill_null(0).to_numpy().astype(np.int64)

    def label_codes(self, field: str, values: pl.Series) -> IntArray:
        """Code of each value of a label, (n,); 0 for null and for values without one."""
        return _codes(self.labels, field, values)


def _first(values: pl.Series, field: str) -> list[str]:
    """The most frequent values, in order of their names where equally frequent."""
    counts = values.rename("value").value_counts(name="n").sort("n", "value", descending=[True, False])
    return counts.head(MAX_LABELS[field])["value"].to_list()


def _labels(field: str, values: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"field": [field] * len(values), "value": values, "code": range(1, len(values) + 1)},
        schema={"field": pl.String, "value": pl.String, "code": pl.Int64},
    )


def _codes(labels: pl.DataFrame, field: str, values: pl.Series) -> IntArray:
    mine = labels.filter(pl.col("field") == field)
    asked = values.rename("value").cast(pl.String).to_frame()
    found = asked.join(mine, on="value", how="left", maintain_order="left")["code"].fill_null(0)
    return found.to_numpy().astype(np.int64)
