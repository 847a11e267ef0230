from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product

import numpy as np
import polars as pl
import pytest
from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.estimators import ferreira as estimator
from benchmarks.profit_captured.ferreira_cells import expected_minimum, ladder_of
from benchmarks.profit_captured.ferreira_curves import demand_curves, with_share_seen
from benchmarks.profit_captured.ferreira_draws import GroupDraws
from benchmarks.profit_captured.ferreira_program import Cells, Levels, Limits, promising, solve
from benchmarks.profit_captured.planners import ferreira as planner
from benchmarks.profit_captured.shops import make_case
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from scipy.optimize import linprog

from flashlift import planning
from flashlift.errors import FlashliftError, InputError, InsufficientDataError
from flashlift.limits import Appearances, Budget, CategoryCount, Excluded, Limit, MarginFloor
from flashlift.schema import Tables

GROUPS, SLOTS, ITEMS = 2, 2, 4  # two items in each group
CUTS = (1.0, 3.0)
POSITIONS = 2


def tiny_program(seed: int) -> tuple[Levels, Cells, Limits]:
    """Every sum of cuts is a level of its own; gains and rests are anything at all."""
    rng = np.random.default_rng(seed)
    sums = sorted({sum(cuts) for cuts in product((0.0, *CUTS), repeat=2)})
    levels, cells, key = [], [], []
    for pair, (group, slot) in enumerate(product(range(GROUPS), range(SLOTS))):
        for total in sums:
            levels.append((pair, total, 0.0 if total == 0 else rng.normal(-1.0, 1.0)))
            for item, cut in product((2 * group, 2 * group + 1), CUTS):
                if cut <= total:
                    offer = (item * SLOTS + slot) * len(CUTS) + CUTS.index(cut)
                    cells.append((len(levels) - 1, item, offer, cut, rng.normal(1.0, 2.0)))
                    key.append(slot)
    pair_of, total_of, rest = (np.array(column) for column in zip(*levels, strict=True))
    level, item_of, offer_of, cut_of, gain = (np.array(column) for column in zip(*cells, strict=True))
    rows = [np.array(key) == slot for slot in range(SLOTS)] + [item_of == item for item in range(ITEMS)]
    upper = np.array([POSITIONS] * SLOTS + [1] * ITEMS, dtype=float)
    return (
        Levels(pair=pair_of, lower=total_of - 0.1 * (total_of > 0), upper=total_of + 0.1, rest=rest),
        Cells(level=level, item=item_of, offer=offer_of, cut=cut_of, gain=gain),
        Limits(matrix=sparse.csr_array(np.array(rows, dtype=float)), lower=np.full(len(upper), -np.inf), upper=upper),
    )


def worth(levels: Levels, cells: Cells, menu: tuple[int, ...]) -> tuple[float, list[int]] | None:
    """Value and cells of a choice (slot and cut of each item, or none), from scratch; None where it breaks a limit."""
    options = [None, *product(range(SLOTS), range(len(CUTS)))]
    chosen = [(item, *options[k]) for item, k in enumerate(menu) if options[k] is not None]  # type: ignore[misc]
    value, used = 0.0, []
    for pair, (group, slot) in enumerate(product(range(GROUPS), range(SLOTS))):
        here = [(item, cut) for item, s, cut in chosen if s == slot and item // 2 == group]
        total = sum(CUTS[cut] for _, cut in here)
        level = next(k for k in np.flatnonzero(levels.pair == pair) if abs(levels.upper[k] - 0.1 - total) < 1e-9)
        value += levels.rest[level]
        for item, cut in here:
            (cell,) = np.flatnonzero((cells.level == level) & (cells.item == item) & (cells.cut == CUTS[cut]))
            value += cells.gain[cell]
            used.append(int(cell))
    if any(sum(s == slot for _, s, _ in chosen) > POSITIONS for slot in range(SLOTS)):
        return None
    return value, used


@cache
def best_by_enumeration(seed: int) -> tuple[float, list[int]]:
    levels, cells, _ = tiny_program(seed)
    found = (worth(levels, cells, menu) for menu in product(range(1 + SLOTS * len(CUTS)), repeat=ITEMS))
    return max((one for one in found if one is not None), key=lambda one: one[0])


@pytest.mark.parametrize("seed", range(25))
def test_the_program_is_as_good_as_every_combination_of_prices(seed: int) -> None:
    levels, cells, limits = tiny_program(seed)
    value, used = best_by_enumeration(seed)
    chosen = solve(levels, cells, limits, gap_frac=0.0)
    assert sorted(np.flatnonzero(chosen)) == sorted(used)
    assert value >= 0.0  # nothing in the sale is one of the combinations


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 24),
    duals=st.lists(st.floats(-3.0, 5.0), min_size=SLOTS + ITEMS, max_size=SLOTS + ITEMS),
    short=st.floats(1e-6, 5.0),
)
def test_pruning_keeps_the_best_plan_whatever_the_multipliers(seed: int, duals: list[float], short: float) -> None:
    levels, cells, limits = tiny_program(seed)
    value, used = best_by_enumeration(seed)
    live_level, live_cell = promising(levels, cells, limits, np.array(duals), value - short)
    assert live_cell[used].all()
    assert live_level[cells.level[used]].all()


