"""flashlift's forecast without a sale, with the true answer to discounts, pull-forward and effects on other items.

The distance of this row to the oracle is what the forecast costs; the distance of flashlift to this row is what
not knowing the response costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.estimators import flashlift_today
from flashlift.demand.draws import poisson_quantile
from flashlift.market.truth import TruthDraws
from flashlift.protocols import DemandDraws, FloatArray, IntArray, SparseEffects

__all__ = ["NAME", "TrueResponse", "estimate"]

NAME = "true response"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueResponse:
    """Implements `DemandDraws`: the forecast's units, and extra units that the truth's multiplier adds to them.

    Extra units are Poisson around (multiplier - 1) x the cell's forecast x how good the horizon is in that draw.

    Args:
        forecast: draws whose units without a sale are taken.
        truth: draws whose multiplier, aftermath and cross effects are taken; as many.
        cell: expected units at list price, (n_items, n_slots).
        horizon: units without a sale in the draw, as a multiple of their mean, (n_items, n_draws).
        uniform_item: uniform numbers behind the extra units, (n_items, n_draws).
        uniform_slot: the same for slots, (n_slots, n_draws); the sum of both modulo 1 is one cell's.
    """

    forecast: DemandDraws
    truth: TruthDraws
    cell: FloatArray
    horizon: FloatArray
    uniform_item: FloatArray
    uniform_slot: FloatArray

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return self.forecast.n_draws

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        """Units demanded, (n, n_draws); where the sale lowers demand, the same share of every draw's units is left."""
        base = self.forecast.units(item, slot, np.zeros(len(item)))
        change = self.truth.multiplier(item, slot, discount) - 1.0
        if reach is not None:
            change = change * reach[:, None]
        change = np.where(discount[:, None] > 0.0, change, 0.0)
        rate = self.cell[item, slot][:, None] * self.horizon[item] * np.maximum(change, 0.0)
        uniform = (self.uniform_item[item] + self.uniform_slot[slot]) % 1.0
        return np.asarray(base * (1.0 + np.minimum(change, 0.0)) + poisson_quantile(uniform, rate))

    def without_sale(self, item: IntArray) -> FloatArray:
        """The forecast's."""
        return self.forecast.without_sale(item)

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        """The truth's."""
        return self.truth.aftermath(item, extra_units)

    def cross(self) -> SparseEffects:
        """The truth's."""
        return self.truth.cross()

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """The truth's."""
        return self.truth.support(item, discount)


def estimate(case: Case) -> Estimated:
    """Fit flashlift, and put the truth in the place of its response; there is no elasticity left to estimate."""
    forecast = flashlift_today.estimate(case).draws
    rng = np.random.default_rng((case.seed, 1))
    slots = case.campaign.slots
    item = np.arange(case.items.height)
    cells = [forecast.units(item, np.full(len(item), k), np.zeros(len(item))).mean(axis=1) for k in range(len(slots))]
    horizon = forecast.without_sale(item)
    draws = TrueResponse(
        forecast=forecast,
        truth=case.shop.truth.draw(case.items, slots, case.n_draws, rng=rng),
        cell=np.column_stack(cells),
        horizon=horizon / np.maximum(horizon.mean(axis=1, keepdims=True), 1e-9),
        uniform_item=rng.random(horizon.shape),
        uniform_slot=rng.random((len(slots), case.n_draws)),
    )
    return Estimated(draws=draws)
