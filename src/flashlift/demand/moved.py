"""What past sales moved elsewhere: from later weeks, from substitutes, to complements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from flashlift.account import HORIZON_DAYS
from flashlift.demand.aftermath import FADE, measure_pull_forward
from flashlift.demand.complements import Complements, find_complements
from flashlift.demand.event_study import MovedShare, StudiedSales
from flashlift.demand.groundwork import Groundwork
from flashlift.demand.halo import measure_halo
from flashlift.demand.panel import Panel
from flashlift.demand.substitution import measure_diversion, substitute_pairs
from flashlift.demand.twins import twin_factor
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Tables

__all__ = ["Moved", "measure_moved"]

_MOST_STUDIED = 5_000  # past sales


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Units moved per extra unit of a sale.

    Args:
        pull: share missing in the weeks after.
        diverted: share that substitutes lose.
        halo: units that complements gain.
        complements: which items go along with which; none where no halo was found.
    """

    pull: MovedShare
    diverted: MovedShare
    halo: MovedShare
    complements: Complements


def measure_moved(
    ground: Groundwork, tables: Tables, group: IntArray, control: Callable[..., FloatArray] = twin_factor
) -> Moved:
    """Event studies of past sales.

    Args:
        ground: the log beside blind forecasts.
        tables: the shop; of the events, only those of the panel's days are read.
        group: number of the group of substitutes of each item, (n_items,).
        control: what days brought to everybody, as `twin_factor` tells.
    """
    panel, cross, sales = ground.panel, ground.cross, _studied(ground)
    complements = find_complements(tables, panel, group)
    kin = _kin(panel, group, complements)
    days = control(cross, kin, sales.item, sales.origin, sales.origin, sales.last)
    after = sales.last + 1, np.minimum(sales.last + HORIZON_DAYS, panel.n_days - 1)
    halo, complements = measure_halo(cross, complements, sales, days)
    return Moved(
        pull=measure_pull_forward(cross, sales, control(cross, kin, sales.item, sales.origin, *after, fade=FADE)),
        diverted=measure_diversion(cross, group, sales, days),
        halo=halo,
        complements=complements,
    )


def _studied(ground: Groundwork) -> StudiedSales:
    """Past sales with the extra units that are expected of them."""
    # Not the items' own lifts: they hold some of the state of demand in these very sales, which goes on after them.
    sales, response = ground.sales, ground.response
    mean, _ = response.category_marginal(response.categories)
    own = mean[ground.panel.category[sales.item]]
    lift = np.exp(own[:, 0] + own[:, 1] * sales.x)
    extra = sales.baseline * np.maximum(lift - 1.0, 0.0)
    some = np.unique(np.linspace(0, len(extra) - 1, min(len(extra), _MOST_STUDIED)).astype(np.int64))
    return StudiedSales(item=sales.item[some], origin=ground.first[some], last=ground.last[some], extra=extra[some])


def _kin(panel: Panel, group: IntArray, complements: Complements) -> sparse.csr_matrix:
    """Items that a sale of each item moves: itself, its substitutes and its complements, (n_items, n_items)."""
    every = np.arange(len(group))
    source, target = substitute_pairs(group, panel.units.sum(axis=1, dtype=np.float64))
    place = np.concatenate([every, source, complements.source]), np.concatenate([every, target, complements.target])
    return sparse.csr_matrix((np.ones(len(place[0])), place), shape=(len(group), len(group)))