def relaxations(levels: Levels, cells: Cells) -> np.ndarray:
    """LP_k of every level by a linear-programming solver, -inf where no prices sum to it."""
    bounds = []
    for level in range(len(levels.pair)):
        at = np.flatnonzero(cells.level == level)
        once = [cells.item[at] == item for item in np.unique(cells.item[at])]
        found = linprog(
            -cells.gain[at],
            A_ub=np.array([*once, cells.cut[at], -cells.cut[at]], dtype=float),
            b_ub=[*np.ones(len(once)), levels.upper[level], -levels.lower[level]],
        )
        bounds.append(levels.rest[level] - found.fun if found.status == 0 else -np.inf)
    return np.array(bounds)


@pytest.mark.parametrize("seed", range(20))
def test_a_level_is_dropped_exactly_where_its_relaxation_is_worth_too_little(seed: int) -> None:
    """The paper's rule, on one group in one slot without limits."""
    levels, cells, _ = tiny_program(seed)
    levels = Levels(**{f.name: getattr(levels, f.name)[levels.pair == 0] for f in fields(Levels)})
    here = cells.level < len(levels.pair)
    cells = Cells(**{f.name: getattr(cells, f.name)[here] for f in fields(Cells)})
    none = Limits(matrix=sparse.csr_array((0, here.sum())), lower=np.zeros(0), upper=np.zeros(0))
    # The level of the sum 0 has no cell, so nothing can be chosen in it.
    known = np.append(levels.rest[0], relaxations(*without_first(levels, cells)))
    steps = np.sort(known[np.isfinite(known)])
    for to_beat in [steps[0] - 1.0, *(steps[1:] + steps[:-1]) / 2.0, steps[-1] + 1.0]:
        live, _ = promising(levels, cells, none, np.zeros(0), to_beat)
        assert live.tolist() == (known > to_beat).tolist()


def without_first(levels: Levels, cells: Cells) -> tuple[Levels, Cells]:
    return (
        Levels(**{f.name: getattr(levels, f.name)[1:] for f in fields(Levels)}),
        replace(cells, level=cells.level - 1),
    )


def test_what_only_loses_is_left_out() -> None:
    levels, cells, limits = tiny_program(0)
    losing = replace(cells, gain=-np.abs(cells.gain) - 5.0)
    assert not solve(levels, losing, limits).any()


def test_limits_that_nothing_keeps_are_an_error() -> None:
    levels, cells, limits = tiny_program(0)
    with pytest.raises(FlashliftError, match="no plan within the limits"):
        solve(
            levels, cells, replace(limits, lower=np.full(len(limits.upper), 3.0), upper=np.full(len(limits.upper), 9.0))
        )


@pytest.mark.parametrize("mean", [0.0, 0.3, 4.0, 30.0])
@pytest.mark.parametrize("most", [0.0, 0.5, 1.0, 3.25, 40.0])
def test_expected_units_within_a_quota(mean: float, most: float) -> None:
    n = np.arange(200)
    known = float(np.minimum(n, most) @ stats.poisson.pmf(n, mean))
    assert expected_minimum(np.array([mean]), np.array([most]))[0] == pytest.approx(known, abs=1e-9)


