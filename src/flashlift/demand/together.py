"""Which items are looked at in one visit, bought in one order, or bought in turn: counts of pairs, beside chance.

Chance follows the popularity of both items in the same four weeks, the sizes of visits and orders, and how often items
of their category are met together at all (the configuration model of networks: Newman, PNAS 103(23), 2006), so that
neither a best seller nor a customer who cares for gardens makes a pair. Counts and chance of single pairs are found on
demand; there is never a matrix of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from flashlift.demand.titles import top_of_rows, unique_pairs
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Events

__all__ = ["Together", "bought_in_turn", "bought_together", "looked_at_together", "read_lines", "read_looks"]

_PAUSE = timedelta(minutes=30)  # ends a visit
_LONGEST_VISIT = 30  # items; a longer one is cut into several
_MOST_LOOKS = 5_000_000  # the latest ones
_PERIOD_DAYS = 28
_FEW = 3.0  # pairs seen and expected that are added to those of a category
_STUDIED = 500  # best-selling items whose pairs tell how much pairs differ
_SHAPES = 1.0, 1e4  # lifts between a tenth and three times the usual; all the same
_BLOCK = 1_024  # items
_CELLS = 4_000_000  # entries of two matrices multiplied at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Occasions in pairs: an item of the first is met together with an item of the second.

    Args:
        first: 1 where the first occasion of a pair holds the item, (n_occasions, n_items) by columns.
        second: the same of the second; `first` itself where items are met within one occasion.
        first_ends: pairs that each item is in as one of the first, by four weeks, (n_items, n_periods).
        second_ends: as one of the second.
        category: category of each item, (n_items,).
        usual: how much more often than chance items of a category are met together, (n_categories,).
        shape: of the Gamma distribution of lifts; the larger, the more alike are all pairs of a category.
    """

    first: sparse.csc_matrix
    second: sparse.csc_matrix
    first_ends: FloatArray
    second_ends: FloatArray
    category: IntArray
    usual: FloatArray
    shape: float = 1.0

    @classmethod
    def count(
        cls, first: sparse.csr_matrix, second: sparse.csr_matrix, period: IntArray, category: IntArray
    ) -> Together:
        """Count the ends of all pairs.

        Args:
            first: 1 where an occasion holds an item, (n_occasions, n_items).
            second: the occasion that it is paired with, or `first` itself.
            period: four weeks of each pair of occasions.
            category: category of each item.
        """
        within = first is second
        sizes = [np.asarray(one.sum(axis=1)).ravel() - within for one in (second, first)]
        when = sparse.csr_matrix((np.ones(len(period)), (np.arange(len(period)), period)))
        ends = [
            np.asarray((one.T @ sparse.diags(other) @ when).todense())
            for one, other in zip((first, second), sizes, strict=True)
        ]
        leaf = sparse.csr_matrix((np.ones(len(category)), (np.arange(len(category)), category)))
        itself = np.asarray(first.multiply(second).sum(axis=0)).ravel()
        met = np.asarray((first @ leaf).multiply(second @ leaf).sum(axis=0)).ravel() - leaf.T @ itself
        share = ends[1] / np.maximum(ends[1].sum(axis=0), 1e-9)
        chance = ((leaf.T @ ends[0]) * (leaf.T @ share)).sum(axis=1) - leaf.T @ (ends[0] * share).sum(axis=1)
        plain = cls(
            first=(columns := first.tocsc()),
            second=columns if within else second.tocsc(),
            first_ends=ends[0],
            second_ends=ends[1],
            category=category,
            usual=(met + _FEW) / (chance + _FEW),
        )
        return replace(plain, shape=plain._shape())

    def _shape(self) -> float:
        """Likeliest shape: counts are negative binomial, of variance chance + chance^2 / shape."""
        best = np.sort(np.argsort(-self.first_ends.sum(axis=1), kind="stable")[:_STUDIED])
        left, right = np.triu_indices(len(best), 1)
        of_one = self.category[best[left]] == self.category[best[right]]
        left, right = left[of_one], right[of_one]
        product = (self.first[:, best].T @ self.second[:, best]).toarray()
        met = product[left, right] if self.first is self.second else product[left, right] + product[right, left]
        chance = self._chance(best[left], best[right])

        def unlikely(log_shape: float) -> float:
            a = np.exp(log_shape)
            return float(((a + met) * np.log(a + chance) - a * np.log(a) - gammaln(a + met) + gammaln(a)).sum())

        return float(np.exp(minimize_scalar(unlikely, bounds=np.log(_SHAPES), method="bounded").x))

    def log_lift(self, left: IntArray, right: IntArray) -> FloatArray:
        """Ln of how much more often than by chance pairs of one category were met, shrunk to 0 where few were expected.

        The posterior mean of a Poisson rate over its expectation under a Gamma prior of mean 1 (DuMouchel, The American
        Statistician 53(3), 1999).
        """
        met = self._met(self.first, self.second, left, right)
        if self.first is not self.second:
            met += self._met(self.second, self.first, left, right)
        return np.asarray(np.log((met + self.shape) / (self._chance(left, right) + self.shape)))

    def _chance(self, left: IntArray, right: IntArray) -> FloatArray:
        """How often pairs of one category are expected to be met."""
        share = self.second_ends / np.maximum(self.second_ends.sum(axis=0), 1e-9)
        chance = _rows_dot(self.first_ends, share, left, right)
        if self.first is not self.second:
            chance += _rows_dot(self.first_ends, share, right, left)
        return chance * self.usual[self.category[left]]

    def pairs(self, most: int) -> tuple[IntArray, IntArray]:
        """Pairs of one category met at least twice, of each item the `most` most lifted ones; the first is smaller."""
        found = []
        for begin in range(0, self.first.shape[1], _BLOCK):
            block = (self.first[:, begin : begin + _BLOCK].T @ self.second).tocsr()
            row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr)) + begin
            block.data[(block.data < 2) | (self.category[row] != self.category[block.indices])] = 0.0
            block.eliminate_zeros()
            row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr)) + begin
            block.data = self.log_lift(row, block.indices.astype(np.int64))
            found.append(top_of_rows(block, begin, 0.0, most))
        return unique_pairs(np.concatenate(found, axis=1))

    @staticmethod
    def _met(one: sparse.csc_matrix, other: sparse.csc_matrix, left: IntArray, right: IntArray) -> FloatArray:
        met = np.zeros(len(left))
        for part in _parts(np.diff(one.indptr)[left] + np.diff(other.indptr)[right]):
            met[part] = np.asarray(one[:, left[part]].multiply(other[:, right[part]]).sum(axis=0)).ravel()
        return met


