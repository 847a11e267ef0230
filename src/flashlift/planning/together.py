"""Items that never run at one moment, and items that only run together, as families of rows.

Rows of sets that share no item, and of moments that share no slot, stand in one family.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import polars as pl

from flashlift.domain import Campaign
from flashlift.limits import AlwaysTogether, NeverTogether
from flashlift.planning.cliques import cliques
from flashlift.planning.family import Family
from flashlift.protocols import IntArray
from flashlift.schema import SaleItems

__all__ = ["always_together", "never_together"]

Member = TypeVar("Member", str, int)


def never_together(campaign: Campaign, items: pl.DataFrame) -> Iterator[Family]:
    """At most one offer of a set in every set of slots that are live at one moment.

    A row is named by the slot at whose start all slots of its moment are live.
    """
    sets = [limit.item_ids for limit in campaign.limits if isinstance(limit, NeverTogether)]
    starts = [slot.start for slot in campaign.slots]
    for moments in _disjoint(cliques(campaign.slots, 0.0)):
        window = np.full(len(starts), -1)
        for number, moment in enumerate(moments):
            window[list(moment)] = number
        last = [campaign.slots[max(moment, key=starts.__getitem__)].slot_id for moment in moments]
        for some in _disjoint(sets):
            yield Family(
                names=tuple(f"never together[{', '.join(one)}; {slot}]" for one in some for slot in last),
                limit=None,
                group=_groups(items, some),
                per_slot=False,
                weight="offers",
                upper=True,
                bound=np.ones(len(some) * len(last)),
                window=window,
            )


def always_together(campaign: Campaign, items: pl.DataFrame) -> Iterator[Family]:
    """Around a set a, b, c: where a is live so is b, where b is so is c, and where c is so is a."""
    pairs = []
    for limit in campaign.limits:
        if isinstance(limit, AlwaysTogether):
            ids = list(dict.fromkeys(limit.item_ids))
            pairs += [(one, other) for one, other in zip(ids, ids[1:] + ids[:1], strict=True) if one != other]
    slots = [slot.slot_id for slot in campaign.slots]
    for some in _disjoint(pairs):
        follows = _groups(items, [(other,) for _, other in some]) >= 0
        yield Family(
            names=tuple(f"always together[{one} with {other}; {slot}]" for one, other in some for slot in slots),
            limit=None,
            group=_groups(items, some),
            per_slot=True,
            weight="offers",
            upper=True,
            bound=np.zeros(len(some) * len(slots)),
            factor=np.where(follows, -1.0, 1.0),
        )


def _groups(items: pl.DataFrame, sets: Sequence[Sequence[str]]) -> IntArray:
    """Number of the set that each item is in, -1 where it is in none, (n_items,)."""
    number = {item: k for k, one in enumerate(sets) for item in one}
    group: IntArray = (
        items[SaleItems.item_id.name]
        .replace_strict(list(number), list(number.values()), default=-1, return_dtype=pl.Int64)
        .to_numpy()
    )
    return group


def _disjoint(sets: Sequence[Sequence[Member]]) -> list[list[Sequence[Member]]]:
    """The sets, each once, in lists of sets that share nothing."""
    lists: list[tuple[list[Sequence[Member]], set[Member]]] = []
    for one in dict.fromkeys(tuple(one) for one in sets):
        free = next((found for found in lists if found[1].isdisjoint(one)), None)
        if free is None:
            lists.append(([one], set(one)))
        else:
            free[0].append(one)
            free[1].update(one)
    return [some for some, _ in lists]
