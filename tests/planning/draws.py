"""Small worlds for the planner: a log-linear demand with known parameters, items and campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import strategies as st

from flashlift.domain import Campaign, Costs, Goal, Slot
from flashlift.limits import (
    AlwaysTogether,
    Appearances,
    Blackout,
    BrandCount,
    Budget,
    CategoryCount,
    Excluded,
    FunderBudget,
    Limit,
    MarginFloor,
    MaxChange,
    NeverTogether,
    Nomination,
    Nominations,
    NotAboveCompetitor,
    PerCustomer,
    Pinned,
    ReferencePrice,
    Rest,
    SellThrough,
    StockReserve,
)
from flashlift.protocols import FloatArray, IntArray, SparseEffects

PENALTY = st.none() | st.sampled_from([0.05, 0.5, 4.0, 30.0])  # of a soft limit
FRIDAY = datetime(2030, 3, 1, 18, tzinfo=UTC)
NO_EFFECTS = SparseEffects(source=np.zeros(0, dtype=np.int64), target=np.zeros(0, dtype=np.int64), effect=np.zeros(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLinear:
    """units = rate x hours x (1 without a sale, lift x exp(slope x discount) in it), all (n_items, n_draws)."""

    rate: FloatArray
    slope: FloatArray
    lift: FloatArray
    pull: FloatArray
    hours: FloatArray
    horizon_hours: float
    effects: SparseEffects = NO_EFFECTS

    @property
    def n_draws(self) -> int:
        return self.rate.shape[1]

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        usual = self.rate[item] * self.hours[slot, None]
        in_sale = usual * self.lift[item] * np.exp(self.slope[item] * discount[:, None])
        return np.where(discount[:, None] > 0.0, in_sale, usual)

    def without_sale(self, item: IntArray) -> FloatArray:
        return self.rate[item] * self.horizon_hours

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        return -self.pull[item] * extra_units

    def cross(self) -> SparseEffects:
        return self.effects

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        return np.zeros(len(item))


def log_linear(
    rng: np.random.Generator,
    n_items: int,
    slots: Sequence[Slot],
    n_draws: int,
    *,
    cross: bool = False,
    spread: float = 0.3,
) -> LogLinear:
    """Draws around per-item parameters; `rng` decides both."""
    shape = (n_items, n_draws)
    noise = np.exp(spread * rng.standard_normal(shape))
    effects = NO_EFFECTS
    if cross and n_items > 1:
        source = np.arange(n_items, dtype=np.int64)
        effects = SparseEffects(source=source, target=(source + 1) % n_items, effect=rng.uniform(-0.3, 0.1, n_items))
    return LogLinear(
        rate=rng.gamma(1.0, 0.4, (n_items, 1)) * noise,
        slope=rng.uniform(1.0, 8.0, (n_items, 1)) * np.ones(shape),
        lift=rng.uniform(1.2, 4.0, (n_items, 1)) * np.ones(shape),
        pull=rng.uniform(-0.1, 0.4, (n_items, 1)) * np.ones(shape),
        hours=np.array([s.hours for s in slots]),
        horizon_hours=sum(s.hours for s in slots) + 30.0,  # a quiet month after
        effects=effects,
    )


def catalog(
    rng: np.random.Generator, n_items: int, *, stock: int = 500, categories: Sequence[str] = ("home", "toys")
) -> pl.DataFrame:
    """Table SaleItems with items `i0`, `i1` ..."""
    list_price = np.round(rng.uniform(2.0, 40.0, n_items), 2)
    return pl.DataFrame(
        {
            "item_id": [f"i{k}" for k in range(n_items)],
            "title": [None] * n_items,
            "category": [categories[k % len(categories)] for k in range(n_items)],
            "brand": [None] * n_items,
            "list_price": list_price,
            "unit_cost": np.round(list_price * rng.uniform(0.1, 0.8, n_items), 2),
            "stock": rng.integers(stock // 2, stock + 1, n_items),
            "cost_assumed": [False] * n_items,
            "stock_assumed": [False] * n_items,
        },
        schema_overrides={"title": pl.String, "brand": pl.String},
    )


def with_facts(items: pl.DataFrame) -> pl.DataFrame:
    """The same items with what some limits ask for, known of some of them."""
    return items.with_columns(
        reference_price=pl.col("list_price") * cycle(items, 1.0, 0.9, 0.75, None),
        competitor_price=pl.col("list_price") * cycle(items, 0.85, None, 1.1),
        last_sale_end=pl.lit(FRIDAY) + cycle(items, timedelta(hours=-20), None, timedelta(hours=3)),
        next_sale_start=pl.lit(FRIDAY) + cycle(items, None, timedelta(days=2)),
    )


def cycle(items: pl.DataFrame, *values: float | str | timedelta | None) -> pl.Series:
    return pl.Series([values[k % len(values)] for k in range(items.height)])


def slots_every(n: int, *, positions: int = 2, hours: float = 2.0, every: float = 24.0) -> tuple[Slot, ...]:
    """Slots `s0`, `s1` ..., each `hours` long, one every `every` hours."""
    starts = [FRIDAY + timedelta(hours=every * k) for k in range(n)]
    return tuple(
        Slot(slot_id=f"s{k}", start=start, end=start + timedelta(hours=hours), positions=positions)
        for k, start in enumerate(starts)
    )


@st.composite
def merchant_limits(draw: st.DrawFn, n_items: int, slots: tuple[Slot, ...], ladder: Sequence[float]) -> Limit:
    """One of the limits that few campaigns have."""
    item = st.sampled_from([f"i{k}" for k in range(n_items)])
    slot = st.sampled_from([slot.slot_id for slot in slots])
    hours = st.integers(-2, 30)
    return draw(
        st.one_of(
            st.builds(
                BrandCount,
                brand=st.just("acme"),
                minimum=st.integers(0, 1),
                maximum=st.none() | st.integers(1, 3),
                per_slot=st.booleans(),
                penalty=PENALTY,
            ),
            st.builds(
                ReferencePrice,
                minimum_frac=st.sampled_from([-0.1, 0.0, 0.05, 0.1]),
                maximum_frac=st.sampled_from([0.2, 0.5, 1.0]),
                unknown_may_run=st.booleans(),
            ),
            st.just(NotAboveCompetitor()),
            st.builds(Rest, hours=st.sampled_from([0.0, 3.0, 30.0])),
            st.builds(
                lambda start, length, items, category: Blackout(
                    start=FRIDAY + timedelta(hours=start),
                    end=FRIDAY + timedelta(hours=start + length),
                    item_ids=items,
                    category=category,
                ),
                hours,
                st.integers(1, 24),
                st.lists(item, max_size=2, unique=True).map(tuple),
                st.sampled_from([None, "home"]),
            ),
            st.builds(StockReserve, units=st.integers(0, 3), share=st.sampled_from([0.0, 0.3])),
            st.builds(SellThrough, minimum_frac=st.sampled_from([0.1, 0.5, 0.8])),
            st.builds(PerCustomer, maximum=st.integers(1, 3)),
            st.builds(
                MaxChange,
                item_ids=st.lists(item, max_size=3, unique=True).map(tuple),
                new=st.none() | st.integers(0, 2),
                kept=st.integers(0, 1),
                penalty=PENALTY,
            ),
            st.builds(
                FunderBudget,
                funder=st.just("acme ltd"),
                amount=st.floats(0.5, 60.0),
                share=st.sampled_from([0.25, 0.5]),
                penalty=PENALTY,
                brand=st.sampled_from([None, "acme"]),
                item_ids=st.lists(item, max_size=2, unique=True).map(tuple),
            ),
            st.builds(
                Nominations,
                offers=st.lists(
                    st.builds(
                        Nomination,
                        item_id=item,
                        price=st.sampled_from([1.5, 4.87, 12.34]),
                        stock=st.integers(0, 9),
                        funding_frac=st.sampled_from([0.0, 0.3]),  # and a funder half at most
                    ),
                    min_size=1,
                    max_size=2,
                    unique_by=lambda one: one.item_id,
                ).map(tuple),
                only=st.booleans(),
            ),
            st.builds(NeverTogether, item_ids=st.lists(item, min_size=2, max_size=3, unique=True).map(tuple)),
            st.builds(AlwaysTogether, item_ids=st.lists(item, min_size=2, max_size=3, unique=True).map(tuple)),
            st.builds(
                Pinned, item_id=item, slot_id=st.none() | slot, discount_frac=st.none() | st.sampled_from(ladder)
            ),
        )
    )


@st.composite
def limits(
    draw: st.DrawFn, n_items: int, slots: tuple[Slot, ...] = (), ladder: Sequence[float] = ()
) -> tuple[Limit, ...]:
    """Any mix of limits, few of them impossible; without slots and ladder, of the usual ones."""
    kinds: list[Limit] = []
    if draw(st.booleans()):
        maximum = draw(st.none() | st.integers(1, 3))
        minimum = draw(st.integers(0, 1 if maximum is None else min(maximum, 2)))
        kinds.append(
            CategoryCount(
                category="home",
                minimum=minimum,
                maximum=maximum,
                per_slot=draw(st.booleans()),
                penalty=draw(PENALTY),
            )
        )
    if draw(st.booleans()):
        kinds.append(Budget(amount=draw(st.floats(1.0, 150.0)), penalty=draw(PENALTY)))
    if draw(st.booleans()):
        kinds.append(MarginFloor(margin_frac=draw(st.floats(-0.5, 0.3))))
    if draw(st.booleans()):
        kinds.append(
            Appearances(maximum=draw(st.integers(1, 3)), cool_down_hours=draw(st.sampled_from([0.0, 3.0, 30.0])))
        )
    if draw(st.booleans()):
        kinds.append(
            Excluded(item_ids=tuple(draw(st.sets(st.sampled_from([f"i{k}" for k in range(n_items)]), max_size=2))))
        )
    several = (Blackout, Pinned, NeverTogether, AlwaysTogether)  # the others have one name, and so one finding

    def once(limit: Limit) -> object:
        return limit if isinstance(limit, several) else type(limit)

    if not slots:
        return tuple(kinds)
    kinds += draw(st.lists(merchant_limits(n_items, slots, ladder), max_size=2, unique_by=once))
    return tuple(kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    campaign: Campaign
    items: pl.DataFrame
    draws: LogLinear


GOALS = st.builds(
    Goal,
    profit=st.sampled_from([0.0, 0.3, 1.0]),
    revenue=st.sampled_from([0.0, 0.2, 1.0]),
    buyers=st.sampled_from([0.0, 0.5, 3.0]),
    stock_cleared=st.sampled_from([0.0, 0.1, 2.0]),
).filter(lambda goal: goal not in (Goal(), Goal(profit=0.0)))


@st.composite
def with_goals(draw: st.DrawFn, made: st.SearchStrategy[World]) -> World:
    """The same worlds with goals beyond profit, and with customers of whom some buy several units at once."""
    world = draw(made)
    items = world.items.with_columns(units_per_purchase=cycle(world.items, 2.5, None, 1.0))
    known = draw(st.booleans())
    return replace(
        world,
        campaign=replace(world.campaign, goal=draw(GOALS)),
        items=items if known else world.items,
    )


@st.composite
def worlds(draw: st.DrawFn, *, max_items: int = 6, max_slots: int = 4, max_steps: int = 3) -> World:
    """A random campaign with its catalog and draws."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_items = draw(st.integers(min(2, max_items), max_items))
    slots = slots_every(
        draw(st.integers(1, max_slots)),
        positions=draw(st.integers(1, 3)),
        every=draw(st.sampled_from([1.0, 2.0, 5.0, 24.0])),  # 1: the slots overlap
    )
    ladder = draw(
        st.lists(st.sampled_from([0.05, 0.1, 0.2, 0.35, 0.5, 0.7]), min_size=1, max_size=max_steps, unique=True)
    )
    campaign = Campaign(
        slots=slots,
        ladder=tuple(ladder),
        limits=draw(limits(n_items, slots, ladder)),
        costs=draw(
            st.builds(
                Costs,
                return_frac=st.sampled_from([0.0, 0.1]),
                return_cost=st.sampled_from([0.0, 1.0]),
                holding_cost=st.sampled_from([0.0, 0.2]),
            )
        ),
        quota_quantile=draw(st.sampled_from([0.5, 0.9, 0.95])),
        price_ending=draw(st.sampled_from([None, 0.99, 0.95, (0.99, 0.49)])),
    )
    stock = draw(st.sampled_from([8, 40, 500]))
    items = catalog(rng, n_items, stock=stock)
    items = items.with_columns(brand=cycle(items, "acme", None, "zen"))
    return World(
        campaign=campaign,
        items=with_facts(items) if draw(st.booleans()) else items,
        draws=log_linear(rng, n_items, slots, draw(st.integers(1, 6)), cross=draw(st.booleans())),
    )
