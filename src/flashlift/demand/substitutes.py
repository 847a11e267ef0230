"""Groups of substitutes, learned: looked at together, not bought together, alike in name.

The log-odds that two items of one category are substitutes are taken to be

    PRIOR + TEXT * cosine of their titles + LOOKS * (ln lift of being looked at together - ln lift of one order)

because substitutes are looked at together and complements are also bought together (McAuley, Pandey and Leskovec,
KDD 2015). Where the log has no views, what customers buy in turn, in one order and the next, stands for looking, with
the weight TURNS. Why these weights, and why they are not learned: docs/design/0005-substitution.md.

The groups are a partition of high likelihood: what belongs together has positive log-odds in sum (correlation
clustering: Bansal, Blum and Chawla, Machine Learning 56, 2004), found greedily from the likeliest pair down.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flashlift.demand.occasions import read_lines, read_looks
from flashlift.demand.panel import Panel
from flashlift.demand.titles import TitleVectors, alike_titles, unique_pairs
from flashlift.demand.together import Together
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Tables

__all__ = ["MOST_IN_GROUP", "group_pairs", "join_groups", "learn_groups", "without_brand"]

MOST_IN_GROUP = 13
"""Items of a group: effects on more neighbors are too small to matter."""

_PRIOR = -1.5  # about one pair of a category in five
_TEXT = 4.0  # titles alone make a pair from a cosine of 0.375 on
_LOOKS = 5.0  # looks alone make a pair from 1.35 times chance on
_TURNS = 3.0  # orders in turn lie weeks apart: they tell of taste as well as of choice
_CANDIDATES = 20  # of each item, by titles and by habits
_BLOCK = 256  # new items compared at a time


def learn_groups(tables: Tables, panel: Panel, title: Sequence[str | None]) -> IntArray:
    """Number of each item's group, (n_items,); an item without substitutes has a group of its own.

    Args:
        tables: the shop; of the events, only those of the panel's days are read.
        panel: its items, with category and brand.
        title: their titles.
    """
    vectors = TitleVectors(without_brand(title, [panel.brands[k][1] for k in panel.brand]))
    pairs = [alike_titles(vectors.known, panel.category, _CANDIDATES)]
    span = panel.item_ids, *panel.span
    looks, lines = read_looks(tables.events, *span), read_lines(tables.events, *span)
    near, weight = None, _LOOKS
    if len(looks):
        near = Together.within(looks, panel.category)
        pairs.append(near.pairs(_CANDIDATES))
    elif len(lines):
        near, weight = Together.in_turn(lines, panel.category), _TURNS
    left, right = unique_pairs(np.concatenate(pairs, axis=1))
    odds = _PRIOR + _TEXT * vectors.cosine(left, right)
    if near is not None:
        odds += weight * near.log_lift(left, right)
    if len(lines):
        # Nearly all pairs are never in one order: that alone makes no substitutes.
        odds -= weight * np.maximum(Together.within(lines, panel.category).log_lift(left, right), 0.0)
    return group_pairs(left, right, odds, len(panel.item_ids))


def without_brand(title: Sequence[str | None], brand: Sequence[str | None]) -> list[str | None]:
    """Titles without the words of their brand: substitutes are of one kind, and of any brand."""
    return [
        " ".join(word for word in text.split() if word.lower() not in name.lower().split()) if text and name else text
        for text, name in zip(title, brand, strict=True)
    ]


def group_pairs(left: IntArray, right: IntArray, odds: FloatArray, n: int) -> IntArray:
    """Partition of n items, (n,): group numbers from 0, in the order of their first items.

    Groups are joined along the pairs, the likeliest first, where the log-odds between their items are positive in sum
    (a pair that is not given has those of `_PRIOR`) and no more than `MOST_IN_GROUP` items come together.
    """
    known = dict(zip((left * n + right).tolist(), odds.tolist(), strict=True))
    group = list(range(n))
    members = [[k] for k in range(n)]
    likely = np.flatnonzero(odds > 0)
    likely = likely[np.lexsort((right[likely], left[likely], -odds[likely]))]
    for one, other in zip(left[likely].tolist(), right[likely].tolist(), strict=True):
        mine, theirs = members[group[one]], members[group[other]]
        if mine is theirs or len(mine) + len(theirs) > MOST_IN_GROUP:
            continue
        if sum(known.get(min(a, b) * n + max(a, b), _PRIOR) for a in mine for b in theirs) > 0:
            for item in theirs:
                group[item] = group[one]
            mine += theirs
    _, first, number = np.unique(np.array(group), return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[number], dtype=np.int64)


def join_groups(
    vectors: TitleVectors,
    group: IntArray,
    category: IntArray,
    title: Sequence[str | None],
    new_category: IntArray,
) -> IntArray:
    """Groups of items that never sold, (len(title),): that of the item of their category with the most similar title.

    An item whose title makes no pair with a known one gets a group of its own, numbered after all others.

    Args:
        vectors: of the known titles, without brands.
        group: groups of the known items.
        category: their categories.
        title: titles of the new items, without brands.
        new_category: their categories; -1 where no known item is of it.
    """
    out: IntArray = np.arange(len(title)) + group.max(initial=-1) + 1
    theirs = vectors.known.T.tocsc()
    for begin in range(0, len(title), _BLOCK):
        alike = (vectors.of(title[begin : begin + _BLOCK]) @ theirs).tocsr()
        for k, (first, last) in enumerate(zip(alike.indptr[:-1], alike.indptr[1:], strict=True), start=begin):
            item, cosine = alike.indices[first:last], alike.data[first:last]
            cosine = np.where(category[item] == new_category[k], cosine, 0.0)
            if _PRIOR + _TEXT * cosine.max(initial=0.0) > 0:
                out[k] = group[item[np.lexsort((item, -cosine))[0]]]
    return out
