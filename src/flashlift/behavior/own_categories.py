"""What a customer's own history says of the category of the next order: which ones, how often, which came last."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from flashlift.behavior.histories import Histories
from flashlift.behavior.snapshots import Snapshots
from flashlift.protocols import IntArray
from flashlift.schema import EVENT_KINDS

__all__ = ["N_OWN_CATEGORY", "OwnCategories", "own_categories"]

N_OWN_CATEGORY = 4
LAST_EVENTS = 100
PURCHASE = EVENT_KINDS.index("purchase")


class OwnCategories(NamedTuple):
    """The categories that customers met, m pairs of a snapshot and a category.

    Fields:
        row: snapshot, (m,).
        code: category, from 1 on, (m,).
        values: ln(1 + events), ln(1 + purchases) among the last 100 events, whether it is the category of the last
            event that has one, and that of the last order, (m, N_OWN_CATEGORY).
    """

    row: IntArray
    code: IntArray
    values: npt.NDArray[np.float32]


def own_categories(histories: Histories, snapshots: Snapshots) -> OwnCategories:
    """Categories of the events and of the last order before each snapshot."""
    who = snapshots.customer
    end = histories.end(who, snapshots.at)
    length = np.minimum(end - histories.offsets[who], LAST_EVENTS)
    row = np.repeat(np.arange(len(who)), length)
    index = np.arange(len(row)) + np.repeat(end - np.cumsum(length), length)
    code = histories.category[index].astype(np.int64)
    row, index, code = row[code > 0], index[code > 0], code[code > 0]
    is_last = np.append(row[1:] != row[:-1], True)[: len(row)]
    order = histories.order_end(who, snapshots.at) - 1
    ordered = np.flatnonzero(order >= histories.order_offsets[who])
    bought = histories.order_category[order[ordered]]
    ordered, bought = ordered[bought > 0], bought[bought > 0]
    rows, codes = np.concatenate([row, ordered]), np.concatenate([code, bought])
    pairs, first, pair = np.unique(rows * (codes.max(initial=0) + 1) + codes, return_index=True, return_inverse=True)
    events = np.ones(len(row)), histories.kind[index] == PURCHASE, is_last
    counts = [np.bincount(pair[: len(row)], column, len(pairs)) for column in events]
    counts.append(np.bincount(pair[len(row) :], minlength=len(pairs)))
    values = np.stack([np.log1p(counts[0]), np.log1p(counts[1]), counts[2], counts[3]], axis=1)
    return OwnCategories(
        row=rows[first],
        code=codes[first],
        values=values.astype(np.float32),
    )