def read_looks(events: pl.LazyFrame, item_ids: list[str], since: datetime, until: datetime) -> pl.DataFrame:
    """First look of each customer at each item: `occasion` (number of the visit), `item`, `day`; sorted by occasion.

    Only first looks, so that nobody makes a pair alone. A visit is a session, or else what a customer looks at without
    a pause of half an hour; of very long logs the latest looks.
    """
    who = pl.coalesce("customer_id", "session_id").hash().alias("who")
    visit = pl.coalesce("session_id", "customer_id").hash().alias("visit")
    looks = (
        events.filter(pl.col("event").is_in(["view", "click"]) & pl.col("at").is_between(since, until, closed="left"))
        .filter(pl.col("customer_id").is_not_null() | pl.col("session_id").is_not_null())
        .select(who, visit, _numbered(item_ids), "at")
        .drop_nulls("item")
        .collect(engine="streaming")
        .sort("at", maintain_order=True)
        .tail(_MOST_LOOKS)
        .unique(["who", "item"], keep="first", maintain_order=True)
        .sort("visit", "at", maintain_order=True)
    )
    pause = (pl.col("at") - pl.col("at").shift()).over("visit") > _PAUSE
    opens = pause.fill_null(True).cum_sum()
    nth = pl.int_range(pl.len()).over(opens) // _LONGEST_VISIT
    return looks.select(pl.struct(opens, nth.alias("nth")).rle_id().alias("occasion"), "item", _day())


