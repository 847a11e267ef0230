"""What a customer's own history says of a candidate item: how often, and how long ago."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from flashlift.behavior.histories import WANTED, Histories, count_before
from flashlift.behavior.snapshots import DAY, Snapshots
from flashlift.protocols import IntArray

__all__ = ["N_OWN", "Met", "Seen"]

N_OWN = 4
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Wanted events by customer and item: pair p holds the times at[first[p] : first[p + 1]].

    Args:
        histories: where they come from.
        n_codes: the pair of a customer and an item has the key customer * n_codes + code.
        pair: keys, rising, (P,).
        first: (P + 1,).
        at: microseconds, rising within a pair.
    """

    histories: Histories
    n_codes: int
    pair: IntArray
    first: IntArray
    at: IntArray

    @classmethod
    def build(cls, histories: Histories, n_codes: int) -> Self:
        """Index the wanted events of known items (codes in 1..n_codes - 1)."""
        keep = np.array(WANTED)[histories.kind] & (histories.item > 0) & (histories.item < n_codes)
        key = (histories.owner() * n_codes + histories.item)[keep]
        order = np.argsort(key, kind="stable")  # events of a customer are in order of time already
        pair, first = np.unique(key[order], return_index=True)
        return cls(
            histories=histories,
            n_codes=n_codes,
            pair=pair,
            first=np.append(first, len(key)).astype(np.int64),
            at=histories.at[keep][order],
        )

    @property
    def repeats(self) -> bool:
        """Whether anybody met an item twice: where nobody does, own history says nothing."""
        return len(self.pair) < len(self.at)

    def met(self, snapshots: Snapshots, at_most: int) -> IntArray:
        """Codes of the items that each customer met at any time in the log, (n, m), m <= at_most, filled up with 0."""
        begin, end = self._pairs_of(snapshots)
        width = min(int((end - begin).max(initial=0)), at_most)
        index = begin[:, None] + np.arange(width)
        inside = index < end[:, None]
        return np.where(inside, self.pair[np.where(inside, index, 0)] % self.n_codes, 0)

    def features(self, snapshots: Snapshots, codes: IntArray) -> Float32:
        """Of each candidate before each snapshot, (n, S, N_OWN); zero where the customer has not met it.

        In order: met or not, ln times, ln(1 + days since), ln of the customer's events of any kind.

        Args:
            snapshots: n moments of customers.
            codes: candidates, (S,) for all snapshots alike, or (n, S).
        """
        if codes.ndim == 1:
            distinct, inverse = np.unique(codes, return_inverse=True)
            row, column, values = self.sparse(snapshots, distinct)
            result = np.zeros((len(snapshots.at), len(distinct), N_OWN), dtype=np.float32)
            result[row, column] = values
            return result[:, inverse]
        result = np.zeros((*codes.shape, N_OWN), dtype=np.float32)
        key = snapshots.customer[:, None] * self.n_codes + codes
        place = np.searchsorted(self.pair, key)
        row, column = np.nonzero(self.pair[np.minimum(place, len(self.pair) - 1)] == key if len(self.pair) else key < 0)
        kept, values = self._values(snapshots, row, place[row, column])
        result[row[kept], column[kept]] = values
        return result

    def sparse(self, snapshots: Snapshots, distinct: IntArray) -> tuple[IntArray, IntArray, Float32]:
        """The same where it is not zero: row, column and values (p, N_OWN), for rising distinct candidates (S,)."""
        begin, end = self._pairs_of(snapshots)
        row = np.repeat(np.arange(len(begin)), end - begin)
        pair = np.arange(len(row)) + np.repeat(end - np.cumsum(end - begin), end - begin)
        column_of = np.full(self.n_codes, -1)
        inside = distinct < self.n_codes
        column_of[distinct[inside]] = np.flatnonzero(inside)
        column = column_of[self.pair[pair] % self.n_codes]
        asked = column >= 0
        row, column, pair = row[asked], column[asked], pair[asked]
        kept, values = self._values(snapshots, row, pair)
        return row[kept], column[kept], values

    def _pairs_of(self, snapshots: Snapshots) -> tuple[IntArray, IntArray]:
        """Slice of the pairs of each snapshot's customer."""
        begin, end = (np.searchsorted(self.pair, (snapshots.customer + k) * self.n_codes) for k in (0, 1))
        return begin, end

    def _values(self, snapshots: Snapshots, row: IntArray, pair: IntArray) -> tuple[npt.NDArray[np.bool_], Float32]:
        """Which of the pairs were met before their snapshot, and the features of those."""
        begin, moment = self.first[pair], snapshots.at[row]
        end = count_before(self.at, begin, self.first[pair + 1], moment)
        kept = end > begin
        times, last, moment = (end - begin)[kept], self.at[end[kept] - 1], moment[kept]
        n_events = self.histories.end(snapshots.customer, snapshots.at) - self.histories.offsets[snapshots.customer]
        return kept, _features(times, moment - last, n_events[row[kept]])


@dataclass(slots=True, kw_only=True)
class Met:
    """What one customer met, kept up to date event by event.

    Args:
        row_of: code of an item -> its row.
        table: code, times, last time in microseconds of each row, (rows and room for more, 3).
    """

    row_of: dict[int, int]
    table: IntArray

    @classmethod
    def of(cls, histories: Histories, stop: int) -> Self:
        """From the first `stop` events of the only customer of the histories."""
        wanted = np.array(WANTED)[histories.kind[:stop]] & (histories.item[:stop] > 0)
        code, row, times = np.unique(histories.item[:stop][wanted], return_inverse=True, return_counts=True)
        last = np.zeros(len(code), dtype=np.int64)
        last[row] = histories.at[:stop][wanted]  # the last of several stays, and events are in order of time
        row_of = {item: row for row, item in enumerate(code.tolist())}
        return cls(row_of=row_of, table=np.stack([code, times, last], axis=1))

    def add(self, code: int, kind: int, at: int) -> None:
        """Count an event at any moment (microseconds)."""
        if not (WANTED[kind] and code > 0):
            return
        row = self.row_of.setdefault(code, len(self.row_of))
        if row == len(self.table):
            self.table = np.concatenate([self.table, np.zeros((row + 8, 3), dtype=np.int64)])
        entry = self.table[row]
        entry[:] = code, entry[1] + 1, max(entry[2], at)

    def features(self, at: int, n_events: int) -> tuple[IntArray, Float32]:
        """Codes met (m,), and the columns of `Seen.features` at a moment after the last of n events, (m, N_OWN)."""
        code, times, last = self.table[: len(self.row_of)].T
        return code, _features(times, at - last, np.full(len(code), n_events))


def _features(times: IntArray, since: IntArray, n_events: IntArray) -> Float32:
    columns = [np.ones(len(times)), np.log(times), np.log1p(since / DAY), np.log(n_events)]
    return np.stack(columns, axis=1).astype(np.float32)
