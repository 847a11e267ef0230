"""The truth as a demand model: it knows every parameter and today's hidden state, but not tomorrow's shocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.domain import Slot
from flashlift.errors import InputError
from flashlift.market.futures import Futures, Present, Rates
from flashlift.market.law import MEDIAN_STEP
from flashlift.protocols import FloatArray, IntArray, SparseEffects
from flashlift.schema import SaleItems

__all__ = ["Truth", "TruthDraws"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Implements `DemandModel` with the true parameters."""

    present: Present

    def draw(self, items: pl.DataFrame, slots: Sequence[Slot], n_draws: int, *, rng: np.random.Generator) -> TruthDraws:
        """Draws over future shocks and the noise of counting.

        Raises:
            InputError: an item the shop does not have, no slot, or a slot that begins before the present.
        """
        asked = self._rows(items)
        group, row = self.present.items.group, asked
        competing = self.present.law.choice.outside < 1.0
        if competing:  # neighbors matter even where nobody asks for them
            neighbors = np.flatnonzero(np.isin(group, group[asked]))
            row = np.concatenate([asked, np.setdiff1d(neighbors, asked)])
        futures = self.present.futures(row, slots, n_draws, rng=rng)
        rivals = _rivals(group[row], futures.atom_rate) if competing else None
        return TruthDraws(futures=futures, n_asked=len(asked), rivals=rivals)

    def _rows(self, items: pl.DataFrame) -> IntArray:
        """Row number in the shop of each item asked for."""
        own = self.present.items.frame.select(SaleItems.item_id.name).with_row_index("row")
        row = items.select(SaleItems.item_id.name).join(
            own, on=SaleItems.item_id.name, how="left", maintain_order="left"
        )
        unknown = row.filter(pl.col("row").is_null())
        if len(unknown):
            raise InputError(
                f"The shop does not sell {unknown[SaleItems.item_id.name][0]!r}. Ask for its own items only."
            )
        return row["row"].to_numpy().astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthDraws:
    """Implements `DemandDraws`: each offer stands alone in its group, in a slot whose other positions hold its like.

    What several offers do to each other is exact in `flashlift.market.play`; here it is linear, in `cross`.

    Args:
        futures: the items asked for, and after them their neighbors.
        n_asked: number of items asked for.
        rivals: expected units of each item's neighbors in each atom, (n_atoms, n_items, n_draws); None where items do
            not compete.
    """

    futures: Futures
    n_asked: int
    rivals: Rates | None

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return self.futures.n_futures

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        """Units demanded in the slot; those whom the sale does not reach buy as if there were none."""
        units = np.zeros((len(item), self.n_draws))
        for s in np.unique(slot):
            cells = np.flatnonzero(slot == s)
            for atom in np.flatnonzero(self.futures.in_slot[s]):
                factor = self._factor(int(atom), item[cells], discount[cells])
                if reach is not None:
                    factor = 1.0 + (factor - 1.0) * reach[cells, None]
                units[cells] += self.futures.wanted(int(atom), item[cells], factor)
        return units

    def multiplier(self, item: IntArray, slot: IntArray, discount: FloatArray) -> FloatArray:
        """Expected units of the offer relative to list price, (n, n_draws)."""
        offered, usual = np.zeros((2, len(item), self.n_draws))
        for s in np.unique(slot):
            cells = np.flatnonzero(slot == s)
            for atom in np.flatnonzero(self.futures.in_slot[s]):
                rate = self.futures.atom_rate[atom, item[cells]]
                offered[cells] += rate * self._factor(int(atom), item[cells], discount[cells])
                usual[cells] += rate
        return np.divide(offered, usual, out=np.ones_like(usual), where=usual > 0.0)

    def without_sale(self, item: IntArray) -> FloatArray:
        """Units at list price over the horizon."""
        return self.futures.without_sale(item)

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        """What the sale only moved in time, as a negative number of units."""
        return np.asarray(0.0 - self.futures.law.missing(self.futures.row[item], extra_units))

    def cross(self) -> SparseEffects:
        """Units that neighbors lose per extra unit, at the median step; in a logit world exact for any step."""
        none = np.array([], dtype=np.int64)
        if self.rivals is None:
            return SparseEffects(source=none, target=none, effect=np.array([]))
        every = np.arange(self.n_asked)
        base, rivals = (part[:, every].mean(axis=(0, 2), dtype=np.float64)[:, None] for part in self._atoms())
        step, usual = np.full(self.n_asked, MEDIAN_STEP), np.ones(self.n_asked)
        appeal = self.futures.law.appeal(self.futures.row[every], step, usual)[:, None]
        own, others = _two(self.futures, base, rivals, appeal)
        taken = np.divide(rivals * (1.0 - others), base * (appeal * own - 1.0), out=np.zeros_like(base), where=base > 0)
        group = self.futures.items.group[self.futures.row[every]]
        source, target = np.nonzero((group[:, None] == group) & ~np.eye(self.n_asked, dtype=bool))
        share = np.divide(base[target, 0], rivals[source, 0], out=np.zeros(len(target)), where=rivals[source, 0] > 0)
        return SparseEffects(source=source, target=target, effect=np.asarray(-taken[source, 0] * share))

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """0 everywhere: the truth need not see to know."""
        return np.zeros(len(item))

    def _atoms(self) -> tuple[Rates, Rates]:
        assert self.rivals is not None
        return self.futures.atom_rate, self.rivals

    def _factor(self, atom: int, item: IntArray, discount: FloatArray) -> FloatArray:
        """Factor on the demand at list price of an offer that stands alone in its group, (n, n_draws)."""
        together = zip(self.futures.slots, self.futures.in_slot[:, atom], strict=True)
        company = max(sum(slot.positions for slot, live in together if live), 1)
        attention = self.futures.law.attention.share(np.zeros(company), None)[0]
        appeal = self.futures.appeal(atom, item, discount, np.full(len(item), attention))[:, None]
        if self.rivals is None:
            return np.broadcast_to(appeal, (len(item), self.n_draws))
        own, _ = _two(self.futures, self.futures.atom_rate[atom, item], self.rivals[atom, item], appeal)
        return np.asarray(appeal * own)


def _two(
    futures: Futures, base: FloatArray | Rates, rivals: FloatArray | Rates, appeal: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Factor of the group's state on each offer's item and on its neighbors, each group taken as these two."""
    n, wide = len(base), np.broadcast_to(appeal, base.shape)
    factor = futures.law.choice.factor(
        np.tile(np.arange(n), 2), np.concatenate([base, rivals]), np.concatenate([wide, np.ones_like(wide)])
    )
    return factor[:n], factor[n:]


def _rivals(group: IntArray, rate: Rates) -> Rates:
    """Expected units of the other items of each item's group."""
    numbers, place = np.unique(group, return_inverse=True)
    whole = np.zeros((rate.shape[0], len(numbers), rate.shape[2]), np.float32)
    for atom, units in enumerate(rate):
        np.add.at(whole[atom], place, units)
    return np.asarray(np.maximum(whole[:, place] - rate, 0.0))
