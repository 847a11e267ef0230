"""Rankings that need no training: popular, what followed the last item, what goes with the user's items."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from benchmarks.next_item.judge import Scorer
from benchmarks.next_item.sequences import LeaveOneOut, Sequences
from flashlift.protocols import FloatArray, IntArray

__all__ = ["BASELINES", "Ranking", "item_neighbors", "most_popular", "next_of_last"]

Ranking = Callable[[LeaveOneOut], Scorer]


def most_popular(split: LeaveOneOut) -> Scorer:
    """How often each item was taken."""
    count = _popularity(split.train)
    return lambda users: np.broadcast_to(count, (len(users), len(count)))


def next_of_last(split: LeaveOneOut) -> Scorer:
    """How often each item came right after the user's last one; popularity decides among equals."""
    train, n = split.train, split.train.n_items
    inside = train.position[1:] > 0
    pairs = (train.items[:-1][inside], train.items[1:][inside])
    follows = sparse.csr_array((np.ones(len(pairs[0])), pairs), shape=(n, n))
    last = split.known.items[np.maximum(split.known.offsets[1:] - 1, 0)]
    tie = _popularity(train) / (1 + _popularity(train).sum())
    return lambda users: follows[last[users]].toarray() + tie


def item_neighbors(split: LeaveOneOut) -> Scorer:
    """Cosine of the sets of users of two items, summed over the user's items; popularity decides among equals."""
    taken = _taken(split.train)
    norm = np.sqrt(np.maximum(taken.sum(axis=0), 1.0))
    scaled = taken @ sparse.diags_array(1 / norm)
    alike = (scaled.T @ scaled).tocsr()
    known = _taken(split.known)
    tie = 1e-6 * _popularity(split.train) / (1 + _popularity(split.train).sum())

    def score(users: IntArray) -> FloatArray:
        found: FloatArray = (known[users] @ alike).toarray() + tie
        return found

    return score


BASELINES: dict[str, Ranking] = {
    "most popular": most_popular,
    "next of the last item": next_of_last,
    "item neighbors": item_neighbors,
}


def _popularity(train: Sequences) -> FloatArray:
    return np.bincount(train.items, minlength=train.n_items).astype(np.float64)


def _taken(sequences: Sequences) -> sparse.csr_array:
    shape = (sequences.n_users, sequences.n_items)
    pairs = (sequences.user, sequences.items)
    taken = sparse.csr_array((np.ones(len(sequences.items)), pairs), shape=shape)
    taken.data[:] = 1.0
    return taken
