"""How far sales without a promotion stray from the cross-fitted baseline: the spreads that the draws need.

Three sources, estimated by moments on forecasts 1 to 28 days ahead from several origins: the level of an item over
the whole horizon, the level of the shop over it, and the shop's day. Counting noise (with the item's usual quantity
per purchase) is subtracted first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flashlift.demand.baseline import CrossFit
from flashlift.demand.state import MIN_HISTORY
from flashlift.domain import Slot
from flashlift.protocols import FloatArray

__all__ = ["Noise", "measure_noise"]

_DAYS = 28
_MAX_ITEMS = 1500
_MAX_ORIGINS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Relative variances (of a factor with mean 1).

    Args:
        item: of an item's level over the horizon, where it sells much.
        item_slow: what is added for an item that sells slowly, times lump / units expected in 28 days.
        shop: of the shop's level over the horizon.
        day: of the shop's single day.
        cell: of an item's single day, beyond all others.
        near: of an item's level over the next 7 days, where it sells much.
    """

    item: float
    item_slow: float
    shop: float
    day: float
    cell: float
    near: float

    def item_variance(self, units_28: FloatArray, lump: FloatArray) -> FloatArray:
        """Relative variance of the level of items that expect `units_28` units in 28 days."""
        return np.minimum(self.item + self.item_slow * lump / np.maximum(units_28, 1e-3), 4.0)

    def draw_levels(self, units_28: FloatArray, lump: FloatArray, n_draws: int, rng: np.random.Generator) -> FloatArray:
        """Factors on the items' units over the whole horizon, (n, n_draws)."""
        own = np.maximum(self.item_variance(units_28, lump), 1e-6)[:, None]
        levels = rng.gamma(1.0 / own, own, (len(own), n_draws))
        levels *= _lognormal(self.shop, n_draws, rng)
        return levels

    def draw_slot_levels(self, slots: Sequence[Slot], n_draws: int, rng: np.random.Generator) -> FloatArray:
        """Factors on the shop's units in each slot, (S, n_draws); slots that begin on one day share the shop's day."""
        days, of = np.unique([slot.start.date().toordinal() for slot in slots], return_inverse=True)
        return _lognormal(self.day, (len(days), n_draws), rng)[of]


def measure_noise(cross: CrossFit, rng: np.random.Generator) -> Noise:
    """Compare cross-fitted forecasts with what happened on normal days."""
    panel = cross.panel
    n_items = len(panel.item_ids)
    chosen = np.sort(rng.choice(n_items, min(n_items, _MAX_ITEMS), replace=False))
    last = panel.n_days - _DAYS
    origins = np.unique(np.linspace(min(MIN_HISTORY + _DAYS, last), last, _MAX_ORIGINS).astype(int))
    item, origin, ahead = (a.ravel() for a in np.meshgrid(chosen, origins, np.arange(_DAYS), indexing="ij"))
    shape = (len(chosen), len(origins), _DAYS)
    day = origin + ahead
    exposure = panel.normal[item, day].astype(np.float64)
    known = cross.history.state(chosen.repeat(len(origins)), np.tile(origins, len(chosen))).days[:, -1] > 0
    exposure *= known.repeat(_DAYS)
    expected = (exposure * cross.predict(item, origin, day)).reshape(shape)
    actual = np.where(exposure > 0, panel.units[item, day], 0.0).reshape(shape)
    return _moments(actual, expected, panel.lump[chosen])


def _moments(actual: FloatArray, expected: FloatArray, lump: FloatArray) -> Noise:
    shop_day = expected.sum(0)
    usable = shop_day > 0
    ratio = np.divide(actual.sum(0), shop_day, out=np.ones_like(shop_day), where=usable)
    total_b, total_y = expected.sum(2), actual.sum(2)
    period = total_y.sum(0) / np.maximum(total_b.sum(0), 1e-9)
    item, item_slow = _item_variance(total_y, total_b * period, lump)
    per_item = item + item_slow * lump[:, None] / np.maximum(total_b, 1e-3)
    sampling = (lump[:, None] * total_b + np.minimum(per_item, 4.0) * total_b**2).sum(0) / np.maximum(
        total_b.sum(0), 1e-9
    ) ** 2
    shop = max(float(np.mean((period - 1) ** 2 - sampling)), 0.0)
    within = ratio / np.maximum(period, 1e-9)[:, None]
    counting = (lump[:, None, None] * expected).sum(0) / np.maximum(shop_day, 1e-9) ** 2
    weight = np.where(usable, shop_day, 0.0)
    day = max(float(np.sum(weight * ((within - 1) ** 2 - counting)) / np.sum(weight)), 0.0)
    cell_b = expected * ratio * (total_y / np.maximum(total_b * period, 1e-9))[:, :, None]
    steady = (total_y > 5 * lump[:, None])[:, :, None] & (expected > 0)
    excess = np.where(steady, (actual - cell_b) ** 2 - lump[:, None, None] * cell_b, 0.0).sum()
    cell = excess / max(np.where(steady, cell_b**2, 0.0).sum(), 1e-9)
    near, _ = _item_variance(actual[:, :, :7].sum(2), expected[:, :, :7].sum(2), lump)
    return Noise(
        item=item,
        item_slow=item_slow,
        shop=min(shop, 1.0),
        day=min(day, 1.0),
        cell=float(np.clip(cell, 0.0, 1.5)),
        near=near,
    )


def _item_variance(actual: FloatArray, expected: FloatArray, lump: FloatArray) -> tuple[float, float]:
    """Least squares of the relative excess variance on (1, lump / expected), both at least 0."""
    b = expected.ravel()
    scale = np.broadcast_to(lump[:, None], expected.shape).ravel()
    keep = b > 0.2 * scale
    if not keep.any():
        return 0.25, 0.25
    b, scale, y = b[keep], scale[keep], actual.ravel()[keep]
    excess = (y - b) ** 2 - scale * b
    design = np.column_stack([b**2, scale * b])
    weight = 1.0 / (scale * b + 0.3 * b**2) ** 2
    gram = (design * weight[:, None]).T @ design
    moment = (design * weight[:, None]).T @ excess
    solution = np.linalg.solve(gram + 1e-12 * np.eye(2) * np.trace(gram), moment)
    if solution.min() < 0:
        single = np.maximum(moment / np.diag(gram), 0.0)
        gain = moment * single
        solution = np.where(np.arange(2) == int(np.argmax(gain)), single, 0.0)
    return float(solution[0]), float(solution[1])


def _lognormal(variance: float, size: int | tuple[int, int], rng: np.random.Generator) -> FloatArray:
    sd = np.sqrt(np.log1p(variance))
    return np.asarray(np.exp(sd * rng.standard_normal(size) - 0.5 * sd**2))