# Sell-outs

START = datetime(2025, 1, 6, tzinfo=UTC)
DAYS, RATE, SHELF = 60, 6.0, 5


def selling_out(seed: int, n_items: int = 30) -> tuple[Case, pl.DataFrame]:
    """Poisson buyers at RATE a day, of the morning in one category and of the evening in another.

    Every other item has SHELF units a day, so that its log ends with the sale of the last one.
    """
    rng = np.random.default_rng(seed)
    events, days = [], []
    for k, day in product(range(n_items), range(DAYS)):
        scarce, early = k % 2 == 0, k < n_items / 2
        wanted = rng.poisson(RATE)
        hours = np.sort(np.clip(rng.normal(9.0 if early else 19.0, 2.0, wanted), 0.0, 23.99))
        sold = hours[:SHELF] if scarce else hours
        events += [(f"i{k}", START + timedelta(days=day, hours=float(hour)), 1, "purchase") for hour in sold]
        category = "early" if early else "late"
        shelf = SHELF if scarce else 1000
        days.append((f"i{k}", START.date() + timedelta(days=day), category, len(sold), wanted >= shelf, shelf))
    log = pl.DataFrame(events, ["item_id", "at", "quantity", "event"], orient="row")
    panel = pl.DataFrame(days, ["item_id", "day", "category", "units", "sold_out", "on_hand"], orient="row")
    tables = Tables(events=log.with_columns(pl.col("at").dt.cast_time_unit("us")).lazy(), items=pl.DataFrame())
    case = replace(small_case(), tables=tables, now=START + timedelta(days=DAYS))
    return case, panel.with_columns(weekday=pl.col("day").dt.weekday())


def test_the_sell_out_correction_finds_the_demand_behind_empty_shelves() -> None:
    case, panel = selling_out(0)
    seen = with_share_seen(case, panel, demand_curves(case, panel))
    scarce = seen.filter(pl.col("on_hand") == SHELF)
    weighted = scarce.select((pl.col("demand") * pl.col("share_seen")).sum() / pl.col("share_seen").sum()).item()
    # 900 days with about 4.6 units each: a standard error of 1.6 %; the curves themselves are estimated too.
    assert weighted == pytest.approx(RATE, rel=0.06)
    assert scarce["units"].mean() < 0.8 * RATE  # type: ignore[operator]
    plenty = seen.filter(pl.col("on_hand") > SHELF)
    assert (plenty["share_seen"] == 1.0).all()
    assert (plenty["demand"] == plenty["units"]).all()


def test_demand_curves_tell_morning_from_evening() -> None:
    case, panel = selling_out(1)
    curves = demand_curves(case, panel)
    at_two = {
        key[0]: curves.share(part["cluster"].to_numpy(), np.full(len(part), 14.0))
        for key, part in curves.cluster.partition_by("category", as_dict=True).items()
    }
    assert (at_two["early"] > 0.9).all()  # P(Normal(9, 2) < 14) = 0.994, less what is lent from the shop's own curve
    assert (at_two["late"] < 0.1).all()
    assert (np.diff(curves.curves, axis=1) >= 0.0).all()
    assert curves.curves[:, [0, -1]] == pytest.approx(np.tile([0.0, 1.0], (len(curves.curves), 1)))


def test_a_day_without_stock_from_midnight_tells_nothing() -> None:
    case, panel = selling_out(2, n_items=4)
    empty = panel.with_columns(
        on_hand=pl.when(pl.col("item_id") == "i0").then(0).otherwise("on_hand"),
        sold_out=pl.col("sold_out") | (pl.col("item_id") == "i0"),
    )
    seen = with_share_seen(case, empty, demand_curves(case, empty)).filter(pl.col("item_id") == "i0")
    assert (seen["share_seen"] == 0.0).all()
    assert seen["demand"].null_count() == len(seen)


# The whole


@cache
def small_case() -> Case:
    return make_case("mixture", 3, n_events=20_000, n_draws=100, randomized_frac=0.0)


@cache
def small_estimate() -> Estimated:
    return estimator.estimate(small_case())


