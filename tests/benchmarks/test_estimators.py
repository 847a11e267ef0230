"""The peers that learn from the log: the panel is right, the draws keep their promises, and known truth is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.estimators import lightgbm_plug_in, per_item, pooled
from benchmarks.profit_captured.panel import build_panel
from benchmarks.profit_captured.plug_in import PlugInDraws, horizon_days, hour_shares, plug_in, slot_days, usual_units
from benchmarks.profit_captured.shops import make_case
from tests.contracts.demand_draws import check_demand_draws

from flashlift.domain import Slot
from flashlift.errors import InputError
from flashlift.market import MarketConfig, simulate
from flashlift.schema import Tables

ESTIMATORS: list[Callable[[Case], Estimated]] = [per_item.estimate, pooled.estimate, lightgbm_plug_in.estimate]
each_estimator = pytest.mark.parametrize("estimate", ESTIMATORS, ids=["per item", "pooled", "lightgbm"])


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case("mixture", 3, n_events=10_000, n_draws=64, randomized_frac=0.0)


@pytest.fixture(scope="module")
def earlier(case: Case) -> Case:
    """Two weeks before the log ends, with the log as it is: what a leak would read is there."""
    now = case.now - timedelta(days=14)
    slots = tuple(
        replace(slot, start=slot.start - timedelta(days=14), end=slot.end - timedelta(days=14))
        for slot in case.campaign.slots
    )
    return replace(case, now=now, campaign=replace(case.campaign, slots=slots))


def _cut(case: Case) -> Case:
    """The same case, with everything after its `now` gone."""
    tables = case.tables
    known = Tables(
        events=tables.events.filter(pl.col("at") < case.now),
        items=tables.items,
        history=tables.history.filter(pl.col("at") <= case.now),
        promotions=tables.promotions.filter(pl.col("start") < case.now),
    )
    return replace(case, tables=known)


def test_panel_is_a_plain_recount(case: Case) -> None:
    panel = build_panel(case)
    events = case.tables.events.filter(pl.col("event") == "purchase").collect()
    days = [case.shop.config.start.date() + timedelta(days=k) for k in range(case.shop.config.days)]
    list_price = dict(case.tables.items.select("item_id", "list_price").iter_rows())
    units: dict[tuple[str, date], int] = {}
    for item_id, at, quantity in events.select("item_id", "at", "quantity").iter_rows():
        units[item_id, at.date()] = units.get((item_id, at.date()), 0) + quantity
    promotions: dict[tuple[str, date], tuple[float, int]] = {}
    for row in case.tables.promotions.iter_rows(named=True):
        day = row["start"]
        while day < row["end"]:
            promotions[row["item_id"], day.date()] = (row["price"], row["position"])
            day += timedelta(days=1)
    expected = []
    for item_id, history in case.tables.history.sort("at").partition_by("item_id", as_dict=True).items():
        rows = list(history.select("at", "price", "on_hand").iter_rows())
        for day in days:
            midnight = datetime.combine(day, datetime.min.time(), UTC)
            known = [row for row in rows if row[0] <= midnight]
            if not known:
                continue
            empty = known[-1][2] == 0 or any(
                row[2] == 0 and midnight < row[0] <= midnight + timedelta(days=1) for row in rows
            )
            key = (item_id[0], day)
            price, position = promotions.get(key, (known[-1][1], None))
            told = (units.get(key, 0), price, 1 - price / list_price[key[0]], key in promotions, position)
            expected.append((*key, *told, known[-1][2], empty))
    names = ["item_id", "day", "units", "price", "discount", "in_promotion", "position", "on_hand", "sold_out"]
    recount = pl.DataFrame(expected, schema=panel.select(names).schema, orient="row").sort("item_id", "day")
    assert panel.select(names).equals(recount.with_columns(pl.col("discount").clip(lower_bound=0.0)))
    assert panel["units"].sum() == events["quantity"].sum()
    assert recount["sold_out"].any()
    assert recount["in_promotion"].any()


def test_kind_is_told_by_the_attributes_or_ends_the_title(case: Case) -> None:
    items = case.tables.items.with_columns(
        pl.when(pl.col("item_id") == "i0")
        .then(pl.lit('{"kind": "tea pot"}'))
        .otherwise("attributes")
        .alias("attributes"),
        pl.when(pl.col("item_id") == "i1").then(pl.lit("Blue Lamp")).otherwise("title").alias("title"),
    ).with_columns(pl.when(pl.col("item_id") == "i1").then(None).otherwise("attributes").alias("attributes"))
    kinds = dict(
        build_panel(replace(case, tables=replace(case.tables, items=items))).select("item_id", "kind").iter_rows()
    )
    assert kinds["i0"] == "tea pot"
    assert kinds["i1"] == "Lamp"


def test_a_promotion_within_a_day_and_one_still_running_touch_their_days(case: Case) -> None:
    noon = case.now - timedelta(hours=12)
    promotions = pl.DataFrame(
        {
            "item_id": ["i0", "i1"],
            "start": [noon - timedelta(days=3), noon],
            "end": [noon - timedelta(days=3, hours=-1), noon + timedelta(days=5)],
            "price": [1.0, 2.0],
            "position": [3, None],
            "randomized": [False, False],
        },
        schema=case.tables.promotions.schema,
    )
    panel = build_panel(replace(case, tables=replace(case.tables, promotions=promotions))).filter("in_promotion")
    assert panel.select("item_id", "day", "price", "position").rows() == [
        ("i0", (noon - timedelta(days=3)).date(), 1.0, 3),
        ("i1", noon.date(), 2.0, None),
    ]


def test_a_shop_without_history_or_promotions_is_refused(case: Case) -> None:
    for lacking in ("history", "promotions"):
        with pytest.raises(InputError, match="history of prices and stock or the promotions"):
            build_panel(replace(case, tables=replace(case.tables, **{lacking: None})))


def test_panel_and_hours_use_nothing_after_now(earlier: Case) -> None:
    panel = build_panel(earlier)
    assert panel["day"].max() == earlier.now.date() - timedelta(days=1)
    assert panel.equals(build_panel(_cut(earlier)))
    np.testing.assert_array_equal(hour_shares(earlier), hour_shares(_cut(earlier)))


@each_estimator
def test_estimates_use_nothing_after_now(estimate: Callable[[Case], Estimated], earlier: Case) -> None:
    full, cut = estimate(earlier), estimate(_cut(earlier))
    assert full.elasticities is not None
    assert full.elasticities.equals(cut.elasticities)
    for name in ("slot_units", "horizon_units", "multiplier", "deepest"):
        np.testing.assert_array_equal(getattr(full.draws, name), getattr(cut.draws, name))


@dataclass(frozen=True)
class _Model:
    """An estimator as the `DemandModel` of one case."""

    estimate: Callable[[Case], Estimated]
    case: Case

    def draw(
        self, items: pl.DataFrame, slots: Sequence[Slot], n_draws: int, *, rng: np.random.Generator
    ) -> PlugInDraws:
        asked = replace(
            self.case,
            items=items,
            campaign=replace(self.case.campaign, slots=tuple(slots)),
            n_draws=n_draws,
            seed=int(rng.integers(2**31)),
        )
        draws = self.estimate(asked).draws
        assert isinstance(draws, PlugInDraws)
        return draws


@each_estimator
def test_draws_keep_their_promises(estimate: Callable[[Case], Estimated], case: Case) -> None:
    check_demand_draws(_Model(estimate, case), case.items.reverse(), case.campaign.slots[:3])


@each_estimator
def test_an_item_the_log_never_saw_is_no_error(estimate: Callable[[Case], Estimated], case: Case) -> None:
    stranger = case.items.head(1).with_columns(pl.lit("stranger").alias("item_id"))
    asked = replace(case, items=pl.concat([case.items, stranger]))
    draws = estimate(asked).draws
    assert np.isfinite(draws.units(np.array([len(case.items)]), np.array([0]), np.array([0.2]))).all()


TRUE_ELASTICITY = {"home/light": -1.5, "toys/games": -3.0}
TRUE_LIFT = 1.5


@pytest.fixture(scope="module")
def noiseless(case: Case) -> Case:
    """40 items in two categories that sell exactly their means; promotions drawn by lot, no sell-outs."""
    rng = np.random.default_rng(0)
    items = case.tables.items.head(40).with_columns(
        pl.Series("category", list(TRUE_ELASTICITY) * 20), pl.lit(100.0).alias("list_price")
    )
    midnights = [case.now - timedelta(days=k) for k in range(150, 0, -1)]
    sold, history, promotions = [], [], []
    for item_id, category in items.select("item_id", "category").iter_rows():
        level = rng.uniform(100.0, 400.0)
        discount = np.zeros(150)
        for start in range(10, 140, 20):
            depth = rng.choice([0.1, 0.2, 0.3, 0.4])
            discount[start : start + 3] = depth
            day = midnights[start]
            promotions.append((item_id, day, day + timedelta(days=3), 100.0 * (1.0 - depth), 1, True))
        lifted = np.where(discount > 0.0, TRUE_LIFT, 1.0) * (1.0 - discount) ** TRUE_ELASTICITY[category]
        sold.extend((item_id, day, round(level * x)) for day, x in zip(midnights, lifted, strict=True))
        history.extend(
            (item_id, day, 100.0 * (1.0 - d), 1.0, 10**6) for day, d in zip(midnights, discount, strict=True)
        )
    frame = pl.DataFrame(
        sold, schema={"item_id": pl.String, "at": pl.Datetime("us", "UTC"), "quantity": pl.Int64}, orient="row"
    )
    tables = Tables(
        events=frame.with_columns(pl.lit("purchase").alias("event"), pl.col("at") + pl.duration(hours=12)).lazy(),
        items=items,
        history=pl.DataFrame(history, schema=case.tables.history.schema, orient="row"),
        promotions=pl.DataFrame(promotions, schema=case.tables.promotions.schema, orient="row"),
    )
    offered = case.items.head(40).with_columns(items["category"], items["list_price"])
    return replace(case, tables=tables, items=offered)


@pytest.mark.parametrize(
    ("estimate", "tolerance"),
    [
        (per_item.estimate, 0.05),  # ln(1 + u) in place of ln u, and counts rounded to units
        (pooled.estimate, 0.02),  # rounding alone
        (lightgbm_plug_in.estimate, 0.5),  # trees answer in steps and are shrunk, and mix the categories a little
    ],
    ids=["per item", "pooled", "lightgbm"],
)
def test_a_known_elasticity_is_recovered(
    estimate: Callable[[Case], Estimated], tolerance: float, noiseless: Case
) -> None:
    found = estimate(noiseless)
    assert found.elasticities is not None
    both = found.elasticities.join(noiseless.items.select("item_id", "category"), on="item_id")
    error = both["elasticity"] - both["category"].replace_strict(TRUE_ELASTICITY)
    assert len(error) == 40
    assert error.abs().max() < tolerance


@each_estimator
def test_a_known_lift_is_recovered(estimate: Callable[[Case], Estimated], noiseless: Case) -> None:
    draws = estimate(noiseless).draws
    assert isinstance(draws, PlugInDraws)
    elasticity = noiseless.items["category"].replace_strict(TRUE_ELASTICITY).to_numpy()
    every = np.arange(len(elasticity))
    for step in (0.1, 0.2, 0.3, 0.4):
        true = TRUE_LIFT * (1.0 - step) ** elasticity
        # 15 %: what the trees' steps may miss; the regressions are within 3 %.
        np.testing.assert_allclose(draws.factor(every, np.full(len(every), step)), true, rtol=0.15)


def test_pooled_regression_finds_the_elasticity_of_an_exogenous_world() -> None:
    """Promotions drawn by lot, hardly a hidden state, no pull-forward: the model is the world's own."""
    small = make_case("log_linear", 1, n_events=5_000, n_draws=64, randomized_frac=0.0)
    changes = {"elasticity_sd": 0.0, "lift_sd": 0.0, "pull_lower": 0.0, "pull_upper": 0.0, "endogeneity": 0.0}
    config = MarketConfig.sized(
        200_000, world="log_linear", n_items=150, promotions_per_item=12.0, state_sd=0.01, cover_days=200.0, **changes
    )
    shop = simulate(config, seed=1)
    lot = replace(small, tables=shop.tables, items=shop.sale_items, now=shop.now, shop=shop)
    top = pl.col("category").str.split("/").list.first()
    by_category = (
        _with_truth(pooled.estimate(lot), lot)
        .join(lot.items.select("item_id", top), on="item_id")
        .group_by("category")
        .agg(pl.col("elasticity", "ci_lower", "ci_upper").first(), pl.col("true").mean())
    )
    error = (by_category["elasticity"] - by_category["true"]).to_numpy()
    weight = ((by_category["ci_upper"] - by_category["ci_lower"]).to_numpy() / (2 * 1.645)) ** -2.0
    combined = weight.sum() ** -0.5
    assert combined < 0.2
    assert abs(error @ weight / weight.sum()) < 3 * combined
    # Of ten intervals of 90 %, fewer than six contain the truth once in 600 times.
    assert by_category.select(pl.col("true").is_between("ci_lower", "ci_upper").sum()).item() >= 6


