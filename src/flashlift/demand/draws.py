"""Joint draws of demand, kept as parameters and evaluated cell by cell when asked for.

Units of a cell are a count with mean

    baseline(item, slot) * level(item, draw) * shop's day(draw) * noise(item, slot, draw) * lift(item, draw, discount)

through the Poisson quantile of one uniform number, times the item's usual quantity per purchase. The uniform and the
cell noise are hashes of (item, slot, draw): nothing is stored per cell, asking twice gives the same answer, and two
discounts are compared in the same state of the world, where the deeper one never sells less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from flashlift.protocols import FloatArray, IntArray, SparseEffects

__all__ = ["PosteriorDraws", "poisson_quantile"]

UIntArray = npt.NDArray[np.uint64]

_EXACT_BELOW = 4.0
_BLOCK = 40_000  # cells times draws
_REST = 1 << 20  # slot number of the days outside all slots


def poisson_quantile(uniform: FloatArray, mean: FloatArray) -> FloatArray:
    """Smallest k with P(Poisson(mean) <= k) >= uniform, same shape; never falls when `mean` grows.

    Exact for means up to 4; above, the normal expansion of M. Giles (ACM TOMS 42(1), 2016, eq. 7), at least the
    value at 4.
    """
    small = np.minimum(mean, _EXACT_BELOW).ravel()
    u = uniform.ravel()
    count: FloatArray = np.zeros(small.shape)
    term = np.exp(-small)
    left = np.flatnonzero(u > term)
    term, rate, wanted = term[left], small[left], u[left]
    total = term.copy()
    k = 0
    while len(left) and k < 40:
        k += 1
        count[left] = k
        term = term * rate / k
        total += term
        more = wanted > total
        left, term, rate, wanted, total = left[more], term[more], rate[more], wanted[more], total[more]
    count = count.reshape(mean.shape)
    large = mean > _EXACT_BELOW
    if large.any():
        w = ndtri(uniform[large])
        count[large] = np.maximum(count[large], np.floor(mean[large] + np.sqrt(mean[large]) * w + (2 + w * w) / 6))
    return count


def _mix(value: UIntArray) -> UIntArray:
    # The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorDraws:
    """Draws for n items and S slots; implements `DemandDraws`.

    Args:
        slot_units: expected units of each slot at list price, (n, S).
        rest_units: expected units outside the slots, up to 28 days after the last, (n,).
        in_horizon: slots that are parts of the horizon's units; of overlapping slots only the first, (S,).
        lump: usual units per purchase, (n,).
        visibility: log lift of being shown, (n, n_draws).
        elasticity: minus d ln q / d ln p, at least 0, (n, n_draws).
        position: what a unit of log position adds to the log lift, (n_draws,).
        level: factor on the item's units over the whole horizon, (n, n_draws).
        slot_level: factor on a slot's units for the shop as a whole, (S, n_draws).
        cell_sd: standard deviation of the log noise of one item in one slot.
        pull_forward: share of extra units missing afterwards, (n_draws,).
        effects: what an extra unit of each item takes from others.
        deepest: deepest discount seen for the item, its category or the shop, (n,).
        identified: whether the log tells the response to prices at all.
        seed: a random number per item, (n,).
    """

    slot_units: FloatArray
    rest_units: FloatArray
    in_horizon: npt.NDArray[np.bool_]
    lump: FloatArray
    visibility: FloatArray
    elasticity: FloatArray
    position: FloatArray
    level: FloatArray
    slot_level: FloatArray
    cell_sd: float
    pull_forward: FloatArray
    effects: SparseEffects
    deepest: FloatArray
    identified: bool
    seed: UIntArray

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return int(self.level.shape[1])

    def units(
        self,
        item: IntArray,
        slot: IntArray,
        discount: FloatArray,
        reach: FloatArray | None = None,
        *,
        place: FloatArray | None = None,
    ) -> FloatArray:
        """Units demanded in the slot, (n, n_draws); see `DemandDraws.units`. Being in a sale never lowers them.

        Args:
            item: row of each cell, (n,).
            slot: its slot, (n,).
            discount: fraction of the list price, (n,).
            reach: share of the audience that sees it, (n,).
            place: log position less that of the usual past sale, (n,); without it, all are shown like that one.
        """
        out = np.empty((len(item), self.n_draws))
        for part in self._parts(len(item)):
            some = (None if values is None else values[part] for values in (reach, place))
            out[part] = self._units(item[part], slot[part], discount[part], *some)
        return out

    def _units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None, place: FloatArray | None
    ) -> FloatArray:
        x = -np.log1p(-discount)[:, None]
        log_lift = self.visibility[item] + self.elasticity[item] * x
        if place is not None:
            log_lift += place[:, None] * self.position
        log_lift = np.maximum(log_lift, 0.0)
        log_lift[discount <= 0] = 0.0
        mean = self.slot_units[item, slot][:, None] * self.level[item] * self.slot_level[slot] * np.exp(log_lift)
        if reach is not None:
            mean *= np.where(discount > 0, reach, 1.0)[:, None]
        return self._count(item, slot, mean)

    def without_sale(self, item: IntArray) -> FloatArray:
        """Units at list price from the first slot's start to 28 days after the last end, (n, n_draws)."""
        out = np.empty((len(item), self.n_draws))
        for part in self._parts(len(item)):
            rows = item[part]
            rest = self._count(rows, np.full(len(rows), _REST), self.rest_units[rows][:, None] * self.level[rows])
            for slot in np.flatnonzero(self.in_horizon):
                rest += self._units(rows, np.full(len(rows), slot), np.zeros(len(rows)), None, None)
            out[part] = rest
        return out

    def _parts(self, n: int) -> Iterator[slice]:
        """Cells evaluated together: what a processor's cache holds is several times faster, and needs no memory."""
        step = max(1, _BLOCK // self.n_draws)
        return (slice(first, first + step) for first in range(0, n, step))

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        """Units missing outside the slots, as negative numbers, (n, n_draws)."""
        return -self.pull_forward * extra_units + 0.0

    def cross(self) -> SparseEffects:
        """What substitutes lose."""
        return self.effects

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """How much deeper than what was seen of the item (else its category, else the shop), (n,)."""
        beyond = np.maximum(discount - self.deepest[item], 0.0)
        return beyond if self.identified else np.full(len(item), np.inf)

    def _count(self, item: IntArray, slot: IntArray, mean: FloatArray) -> FloatArray:
        key = self.seed[item] + slot.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = _mix(_mix(key)[:, None] + np.arange(self.n_draws, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95))
        if self.cell_sd > 0:
            other = (_mix(bits) >> np.uint64(12)).astype(np.float64) + 0.5
            mean = mean * np.exp(self.cell_sd * ndtri(other * 2.0**-52) - 0.5 * self.cell_sd**2)
        uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
        lump = self.lump[item][:, None]
        return lump * poisson_quantile(uniform, mean / lump)
