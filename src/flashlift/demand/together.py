"""Which items are looked at in one visit, bought in one order, or bought in turn: counts of pairs, beside chance.

Chance follows the popularity of both items in the same four weeks, the sizes of visits and orders, and how often items
of their category are met together at all (the configuration model of networks: Newman, PNAS 103(23), 2006), so that
neither a best seller nor a customer who cares for gardens makes a pair. Counts and chance of single pairs are found on
demand; there is never a matrix of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from flashlift.demand.titles import top_of_rows, unique_pairs
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Together"]

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
    def within(cls, occasions: pl.DataFrame, category: IntArray) -> Together:
        """Pairs of items of one occasion; `occasions` as `demand.occasions` reads them, not empty."""
        held = _incidence(occasions, len(category))
        return cls._count(held, held, _periods(occasions, held), category)

    @classmethod
    def in_turn(cls, occasions: pl.DataFrame, category: IntArray) -> Together:
        """Pairs of a customer's occasion and the next, as in brand switching (Bucklin et al., JMR 35(1), 1998)."""
        held = _incidence(occasions, len(category))
        who = occasions.unique("occasion", keep="first", maintain_order=True)["who"]
        turn = np.flatnonzero((who == who.shift(-1)).fill_null(False).to_numpy())
        return cls._count(held[turn], held[turn + 1], _periods(occasions, held)[turn], category)

    @classmethod
    def _count(
        cls, first: sparse.csr_matrix, second: sparse.csr_matrix, period: IntArray, category: IntArray
    ) -> Together:
        same = first is second
        when = _one_hot(period)
        first_ends, second_ends = (
            (one.T @ sparse.diags(np.asarray(other.sum(axis=1)).ravel() - same) @ when).toarray()
            for one, other in ((first, second), (second, first))
        )
        columns = first.tocsc()
        plain = cls(
            first=columns,
            second=columns if same else second.tocsc(),
            first_ends=first_ends,
            second_ends=second_ends,
            category=category,
            usual=_usual(first, second, first_ends, _shares(second_ends), category),
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
        chance = self.chance(best[left], best[right])

        def unlikely(log_shape: float) -> float:
            a = np.exp(log_shape)
            return float(((a + met) * np.log(a + chance) - a * np.log(a) - gammaln(a + met) + gammaln(a)).sum())

        return float(np.exp(minimize_scalar(unlikely, bounds=np.log(_SHAPES), method="bounded").x))

    def log_lift(self, left: IntArray, right: IntArray) -> FloatArray:
        """Log of how much more often than chance pairs of one category were met, shrunk to 0 where few were expected.

        The posterior mean of a Poisson rate over its expectation, under a Gamma prior of mean 1 fitted to the shop's
        own pairs: empirical Bayes (DuMouchel, The American Statistician 53(3), 1999).
        """
        return self._beside_chance(self.met(left, right), left, right)

    def met(self, left: IntArray, right: IntArray) -> FloatArray:
        """How often pairs were met."""
        met = self._met(self.first, self.second, left, right)
        if self.first is not self.second:
            met += self._met(self.second, self.first, left, right)
        return met

    def _beside_chance(self, met: FloatArray, left: IntArray, right: IntArray) -> FloatArray:
        return np.asarray(np.log((met + self.shape) / (self.chance(left, right) + self.shape)))

    def chance(self, left: IntArray, right: IntArray) -> FloatArray:
        """How often pairs of one category are expected to be met."""
        share = _shares(self.second_ends)
        chance = _rows_dot(self.first_ends, share, left, right)
        if self.first is not self.second:
            chance += _rows_dot(self.first_ends, share, right, left)
        return chance * self.usual[self.category[left]]

    def pairs(self, most: int) -> tuple[IntArray, IntArray]:
        """Pairs of one category met at least twice in one occasion, the first smaller; of each item the `most` best."""
        found = []
        for begin in range(0, self.first.shape[1], _BLOCK):
            block = (self.first[:, begin : begin + _BLOCK].T @ self.second).tocoo()
            row, column = block.row + begin, block.col.astype(np.int64)
            keep = (block.data >= 2) & (self.category[row] == self.category[column])
            lift = self._beside_chance(block.data[keep], row[keep], column[keep])
            lifted = sparse.csr_matrix((lift, (row[keep] - begin, column[keep])), shape=block.shape)
            found.append(top_of_rows(lifted, begin, 0.0, most))
        return unique_pairs(np.concatenate(found, axis=1))

    @staticmethod
    def _met(one: sparse.csc_matrix, other: sparse.csc_matrix, left: IntArray, right: IntArray) -> FloatArray:
        met = np.zeros(len(left))
        for part in _parts(np.diff(one.indptr)[left] + np.diff(other.indptr)[right]):
            met[part] = np.asarray(one[:, left[part]].multiply(other[:, right[part]]).sum(axis=0)).ravel()
        return met


def _incidence(rows: pl.DataFrame, n_items: int) -> sparse.csr_matrix:
    place = rows["occasion"].to_numpy(), rows["item"].to_numpy()
    held = sparse.csr_matrix((np.ones(len(rows)), place), shape=(int(place[0][-1]) + 1, n_items))
    held.data[:] = 1.0  # an item named twice is one
    return held


def _periods(rows: pl.DataFrame, held: sparse.csr_matrix) -> IntArray:
    """Four weeks of each occasion, counted from the first."""
    day = rows["day"].to_numpy()[np.searchsorted(rows["occasion"].to_numpy(), np.arange(held.shape[0]))]
    return np.asarray((day - day.min()) // _PERIOD_DAYS, dtype=np.int64)


def _one_hot(number: IntArray) -> sparse.csr_matrix:
    return sparse.csr_matrix(
        (np.ones(len(number)), (np.arange(len(number)), number)), shape=(len(number), number.max(initial=0) + 1)
    )


def _shares(ends: FloatArray) -> FloatArray:
    """Share of each item in the ends of a period."""
    return np.asarray(ends / np.maximum(ends.sum(axis=0), 1e-9))


def _usual(
    first: sparse.csr_matrix,
    second: sparse.csr_matrix,
    ends: FloatArray,
    share: FloatArray,
    category: IntArray,
) -> FloatArray:
    """Pairs of different items of each category over their chance by popularity alone."""
    of = _one_hot(category)
    itself = np.asarray(first.multiply(second).sum(axis=0)).ravel()
    met = np.asarray((first @ of).multiply(second @ of).sum(axis=0)).ravel() - of.T @ itself
    chance = ((of.T @ ends) * (of.T @ share)).sum(axis=1) - of.T @ (ends * share).sum(axis=1)
    return np.asarray((met + _FEW) / (chance + _FEW))


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
