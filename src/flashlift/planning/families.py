"""The limits that tie items together, as families of named rows that are written down without any column.

`flashlift.planning.limits` makes rows over given columns of them when a solver asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import Campaign
from flashlift.limits import Appearances, BrandCount, Budget, CategoryCount, FunderBudget, MaxChange, Pinned, SoftLimit
from flashlift.planning.family import Family
from flashlift.planning.nominated import funded, paid_by
from flashlift.planning.stock import saleable
from flashlift.planning.together import always_together, never_together
from flashlift.planning.windows import in_category
from flashlift.schema import SaleItems

__all__ = ["families"]


def families(campaign: Campaign, items: pl.DataFrame) -> list[Family]:
    """All families of the campaign: the positions of its slots first, then its limits in their order, then stock.

    Args:
        campaign: slots and limits.
        items: table SaleItems.
    """
    every = np.zeros(items.height, dtype=np.int64)
    names = tuple(f"positions[{slot.slot_id}]" for slot in campaign.slots)
    found = [
        Family(
            names=names,
            limit=None,
            group=every,
            per_slot=True,
            weight="offers",
            upper=True,
            bound=np.array([slot.positions for slot in campaign.slots], dtype=np.float64),
        )
    ]
    for limit in campaign.limits:
        match limit:
            case CategoryCount():
                found += _counts(f"category[{limit.category}", limit, campaign, in_category(items, limit.category))
            case BrandCount():
                brand = (items[SaleItems.brand.name] == limit.brand).fill_null(value=False).to_numpy()
                found += _counts(f"brand[{limit.brand}", limit, campaign, brand)
            case FunderBudget():
                found.append(
                    Family(
                        names=(f"budget[{limit.funder}]",),
                        limit=None,
                        group=np.where(paid_by(limit, items) > 0.0, 0, -1),
                        per_slot=False,
                        weight="discount_cost",
                        upper=True,
                        bound=np.array([limit.amount]),
                        factor=np.full(items.height, limit.share),
                        penalty=_penalty(limit),
                    )
                )
            case MaxChange():
                found += _change(limit, items)
            case Budget():
                found.append(
                    Family(
                        names=("budget",),
                        limit=None,
                        group=every,
                        per_slot=False,
                        weight="discount_cost",
                        upper=True,
                        bound=np.array([limit.amount]),
                        factor=1.0 - funded(campaign, items),
                        penalty=_penalty(limit),
                    )
                )
    found += [*_pinned(campaign, items), *never_together(campaign, items), *always_together(campaign, items)]
    once = any(isinstance(limit, Appearances) and limit.maximum <= 1 for limit in campaign.limits)
    return found if once else [*found, _stock(campaign, items)]  # a single quota never exceeds the stock


def _penalty(limit: SoftLimit) -> float:
    return np.inf if limit.penalty is None else limit.penalty


def _stock(campaign: Campaign, items: pl.DataFrame) -> Family:
    """The quotas of an item's appearances together."""
    return Family(
        names=tuple(f"stock[{item}]" for item in items[SaleItems.item_id.name]),
        limit="stock",
        group=np.arange(items.height),
        per_slot=False,
        weight="quota",
        upper=True,
        bound=saleable(campaign, items),
        own=True,
    )


def _counts(
    name: str, limit: CategoryCount | BrandCount, campaign: Campaign, inside: npt.NDArray[np.bool_]
) -> Sequence[Family]:
    """Least and most offers of some items; `name` lacks its closing bracket."""
    where = [f"{name}, {slot.slot_id}]" for slot in campaign.slots] if limit.per_slot else [f"{name}]"]
    ends = [("maximum", True, limit.maximum), ("minimum", False, limit.minimum or None)]
    return [
        Family(
            names=tuple(f"{place} {word}" for place in where),
            limit=None,
            group=np.where(inside, 0, -1),
            per_slot=limit.per_slot,
            weight="offers",
            upper=upper,
            bound=np.full(len(where), float(bound)),
            penalty=_penalty(limit),
        )
        for word, upper, bound in ends
        if bound is not None
    ]


def _change(limit: MaxChange, items: pl.DataFrame) -> Iterator[Family]:
    """Most offers of items that are new, and least of items that are not."""
    old = items[SaleItems.item_id.name].is_in(list(limit.item_ids)).to_numpy()
    for name, inside, bound in (("new", ~old, limit.new), ("kept", old, limit.kept or None)):
        if bound is not None:
            yield Family(
                names=(f"change[{name}]",),
                limit=None,
                group=np.where(inside, 0, -1),
                per_slot=False,
                weight="offers",
                upper=name == "new",
                bound=np.array([float(bound)]),
                penalty=_penalty(limit),
            )


def _pinned(campaign: Campaign, items: pl.DataFrame) -> Iterator[Family]:
    """At least one offer of every pinned item: of those pinned to no slot, and of those pinned to one."""
    pins = [limit for limit in campaign.limits if isinstance(limit, Pinned)]
    ids = list(dict.fromkeys(pin.item_id for pin in pins))
    group = items[SaleItems.item_id.name].replace_strict(ids, list(range(len(ids))), default=-1, return_dtype=pl.Int64)
    for per_slot in (False, True):
        slots = [slot.slot_id for slot in campaign.slots] if per_slot else [None]
        wanted = {(pin.item_id, pin.slot_id) for pin in pins}
        bound = [float((item, slot) in wanted) for item in ids for slot in slots]
        if any(bound):
            yield Family(
                names=tuple(f"pinned[{item}{f', {slot}' if slot else ''}]" for item in ids for slot in slots),
                limit=None,
                group=group.to_numpy(),
                per_slot=per_slot,
                weight="offers",
                upper=False,
                bound=np.array(bound),
            )
