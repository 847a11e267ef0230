"""Which items are seen or bought together."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from scipy import sparse

from flashlift.behavior.language.visits import PAUSE
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Events

__all__ = ["together"]

MAX_ROWS = 2_000_000  # items in baskets; of a larger log a random part of the baskets is read
MAX_BASKET = 100  # items; a larger basket is a warehouse's list, and a random part of it is taken
SHRINKAGE = 3.0  # added to the scale of a pair, so that two rare items that met once are no perfect match


def together(
    events: pl.LazyFrame,
    item_ids: pl.Series,
    *,
    start: datetime | None,
    end: datetime,
    kinds: tuple[str, ...],
    most: int,
    rng: np.random.Generator,
) -> sparse.csr_array:
    """Strength of each item's strongest companions, (n_items, n_items), at most `most` per row, diagonal empty.

    Items meet in an order, or without one in a visit of a customer. Strength is the cosine of item vectors over
    baskets, shrunk for rare items: n_ab / (sqrt(n_a n_b) + SHRINKAGE) for n_ab >= 2 (after Sarwar et al. 2001,
    Linden et al. 2003).

    Args:
        events: schema Events.
        item_ids: the items, in the order of rows and columns; others are left out.
        start: events before it are left out; None: the log's beginning.
        end: events at or after it are left out.
        kinds: kinds of events that count.
        most: companions kept per item.
        rng: draws the part of large baskets.
    """
    told = _rows(events, item_ids, start, end, kinds)
    every = -(-told.select(pl.len()).collect().item() // MAX_ROWS)
    if every > 1:
        told = told.filter(pl.col("basket").hash(int(rng.integers(2**32))) % every == 0)
    rows = told.collect().sort("basket", "code")
    rows = rows[rng.permutation(rows.height)]
    rows = rows.filter(pl.int_range(pl.len()).over("basket") < MAX_BASKET)
    n, basket = len(item_ids), rows["basket"].rank("dense").to_numpy().astype(np.int64) - 1
    if rows.is_empty():
        return sparse.csr_array((n, n))
    code = rows["code"].to_numpy()
    met = sparse.csr_array((np.ones(len(code), np.float32), (basket, code)), shape=(basket.max() + 1, n))
    counts = (met.T @ met).tocoo()
    often = counts.diagonal()
    keep = (counts.row != counts.col) & (counts.data >= 2)
    a, b, n_ab = counts.row[keep], counts.col[keep], counts.data[keep]
    strength = n_ab / (np.sqrt(often[a] * often[b]) + SHRINKAGE)
    return _strongest(a.astype(np.int64), b.astype(np.int64), strength, n, most)


def _rows(
    events: pl.LazyFrame, item_ids: pl.Series, start: datetime | None, end: datetime, kinds: tuple[str, ...]
) -> pl.LazyFrame:
    """Distinct (basket, code)."""
    customer, order, at = Events.customer_id.name, Events.order_id.name, Events.at.name
    codes = pl.DataFrame({Events.item_id.name: item_ids}).with_row_index("code")
    rows = events.filter(Events.at.col < end, Events.event.col.cast(pl.String).is_in(kinds))
    if start is not None:
        rows = rows.filter(Events.at.col >= start)
    rows = (
        rows.select(customer, order, Events.item_id.name, at)
        .filter(Events.customer_id.col.is_not_null() | Events.order_id.col.is_not_null())
        .join(codes.lazy(), on=Events.item_id.name)
        .sort(customer, at, maintain_order=True)
    )
    new = (pl.col(customer) != pl.col(customer).shift()) | (Events.at.col.diff() > PAUSE)
    visit = pl.concat_str(pl.lit("visit "), new.fill_null(True).cum_sum())
    basket = pl.coalesce(pl.concat_str(pl.lit("order "), pl.col(order)), visit)
    return rows.with_columns(basket=basket).select("basket", "code").unique()


def _strongest(a: IntArray, b: IntArray, strength: FloatArray, n: int, most: int) -> sparse.csr_array:
    order = np.lexsort((b, -strength, a))
    a, b, strength = a[order], b[order], strength[order]
    place = np.arange(len(a)) - np.searchsorted(a, a)  # rank within the row
    kept = place < most
    return sparse.csr_array((strength[kept], (a[kept], b[kept])), shape=(n, n))
