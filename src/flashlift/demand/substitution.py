"""Which items lose what a deal gains: diversion within groups of substitutes (`substitutes`).

With a logit choice
within the group and an outside option, one extra unit of item i takes

    theta * b_j / (sum of b over the group, i included)

units from item j, b being usual units (independence of irrelevant alternatives; McFadden, 1974). theta, the share of
extra units that would come from the group if the item were small in it, is one number of the shop, measured by an event
study (`event_study`): what the neighbors sold during past sales, against their own forecast made before.
"""

from __future__ import annotations

import numpy as np

from flashlift.demand.baseline import CrossFit
from flashlift.demand.event_study import MissingShare, Prior, measure_missing
from flashlift.demand.substitutes import MOST_IN_GROUP
from flashlift.protocols import FloatArray, IntArray, SparseEffects

__all__ = ["diversion", "diversion_sentence", "measure_diversion"]

_PRIOR = Prior(mean=0.1, sd=0.1)


def measure_diversion(
    cross: CrossFit, group: IntArray, item: IntArray, origin: IntArray, last: IntArray, extra: FloatArray
) -> MissingShare:
    """Theta from past sales (rows paired): first day `origin`, last day `last` of the panel, expected `extra` units.

    `group` numbers the group of each item of the panel. Where items have no neighbors, theta is 0 without doubt.
    """
    panel = cross.panel
    source, target = _pairs(group, panel.units.sum(axis=1, dtype=np.float64))
    if not len(source):
        return MissingShare(share=0.0, share_sd=1e-6)
    first, count = np.searchsorted(source, item), np.bincount(source, minlength=len(panel.item_ids))[item]
    length = last - origin + 1
    sale = np.repeat(np.arange(len(item)), count * length)
    nth = np.arange(len(sale)) - np.repeat(np.cumsum(count * length) - count * length, count * length)
    neighbor = target[first[sale] + nth // length[sale]]
    day = origin[sale] + nth % length[sale]
    rate = cross.predict(neighbor, origin[sale], day)
    usable = np.where(panel.touched[neighbor, day], 0.0, panel.stock[neighbor, day])
    counted = usable > 0

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(sale, values, len(item)).astype(np.float64)

    own = np.repeat(np.arange(len(item)), length)
    when = np.arange(len(own)) - np.repeat(np.cumsum(length) - length, length) + origin[own]
    alone = np.bincount(own, cross.predict(item[own], origin[own], when), len(item))
    expected = summed(rate * usable)
    return measure_missing(
        actual=summed(np.where(counted, panel.units[neighbor, day], 0.0)),
        variance=summed(panel.lump[neighbor] * rate * usable),
        expected=expected,
        extra=extra * expected / np.maximum(summed(rate) + alone, 1e-9),
        cluster=group[item],
        prior=_PRIOR,
    )


def diversion(theta: float, group: IntArray, usual: FloatArray) -> SparseEffects:
    """Effects of an extra unit on the neighbors, as losses; `usual` units of each item, (n,)."""
    source, target = _pairs(group, usual)
    whole = np.bincount(group, usual)[group]
    effect = -theta * usual[target] / np.maximum(whole[source], 1e-9)
    felt = effect < 0.0
    return SparseEffects(source=source[felt], target=target[felt], effect=effect[felt])


def diversion_sentence(diverted: MissingShare, group: IntArray) -> str:
    """What is taken from substitutes, how sure that is, and whether the log alone leaves out that it is nothing."""
    sizes = np.bincount(group)
    if sizes.max() == 1:
        return "Nothing tells which items are substitutes: what a sale takes from other items counts as none."
    said = (
        f"Up to {diverted.mean:.0%} of the extra units of a sale are subtracted as taken from substitutes "
        f"({sizes[sizes > 1].sum():,} items in {(sizes > 1).sum():,} groups)"
    )
    if diverted.interval is None:
        return f"{said}: an assumption, because the log holds too few sales to measure it."
    lower, upper = diverted.interval
    verdict = "rules out that it is nothing" if lower > 0 else "does not rule out that it is nothing"
    return f"{said}; the log alone says {diverted.measured:.0%} ({lower:.0%} to {upper:.0%}), and {verdict}."


def _pairs(group: IntArray, usual: FloatArray) -> tuple[IntArray, IntArray]:
    """Items and their neighbors, sorted by item; where new items made a group larger, only those that sell most."""
    order = np.lexsort((-usual, group))
    size = np.minimum(np.bincount(group), MOST_IN_GROUP)
    opens = np.searchsorted(group[order], np.arange(len(size)))
    source = np.repeat(np.arange(len(group)), size[group])
    nth = np.arange(len(source)) - np.repeat(np.cumsum(size[group]) - size[group], size[group])
    target = order[opens[group[source]] + nth]
    apart = source != target
    return source[apart], target[apart]