def read_lines(events: pl.LazyFrame, item_ids: list[str], since: datetime, until: datetime) -> pl.DataFrame:
    """Items of each order, once: `occasion` (number of the order), `who`, `item`, `day`; by customer and time.

    Without an order number, what a customer buys on one day is an order.
    """
    alone = pl.format("{} {}", "customer_id", pl.col("at").dt.date())
    lines = (
        events.filter((pl.col("event") == "purchase") & pl.col("at").is_between(since, until, closed="left"))
        .filter(pl.col("order_id").is_not_null() | pl.col("customer_id").is_not_null())
        .select(
            pl.col("customer_id").hash().alias("who"),
            pl.col("customer_id").is_not_null().alias("known"),
            pl.coalesce("order_id", alone).hash().alias("order"),
            _numbered(item_ids),
            "at",
        )
        .drop_nulls("item")
        .group_by("order", "item")
        .agg(pl.col("at").min(), pl.col("who").first(), pl.col("known").first())
        .collect(engine="streaming")
    )
    begin = pl.col("at").min().over("order")
    return (
        lines.with_columns(begin)
        .sort("who", "at", "order", "item")
        .select(pl.col("order").rle_id().alias("occasion"), pl.when("known").then("who").alias("who"), "item", _day())
    )


def looked_at_together(looks: pl.DataFrame, category: IntArray) -> Together:
    """Pairs in one visit."""
    held = _incidence(looks, len(category))
    return Together.count(held, held, _periods(looks, held), category)


def bought_together(lines: pl.DataFrame, category: IntArray) -> Together:
    """Pairs in one order."""
    return looked_at_together(lines, category)


def bought_in_turn(lines: pl.DataFrame, category: IntArray) -> Together:
    """Pairs in an order of a customer and the next one, as in brand switching (Bucklin et al., JMR 35(1), 1998)."""
    held = _incidence(lines, len(category))
    who = lines.unique("occasion", keep="first", maintain_order=True)["who"]
    turn = np.flatnonzero((who == who.shift(-1)).fill_null(False).to_numpy())
    return Together.count(held[turn], held[turn + 1], _periods(lines, held)[turn], category)


def _numbered(item_ids: list[str]) -> pl.Expr:
    return pl.col("item_id").cast(pl.Enum(item_ids), strict=False).to_physical().cast(pl.Int64).alias("item")


def _day() -> pl.Expr:
    return pl.col(Events.at.name).dt.epoch("d").cast(pl.Int64).alias("day")


def _incidence(rows: pl.DataFrame, n_items: int) -> sparse.csr_matrix:
    place = rows["occasion"].to_numpy(), rows["item"].to_numpy()
    held = sparse.csr_matrix((np.ones(len(rows)), place), shape=(int(place[0][-1]) + 1, n_items))
    held.data[:] = 1.0  # an item named twice is one
    return held


def _periods(rows: pl.DataFrame, held: sparse.csr_matrix) -> IntArray:
    """Four weeks of each occasion, counted from the first."""
    day = rows["day"].to_numpy()[np.searchsorted(rows["occasion"].to_numpy(), np.arange(held.shape[0]))]
    return np.asarray((day - day.min()) // _PERIOD_DAYS, dtype=np.int64)


def _rows_dot(one: FloatArray, other: FloatArray, left: IntArray, right: IntArray) -> FloatArray:
    out = np.zeros(len(left))
    for period in range(one.shape[1]):
        out += one[left, period] * other[right, period]
    return out


def _parts(cost: IntArray) -> Iterator[slice]:
    """Slices of bounded cost, of at least one entry each."""
    number = np.cumsum(cost) // _CELLS
    edges = np.append(np.unique(number, return_index=True)[1], len(cost))
    return (slice(int(a), int(b)) for a, b in pairwise(edges))
