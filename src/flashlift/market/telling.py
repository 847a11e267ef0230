"""Tell one future as events: what is bought and looked at, by stretches of time and by arm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from flashlift.market.events import BROWSES_PER_ORDER, UNITS_PER_ORDER, Window
from flashlift.market.futures import Futures, Span
from flashlift.market.play import Forward, Stage
from flashlift.market.rhythm import Calendar
from flashlift.protocols import FloatArray, IntArray

__all__ = ["tell"]


def tell(
    stage: Stage, calendar: Calendar, held: FloatArray, forward: Forward, *, rng: np.random.Generator
) -> list[list[Window]]:
    """The first future as windows for the funnel, a list for each arm; every window lies within one day.

    Args:
        stage: the futures.
        calendar: the shop's rhythm.
        held: share of each item's demand that each arm's customers hold, (n_arms, n_items).
        forward: what was played.
        rng: of where and when within a stretch.
    """
    futures, items = stage.futures, stage.futures.items
    pieces = _pieces(futures)
    rate = calendar.shares(pieces, futures.days) @ futures.rate[:, :, 0].astype(np.float64)  # (n_pieces, n_items)
    home = np.array([_home(piece, futures.atoms) for piece in pieces])
    at_list = _at_list(futures, forward, rate, home, rng)
    by_arm = _among(at_list, held, rng)

    n_arms, n = held.shape
    shape = (n_arms, *at_list.shape)
    sold, discount = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    price = np.broadcast_to(items.list_price, shape).copy()
    for k, (arm, item, slot) in enumerate(zip(forward.arm, forward.item, forward.slot, strict=True)):
        inside = np.flatnonzero(np.isin(home, np.flatnonzero(futures.in_slot[slot])))
        units = np.array([forward.sold[k, 0]], dtype=np.int64)
        sold[arm, inside, item] = _split(units, rate[inside, item][:, None], rng)[:, 0]
        by_arm[arm, inside, item] = 0
        price[arm, inside, item] = forward.price[k]
        discount[arm, inside, item] = 1.0 - forward.price[k] / items.list_price[item]

    room = np.maximum(stage.stock - sold.sum(axis=(0, 1)), 0)
    wanted = by_arm.transpose(1, 0, 2).reshape(-1, n)  # in order of time, the arms of a stretch one after the other
    kept = np.minimum(wanted.cumsum(axis=0), room)
    sold += np.diff(kept, axis=0, prepend=0).reshape(len(pieces), n_arms, n).transpose(1, 0, 2)
    told = []
    for a in range(n_arms):
        shown = np.where(discount[a] > 0.0, futures.law.lift, 1.0)
        looks = rate * shown * held[a] * (BROWSES_PER_ORDER / UNITS_PER_ORDER)
        told.append(
            [
                Window(start=s, end=e, sold=sold[a, p], looks=looks[p], discount=discount[a, p], price=price[a, p])
                for p, (s, e) in enumerate(pieces)
            ]
        )
    return told


def _at_list(
    futures: Futures, forward: Forward, rate: FloatArray, home: IntArray, rng: np.random.Generator
) -> IntArray:
    """Units at list price by stretch and item, less what the sale takes from other items and from other days."""
    at_list = np.zeros(rate.shape, dtype=np.int64)
    for atom in range(-1, len(futures.atoms)):
        inside = np.flatnonzero(home == atom)
        counts = futures.rest[:, 0] if atom < 0 else futures.counts[atom, :, 0]
        units = counts.astype(np.int64)
        if atom >= 0 and len(forward.rivals):
            units[forward.rivals] = np.maximum(units[forward.rivals] - np.rint(forward.lost[atom, :, 0]), 0)
        at_list[inside] = _split(units, rate[inside], rng)
    law = futures.law
    for item in np.unique(forward.item):
        mine = np.flatnonzero(forward.item == item)
        touched = np.flatnonzero(np.isin(home, np.flatnonzero(futures.in_slot[forward.slot[mine]].any(axis=0))))
        extra = forward.sold[mine, :1] - forward.displaced[mine, :1]
        missing = float(law.missing(np.full(len(mine), item), extra).sum())
        whole = float(law.wait[item] + law.pull[item] + law.price.scar(law.lift)[item])
        earlier = missing * float(law.wait[item]) / whole if whole else 0.0
        before, after = np.arange(touched.min()), np.arange(touched.max() + 1, len(home))
        for gone, stretches in ((earlier, before), (missing - earlier, after)):
            free = at_list[stretches, item]
            taken = min(int(gone + rng.random()), int(free.sum()))
            at_list[stretches, item] -= rng.multivariate_hypergeometric(free, taken)
    return at_list


def _pieces(futures: Futures) -> list[Span]:
    """The horizon, cut at every midnight and at every border of a slot."""
    start, end = futures.horizon
    borders = {start, end, *futures.days, *(border for atom in futures.atoms for border in atom)}
    return list(pairwise(sorted(border for border in borders if start <= border <= end)))


def _home(piece: Span, atoms: Sequence[Span]) -> int:
    """Index of the atom that holds the piece, -1 outside all."""
    return next((k for k, (start, end) in enumerate(atoms) if start <= piece[0] and piece[1] <= end), -1)


def _among(counts: IntArray, held: FloatArray, rng: np.random.Generator) -> IntArray:
    """Counts (n_pieces, n_items) split at random among arms, (n_arms, n_pieces, n_items)."""
    return np.asarray(np.moveaxis(rng.multinomial(counts, held.T), -1, 0))


def _split(counts: IntArray, weight: FloatArray, rng: np.random.Generator) -> IntArray:
    """Counts (n,) spread over pieces in proportion to `weight` (n_pieces, n), (n_pieces, n)."""
    total = weight.sum(axis=0)
    even = np.full_like(weight, 1.0 / max(len(weight), 1))
    chance = np.divide(weight, total, out=even, where=total > 0.0)
    return np.asarray(rng.multinomial(counts, chance.T).T)