def _with_truth(estimated: Estimated, case: Case) -> pl.DataFrame:
    assert estimated.elasticities is not None
    true = case.shop.elasticities().rename({"elasticity": "true"})
    return estimated.elasticities.join(true, on="item_id")


def test_an_item_without_price_changes_has_no_response(case: Case) -> None:
    still = build_panel(case).group_by("item_id").agg(pl.col("discount").max()).filter(pl.col("discount") == 0.0)
    assert len(still)
    estimated = per_item.estimate(case)
    assert estimated.elasticities is not None
    assert not estimated.elasticities["item_id"].is_in(still["item_id"].implode()).any()
    row = case.items["item_id"].is_in(still["item_id"].implode()).arg_true().to_numpy().astype(np.int64)
    zero, deep = np.zeros(len(row)), np.full(len(row), 0.4)
    slot = np.zeros(len(row), dtype=np.int64)
    np.testing.assert_array_equal(estimated.draws.units(row, slot, zero), estimated.draws.units(row, slot, deep))
    assert np.isinf(estimated.draws.support(row, deep)).all()


def test_the_table_is_interpolated_in_log_price_and_flat_beyond_its_end(case: Case) -> None:
    n = len(case.items)
    days = len(horizon_days(case))
    steps = np.array(case.campaign.ladder)
    table = np.tile(1.5 * (1.0 - steps) ** -2.0, (n, 1))
    draws = plug_in(case, daily_units=np.ones((n, days)), multiplier=table, deepest=np.full(n, 0.3))
    ask = np.array([0.0, 0.1, 0.12, 0.35, 0.4, 0.6])
    expected = [1.0, *(1.5 * (1.0 - d) ** -2.0 for d in (0.1, 0.12, 0.35, 0.4, 0.4))]
    np.testing.assert_allclose(draws.factor(np.zeros(6, dtype=np.int64), ask), expected, rtol=1e-12)
    middle = 1.0 - 0.9**0.5  # half of the way to the first step in ln price
    assert draws.factor(np.array([0]), np.array([middle]))[0] == pytest.approx(table[0, 0] ** 0.5)


