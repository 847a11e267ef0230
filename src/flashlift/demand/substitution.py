"""Which items lose what a deal gains: diversion within groups of substitutes (`substitutes`).

With a logit choice
within the group and an outside option, one extra unit of item i takes

    theta * b_j / (sum of b over the group, i included)

units from item j, b being usual units (independence of irrelevant alternatives; McFadden, 1974). theta, the share of
extra units that would come from the group if the item were small in it, is one number of the shop, measured by an event
study (`event_study`): what the neighbors sold during past sales, against their own forecast made before, times what
the days brought to items that no sale touched (`twins`).
"""

from __future__ import annotations

import numpy as np

from flashlift.demand.baseline import CrossFit
from flashlift.demand.elsewhere import days_elsewhere
from flashlift.demand.event_study import MovedShare, Prior, StudiedSales, measure_missing
from flashlift.demand.substitutes import MOST_IN_GROUP
from flashlift.protocols import FloatArray, IntArray, SparseEffects

__all__ = ["diversion", "diversion_sentence", "measure_diversion", "substitute_pairs"]

_PRIOR = Prior(mean=0.1, sd=0.1)


def measure_diversion(cross: CrossFit, group: IntArray, sales: StudiedSales, days: FloatArray) -> MovedShare:
    """Theta from past sales; where items have no neighbors, it is 0 without doubt.

    Args:
        cross: baselines that did not see the days they predict.
        group: number of the group of each item of the panel.
        sales: past sales.
        days: what their days brought to everybody, (n,): see `twin_factor`.
    """
    panel, item = cross.panel, sales.item
    source, target = substitute_pairs(group, panel.units.sum(axis=1, dtype=np.float64))
    if not len(source):
        return MovedShare(share=0.0, share_sd=1e-6)
    others = days_elsewhere(cross, source, target, sales)
    length = sales.last - sales.origin + 1
    own = np.repeat(np.arange(len(item)), length)
    when = np.arange(len(own)) - np.repeat(np.cumsum(length) - length, length) + sales.origin[own]
    alone = np.bincount(own, cross.predict(item[own], sales.origin[own], when), len(item))
    expected = others.expected
    return measure_missing(
        actual=others.actual,
        variance=others.variance,
        expected=expected * days,
        extra=sales.extra * expected / np.maximum(others.by_sale(others.rate) + alone, 1e-9),
        cluster=group[item],
        week=sales.week,
        prior=_PRIOR,
    )


def diversion(theta: float, group: IntArray, usual: FloatArray) -> SparseEffects:
    """Effects of an extra unit on the neighbors, as losses; `usual` units of each item, (n,)."""
    source, target = substitute_pairs(group, usual)
    whole = np.bincount(group, usual)[group]
    effect = -theta * usual[target] / np.maximum(whole[source], 1e-9)
    felt = effect < 0.0
    return SparseEffects(source=source[felt], target=target[felt], effect=effect[felt])


def diversion_sentence(diverted: MovedShare, group: IntArray) -> str:
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
    if upper < 0:
        verdict = "would have substitutes sell more, not less, so the prior decides"
    else:
        verdict = "rules out that it is nothing" if lower > 0 else "does not rule out that it is nothing"
    return f"{said}; the log alone says {diverted.measured:.0%} ({lower:.0%} to {upper:.0%}), and {verdict}."


def substitute_pairs(group: IntArray, usual: FloatArray) -> tuple[IntArray, IntArray]:
    """Items and their neighbors, sorted by item; where new items made a group larger, only those that sell most."""
    order = np.lexsort((-usual, group))
    size = np.minimum(np.bincount(group), MOST_IN_GROUP)
    opens = np.searchsorted(group[order], np.arange(len(size)))
    source = np.repeat(np.arange(len(group)), size[group])
    nth = np.arange(len(source)) - np.repeat(np.cumsum(size[group]) - size[group], size[group])
    target = order[opens[group[source]] + nth]
    apart = source != target
    return source[apart], target[apart]
