"""Items that nobody has taken yet: does their text alone rank them?

A tenth of the catalog, drawn by lot, loses all of its events. Judged are the users whose held-out item is one of
those, ranked among those alone; beside the network stand chance and the nearest texts. The users whose held-out item
is not one of them say what reading texts costs or brings where there are events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from benchmarks.next_item.judge import Scorer
from benchmarks.next_item.sequences import LeaveOneOut, Sequences
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Events, Tables

__all__ = ["ColdStart", "by_chance", "cold_start", "nearest_texts", "without"]

SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """The split without the events of cold items, and whom to judge.

    Args:
        split: as without cold items, but for the targets.
        cold: whether an item is cold, (n_items,).
        cold_users: users whose target is cold and whose history is not empty without cold items.
        warm_users: users whose target is not cold.
    """

    split: LeaveOneOut
    cold: np.ndarray
    cold_users: IntArray
    warm_users: IntArray


def cold_start(split: LeaveOneOut, *, seed: int) -> ColdStart:
    """Make a tenth of the catalog cold."""
    n = split.known.n_items
    cold = np.zeros(n, dtype=bool)
    cold[np.random.default_rng(seed).permutation(n)[: int(SHARE * n)]] = True
    train, known = (part.keep(~cold[part.items]) for part in (split.train, split.known))
    some = np.diff(known.offsets) > 0
    return ColdStart(
        split=replace(split, train=train, known=known),
        cold=cold,
        cold_users=np.flatnonzero(cold[split.target] & some),
        warm_users=np.flatnonzero(~cold[split.target] & some),
    )


def without(shop: Tables, items: list[str]) -> pl.LazyFrame:
    """The log without the events of `items`."""
    return shop.events.filter(~Events.item_id.col.is_in(items))


def by_chance(split: LeaveOneOut, *, seed: int) -> Scorer:
    """A ranking by lot."""
    rng = np.random.default_rng(seed)
    return lambda users: rng.random((len(users), split.known.n_items))


def nearest_texts(split: LeaveOneOut, vectors: FloatArray, *, last: int) -> Scorer:
    """Cosine of an item's text vector with the mean of the user's last ones.

    Args:
        split: what was known.
        vectors: of each item, of length 1, (n_items, width).
        last: how many of the user's items count.
    """
    taste = _mean_of_last(split.known, vectors, last)
    return lambda users: taste[users] @ vectors.T


def _mean_of_last(known: Sequences, vectors: FloatArray, last: int) -> FloatArray:
    taste = np.zeros((known.n_users, vectors.shape[1]))
    for back in range(1, last + 1):
        index = known.offsets[1:] - back
        there = np.flatnonzero(index >= known.offsets[:-1])
        taste[there] += vectors[known.items[index[there]]]
    return taste