def test_a_falling_table_is_raised_and_the_order_of_the_ladder_does_not_matter(case: Case) -> None:
    turned = replace(case, campaign=replace(case.campaign, ladder=(0.3, 0.1, 0.2)))
    n, days = len(case.items), len(horizon_days(case))
    table = np.tile([1.2, 0.7, 1.6], (n, 1))
    draws = plug_in(turned, daily_units=np.ones((n, days)), multiplier=table, deepest=np.zeros(n))
    np.testing.assert_array_equal(draws.discounts, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(draws.multiplier[0], [1.0, 1.6, 1.6])


def test_units_have_the_mean_of_their_slot_and_slots_their_share_of_the_day(case: Case) -> None:
    many = replace(case, n_draws=4_000)
    n, days = len(case.items), len(horizon_days(case))
    draws = plug_in(many, daily_units=np.full((n, days), 5.0), multiplier=np.ones((n, 6)), deepest=np.zeros(n))
    hours = hour_shares(case)
    np.testing.assert_allclose(hours.sum(axis=1), 1.0)
    weekend = case.campaign.slots[0].start.weekday() >= 5
    mean = 5.0 * hours[int(weekend), 10:14].sum()
    np.testing.assert_allclose(draws.slot_units[:, 0], mean)
    got = draws.units(np.arange(n), np.zeros(n, dtype=np.int64), np.zeros(n))
    # Four standard errors of the mean over all items and draws.
    assert got.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / got.size))
    whole = draws.without_sale(np.arange(n))
    total = draws.horizon_units[0]
    assert 28 * 5.0 < total < days * 5.0
    assert whole.mean() == pytest.approx(total, abs=4 * np.sqrt(total / whole.size))
    assert list(slot_days(case)) == [0, 1]


def test_usual_units_are_the_recent_mean_of_normal_days(case: Case) -> None:
    panel = build_panel(case)
    first = case.now.date() - timedelta(days=28)
    normal = [row for row in panel.iter_rows(named=True) if not row["in_promotion"] and not row["sold_out"]]
    by_weekday = [np.mean([row["units"] for row in normal if row["weekday"] == k]) for k in range(1, 8)]
    item_id = case.items["item_id"][0]
    level = np.mean([row["units"] for row in normal if row["item_id"] == item_id and row["day"] >= first])
    usual = usual_units(case, panel, window_days=28)
    expected = [level * by_weekday[day.weekday()] / np.mean(by_weekday) for day in horizon_days(case)]
    np.testing.assert_allclose(usual[0], expected)
