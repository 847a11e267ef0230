"""A made-up campaign of any size, with demand of the form that `flashlift.demand` draws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from flashlift.demand.draws import PosteriorDraws
from flashlift.domain import Campaign, Slot
from flashlift.limits import Appearances, Budget, CategoryCount, Limit, MarginFloor, NeverTogether
from flashlift.protocols import SparseEffects

__all__ = ["campaign"]

PER_DAY = 5  # slots of three hours
CATEGORIES = 20


def campaign(
    n_items: int, n_slots: int, n_steps: int, n_draws: int, *, appearances: int, seed: int
) -> tuple[Campaign, pl.DataFrame, PosteriorDraws]:
    """Campaign, items and draws.

    One item in 200 has a place in each slot (two places at least). In every slot a category has at most a sixth of the
    places, and the first three at least one where there are ten or more; the discount given is limited to what binds;
    with several appearances an item pauses for a day between them, and one item in 50 never runs beside its neighbor.
    """
    rng = np.random.default_rng(seed)
    places = max(2, n_items // 200)
    start = datetime(2030, 3, 1, 8, tzinfo=UTC)
    begins = [start + timedelta(days=k // PER_DAY, hours=3 * (k % PER_DAY)) for k in range(n_slots)]
    slots = tuple(
        Slot(slot_id=f"s{k}", start=begin, end=begin + timedelta(hours=3), positions=places)
        for k, begin in enumerate(begins)
    )
    counts = [
        CategoryCount(
            category=f"c{c}",
            minimum=1 if c < 3 and places >= 10 else 0,
            maximum=max(1, places // 6),
            per_slot=True,
        )
        for c in range(CATEGORIES)
    ]
    limits: tuple[Limit, ...] = (
        Appearances(maximum=appearances, cool_down_hours=24.0 if appearances > 1 else 0.0),
        MarginFloor(margin_frac=0.05),
        *counts,
        Budget(amount=12.0 * places * n_slots),
    )
    if appearances > 1:
        pairs = rng.permutation(n_items)[: 2 * (n_items // 100)].reshape(-1, 2)
        limits += tuple(NeverTogether(item_ids=(f"i{one}", f"i{other}")) for one, other in pairs.tolist())
    ladder = tuple(np.round(np.linspace(0.05, 0.5, n_steps), 3).tolist())
    return (
        Campaign(slots=slots, ladder=ladder, limits=limits),
        _items(n_items, rng),
        _draws(n_items, n_slots, n_draws, rng),
    )


def _items(n: int, rng: np.random.Generator) -> pl.DataFrame:
    price = np.round(np.exp(rng.normal(3.0, 0.8, n)), 2)
    return pl.DataFrame(
        {
            "item_id": [f"i{k}" for k in range(n)],
            "title": [None] * n,
            "category": [f"c{k % CATEGORIES}" for k in range(n)],
            "brand": [None] * n,
            "list_price": price,
            "unit_cost": np.round(price * rng.uniform(0.3, 0.8, n), 2),
            "stock": rng.integers(20, 500, n),
            "cost_assumed": [False] * n,
            "stock_assumed": [False] * n,
        },
        schema_overrides={"title": pl.String, "brand": pl.String},
    )


def _draws(n: int, n_slots: int, n_draws: int, rng: np.random.Generator) -> PosteriorDraws:
    rate = rng.gamma(0.7, 0.45, n)
    hour = np.exp(0.4 * np.sin(np.arange(n_slots) % PER_DAY) + 0.1 * rng.normal(size=n_slots))
    none = np.zeros(0, dtype=np.int64)
    return PosteriorDraws(
        slot_units=rate[:, None] * hour * np.exp(0.3 * rng.normal(size=(n, n_slots))),
        rest_units=rate * 130.0,
        in_horizon=np.ones(n_slots, dtype=bool),
        lump=np.ones(n),
        visibility=rng.normal(0.6, 0.3, (n, 1)) + 0.1 * rng.normal(size=(n, n_draws)),
        elasticity=np.maximum(rng.normal(3.0, 1.0, (n, 1)) + 0.3 * rng.normal(size=(n, n_draws)), 0.0),
        position=np.zeros(n_draws),
        level=np.exp(0.1 * rng.normal(size=(n, n_draws))),
        slot_level=np.exp(0.05 * rng.normal(size=(n_slots, n_draws))),
        cell_sd=0.2,
        pull_forward=np.clip(rng.normal(0.15, 0.05, n_draws), 0.0, 1.0),
        effects=SparseEffects(source=none, target=none, effect=np.zeros(0)),
        deepest=np.full(n, 0.5),
        identified=True,
        seed=rng.integers(0, 2**63, n).astype(np.uint64),
    )
