"""What an item that never sold is likely to sell: as much as items with similar titles, and as its category.

Units per day are the mean of the levels of the k most similar titles, weighted by the cosine of their TF-IDF vectors
(Salton and Buckley, Information Processing and Management 24(5), 1988), and of the category's rate with the weight of
one equal title. A title that resembles nothing, or none, leaves the rate of the category.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flashlift.demand.titles import TitleVectors
from flashlift.protocols import FloatArray

__all__ = ["rates_of_neighbors"]

_NEIGHBORS = 20
_CATEGORY = 1.0  # weight of the category's rate; an equal title has 1
_BLOCK = 256  # new items compared at a time: each may share a word with most of the shop


def rates_of_neighbors(
    title: Sequence[str | None], group: FloatArray, known: Sequence[str | None], level: FloatArray
) -> FloatArray:
    """Units per day of items that never sold, (n,).

    Args:
        title: their titles, None where there is none.
        group: rates of their categories, (n,).
        known: titles of the items that sold.
        level: their units per day, of the same length.
    """
    vectors = TitleVectors(known)
    theirs = vectors.known.T.tocsc()
    out = group.copy()
    for begin in range(0, len(title), _BLOCK):
        mine = vectors.of(title[begin : begin + _BLOCK])
        alike = (mine @ theirs).tocsr()
        for k, (first, last) in enumerate(zip(alike.indptr[:-1], alike.indptr[1:], strict=True), start=begin):
            # A stable order, so that equally similar items are taken in the order of the shop.
            nearest = first + np.argsort(-alike.data[first:last], kind="stable")[:_NEIGHBORS]
            weight = alike.data[nearest]
            out[k] = (weight @ level[alike.indices[nearest]] + _CATEGORY * group[k]) / (weight.sum() + _CATEGORY)
    return out