@pytest.mark.parametrize(
    "limits",
    [
        (Appearances(maximum=1), MarginFloor(margin_frac=0.1)),
        (Appearances(maximum=2, cool_down_hours=20.0), MarginFloor(margin_frac=0.3)),
        (CategoryCount(category="home", maximum=1, per_slot=True), Appearances(maximum=1)),
        (CategoryCount(category="home", minimum=1, per_slot=True), Excluded(item_ids=("i0", "i1", "i2"))),
        (Budget(amount=5.0), Appearances(maximum=3)),
    ],
    ids=lambda limits: "-".join(type(limit).__name__ for limit in limits),
)
@pytest.mark.parametrize("ending", [None, 0.99])
def test_plans_keep_all_limits(limits: tuple[Limit, ...], ending: float | None) -> None:
    campaign = replace(small_case().campaign, limits=limits, price_ending=ending)
    offers = planner.plan(replace(small_case(), campaign=campaign), small_estimate())
    assert offers
    assert planning.check(offers, campaign, small_case().items).broken == ()


def test_a_plan_is_worth_what_its_offers_say() -> None:
    case, draws = small_case(), small_estimate().draws
    assert isinstance(draws, GroupDraws)
    offers = planner.plan(case, small_estimate())
    groups = draws.trees.groups
    row = {item_id: k for k, item_id in enumerate(case.items["item_id"])}
    at = {slot.slot_id: k for k, slot in enumerate(case.campaign.slots)}
    for offer in offers:
        item, slot = row[offer.item_id], at[offer.slot_id]
        cuts = [
            case.items["list_price"][row[other.item_id]] - other.price
            for other in offers
            if other.slot_id == offer.slot_id and groups.group[row[other.item_id]] == groups.group[item]
        ]
        wanted = draws.beside(
            np.array([item]),
            np.array([slot]),
            np.array([offer.price]),
            groups.list_sum[[item]] - sum(cuts),
            in_sale=True,
        )
        # A level is 4 % of the sum of prices wide; trees may step within it.
        known = expected_minimum(wanted, np.array([float(offer.quota)]))[0]
        assert offer.expected_units == pytest.approx(known, rel=0.15)


@pytest.mark.parametrize(
    "limit", [MarginFloor(margin_frac=0.99), Excluded(item_ids=tuple(f"i{k}" for k in range(999)))]
)
def test_where_nothing_can_run_the_plan_is_empty(limit: Limit) -> None:
    campaign = replace(small_case().campaign, limits=(limit,))
    assert list(planner.plan(replace(small_case(), campaign=campaign), small_estimate())) == []


def test_a_log_without_promotions_is_refused() -> None:
    case = small_case()
    assert case.tables.promotions is not None
    calm = replace(case, tables=replace(case.tables, promotions=case.tables.promotions.clear()))
    with pytest.raises(InsufficientDataError, match="no promotion"):
        estimator.estimate(calm)


def test_levels_of_a_pair_share_no_sum_and_hold_none() -> None:
    draws = small_estimate().draws
    assert isinstance(draws, GroupDraws)
    levels = ladder_of(small_case(), draws).levels
    for pair in range(int(levels.pair.max()) + 1):
        own = levels.pair == pair
        lower, upper = levels.lower[own], levels.upper[own]
        assert lower[0] == 0.0
        assert lower[1:] == pytest.approx(upper[:-1])
        assert levels.rest[own][0] == pytest.approx(0.0, abs=1e-9)


def test_a_group_at_list_prices_sells_what_it_sells_without_a_sale() -> None:
    draws = small_estimate().draws
    assert isinstance(draws, GroupDraws)
    item = np.arange(len(draws.slot_units))
    price, slot = draws.trees.items["list_price"].to_numpy(), np.zeros(len(item), dtype=np.int64)
    units = draws.beside(item, slot, price, draws.trees.groups.list_sum, in_sale=False)
    assert units == pytest.approx(draws.slot_units[:, 0])


def test_other_draws_are_refused() -> None:
    case = small_case()
    truth = case.shop.truth.draw(case.items, case.campaign.slots, 10, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="estimator of the same name"):
        planner.plan(case, Estimated(draws=truth))


def test_the_same_seed_gives_the_same_plan() -> None:
    again = estimator.estimate(small_case())
    assert planner.plan(small_case(), again) == planner.plan(small_case(), small_estimate())
