"""What the customer bought or looked at most before: the baseline to beat where people come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.protocols import FloatArray, Recommender
from flashlift.schema import Events

__all__ = ["OwnHistory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHistory:
    """Ranks items by how often they stand in the customer's own history; equal counts in the order of `otherwise`."""

    otherwise: Recommender

    def score(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, item_ids: Sequence[str]
    ) -> FloatArray:
        """Count plus a fraction below 1 from the other recommender's order, (n_customers, n_items)."""
        key, item = Events.customer_id.name, Events.item_id.name
        rows = pl.DataFrame({key: list(customers), "row": range(len(customers))}, schema={key: pl.String, "row": int})
        columns = pl.DataFrame(
            {item: list(item_ids), "column": range(len(item_ids))}, schema={item: pl.String, "column": int}
        )
        wanted = Events.event.col.cast(pl.String).is_in(["uncart", "refund"]).not_()
        counts = (
            events.lazy()
            .filter(Events.at.col < at, wanted)
            .join(rows.lazy(), on=key)
            .join(columns.lazy(), on=item)
            .group_by("row", "column")
            .len()
            .collect()
        )
        own = np.zeros((len(customers), len(item_ids)))
        own[counts["row"].to_numpy(), counts["column"].to_numpy()] = counts["len"].to_numpy()
        order = self.otherwise.score(events, customers, at, item_ids)
        place = np.argsort(np.argsort(-order, axis=1, kind="stable"), axis=1)
        return own - place / (len(item_ids) + 1.0)
