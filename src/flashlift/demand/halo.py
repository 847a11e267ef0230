"""What a sale adds to the sales of other items: its halo on complements (`complements`).

One extra unit of item i brings

    halo * a_ij,    a_ij in proportion to the units of j that go along with a unit of i in orders without a sale,

at list price from item j, where the a_ij of all j sum to 1 for the average extra unit of past sales. The halo, units
per extra unit, is one number of the shop, measured by an event study (`event_study`): what the complements sold during
past sales, against their own forecast made before, times what the days brought to items that no sale touched (`twins`).
It is never negative, is shrunk towards none, and counts only where the log alone leaves out that there is none: what is
often bought together need not be bought because of each other, and the extra buyers of a sale are not its usual ones.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flashlift.demand.baseline import CrossFit
from flashlift.demand.complements import Complements
from flashlift.demand.elsewhere import days_elsewhere
from flashlift.demand.event_study import MovedShare, Prior, StudiedSales, measure_gained
from flashlift.protocols import FloatArray, IntArray, SparseEffects

__all__ = ["halo_effects", "halo_sentence", "measure_halo"]

_PRIOR = Prior(mean=0.0, sd=0.1)
_NONE = MovedShare(share=0.0, share_sd=1e-6)


def measure_halo(
    cross: CrossFit, complements: Complements, sales: StudiedSales, days: FloatArray
) -> tuple[MovedShare, Complements]:
    """The halo, and the complements with the a_ij as their units; no complements where it is not shown to be there.

    Args:
        cross: baselines that did not see the days they predict.
        complements: which items go along with which.
        sales: past sales.
        days: what their days brought to everybody, (n,): see `twin_factor`.
    """
    source, units = complements.source, complements.units
    along = np.bincount(source, units, len(cross.panel.item_ids))[sales.item]
    if not along @ sales.extra > 0:
        return _NONE, Complements.none()
    part = units * sales.extra.sum() / (along @ sales.extra)
    others = days_elsewhere(cross, source, complements.target, sales)
    seen = others.by_sale(part[others.pair] * others.usable) / (sales.last - sales.origin + 1)
    found = measure_gained(
        actual=others.actual,
        variance=others.variance,
        expected=others.expected * days,
        extra=sales.extra * seen,
        cluster=sales.item,
        week=sales.week,
        prior=_PRIOR,
    )
    if found.interval is None or found.interval[0] <= 0.0:
        return replace(found, share=0.0, share_sd=1e-6), Complements.none()
    return found, replace(complements, units=part)


def halo_effects(halo: float, complements: Complements, rows: IntArray, n_items: int) -> SparseEffects:
    """Effects of an extra unit on complements, as gains.

    Args:
        halo: units that an extra unit brings.
        complements: pairs of items of the log, with the a_ij as their units.
        rows: item of the log of each item asked for; -1 for one that the log does not know.
        n_items: items of the log.
    """
    place = np.full(n_items + 1, -1)  # the last stands for what the log does not know
    place[rows] = np.arange(len(rows))
    source, target = place[complements.source], place[complements.target]
    asked = (source >= 0) & (target >= 0)
    return SparseEffects(source=source[asked], target=target[asked], effect=halo * complements.units[asked])


def halo_sentence(halo: MovedShare, complements: Complements) -> str:
    """What sales bring to other items, how sure that is, and whether it counts."""
    if halo.measured is None or halo.interval is None:
        return "The log does not tell what a sale adds to the sales of other items (halo): it counts as none."
    lower, upper = halo.interval
    log = f"the log alone says {halo.measured:.2f} ({lower:.2f} to {upper:.2f})"
    if not len(complements.source):
        return f"What a sale adds to what is bought along with it (halo) counts as none: units per extra unit, {log}."
    return (
        f"An extra unit of a sale adds {halo.mean:.2f} units of what is bought along with it "
        f"({len(np.unique(complements.source)):,} items have complements); {log}."
    )
