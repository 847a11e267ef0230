from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from benchmarks.demand_real import learners, own, regression
from benchmarks.demand_real.judge import judge, poisson_deviance
from benchmarks.demand_real.own import CONFIG
from benchmarks.demand_real.page import markdown
from benchmarks.demand_real.weekly import Panel, at_week, tables, with_usual_price
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.demand.panel import build_panel

ELASTICITY = {"cheap": -3.0, "dear": -1.5}
SEEN_LIFT = 1.3
WEEKS = 100


def scanner_log(seed: int, stores: int = 10) -> pl.DataFrame:
    """Two brands, regular prices that never move, a sale drawn by lot in a week out of five."""
    rng = np.random.default_rng(seed)
    rows = []
    for brand, slope in ELASTICITY.items():
        for store in range(stores):
            level = rng.uniform(30, 90)
            on_sale = rng.random(WEEKS) < 0.2
            depth = np.where(on_sale, rng.choice([0.1, 0.2, 0.3], WEEKS), 0.0)
            lift = np.where(on_sale, SEEN_LIFT, 1.0) * (1 - depth) ** slope
            units = rng.poisson(level * lift * rng.gamma(20, 1 / 20, WEEKS))
            rows.append(
                pl.DataFrame(
                    {
                        "item": f"{brand}@{store}", "brand": brand, "store": store, "week": np.arange(WEEKS),
                        "units": np.maximum(units, 1), "price": np.round(2.0 * (1 - depth), 2), "deal": on_sale,
                        "feat": False,
                    }
                )
            )  # fmt: skip
    return with_usual_price(pl.concat(rows))


def features(rows: pl.DataFrame) -> pl.DataFrame:
    old = rows.filter(pl.col("week") >= 13)
    return Panel.build(rows).features(old, old["week"].to_numpy().astype(np.int64))


def test_usual_price_is_known_before_the_week_and_blind_to_flagged_weeks() -> None:
    price = [2.0, 2.0, 1.0, 1.0, 3.0, 3.0]
    rows = pl.DataFrame(
        {"item": "a", "brand": "a", "store": 0, "week": range(6), "units": 5, "price": price,
         "deal": [False, False, True, True, False, False], "feat": False}
    )  # fmt: skip
    told = with_usual_price(rows)
    assert told["usual"].to_list() == [2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert told["promoted"].to_list() == [False, False, True, True, False, False]


def test_without_flags_a_deep_price_is_a_sale_and_the_upper_prices_are_usual() -> None:
    price = [2.0, 2.0, 2.0, 1.5, 1.5, 2.0, 1.99]
    rows = pl.DataFrame(
        {"item": "a", "brand": "a", "store": 0, "week": range(7), "units": 5, "price": price, "deal": False,
         "feat": False}
    )  # fmt: skip
    assert with_usual_price(rows)["promoted"].to_list() == [False, False, False, True, True, False, False]


def test_tables_hold_every_unit_every_sale_and_every_missing_week() -> None:
    rows = scanner_log(0, stores=2).filter(~((pl.col("item") == "cheap@0") & pl.col("week").is_in([40, 41])))
    made = tables(rows)
    events = made.events.collect()
    assert len(events) == rows["units"].sum()
    sold = events.group_by("item_id", pl.col("at").dt.date().alias("day")).len()
    assert sold.filter(pl.col("item_id") == "dear@1").sort("day")["len"].to_list() == (
        rows.filter(pl.col("item") == "dear@1").sort("week")["units"].to_list()
    )
    assert made.promotions is not None and len(made.promotions) == rows["promoted"].sum()
    assert made.history is not None
    kept = made.history.filter(pl.col("item_id") == "cheap@0").sort("at")
    seen = [at_week(week) for week in range(WEEKS) if week not in (40, 41)]
    assert kept.filter(pl.col("on_hand") > 0)["at"].to_list() == seen
    assert kept.filter(pl.col("on_hand") == 0)["at"].to_list() == [at + timedelta(days=1) for at in seen]
    panel = build_panel(made, at_week(WEEKS), CONFIG)
    row = panel.item_ids.index("cheap@0")
    days = np.flatnonzero(panel.stock[row]) + panel.first_day
    assert days.tolist() == [int(at.timestamp() // 86_400) for at in seen]


@given(st.integers(14, WEEKS - 1), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_features_never_look_past_their_origin(origin: int, seed: int) -> None:
    rows = scanner_log(seed, stores=1)
    later = pl.col("week") >= origin
    changed = rows.with_columns(
        pl.when(later).then(pl.col("units") * 7).otherwise("units").alias("units"),
        pl.when(later & (pl.col("week") > origin)).then(9.0).otherwise("usual").alias("usual"),
    )
    known = ["level_4", "level_13", "level_52", "level_all", "log_usual"]
    at = np.full(len(rows.filter(later)), origin)
    before = Panel.build(rows).features(rows.filter(later), at).select(known)
    after = Panel.build(changed).features(changed.filter(later), at).select(known)
    assert before.equals(after)


def test_regression_finds_the_slopes_and_its_intervals_hold_them() -> None:
    inside = []
    for seed in range(20):
        train = features(scanner_log(seed))
        _, slopes = regression.fixed_effects(train, train[:1], ["cheap", "dear"])
        table = slopes.table(["cheap", "dear"], np.array([1, 1]))
        truth = table["brand"].head(2).replace_strict(ELASTICITY)
        inside += truth.is_between(table["ci_lower"].head(2), table["ci_upper"].head(2)).to_list()
        assert table["elasticity"][2] == pytest.approx(table["elasticity"][:2].mean())
    assert np.mean(inside) >= 0.75  # 40 intervals of 90 % over ten clusters; fewer than 30 hits has p < 0.01


def test_gradient_boosting_learns_that_lower_prices_sell_more() -> None:
    rows = scanner_log(1)
    train = features(rows.filter(pl.col("week") < 90))
    held = features(rows).filter(pl.col("week") >= 90)
    units, slopes = learners.boosted(train, held, ["cheap", "dear"])
    actual = held["units"].to_numpy().astype(np.float64)
    level = np.exp(held["level_13"].to_numpy())
    assert poisson_deviance(actual, units).sum() < 0.6 * poisson_deviance(actual, level).sum()
    assert slopes.filter(pl.col("brand") == "all")["elasticity"].item() < -1.0


def test_flashlift_forecasts_the_held_out_weeks_and_finds_which_brand_answers_more() -> None:
    rows = scanner_log(2)
    model = own.fit(rows, 90)
    held = features(rows).filter(pl.col("week") >= 90)
    mean = own.forecast(model, held, 90, 10)
    actual = held["units"].to_numpy().astype(np.float64)
    level = np.exp(held["level_13"].to_numpy())
    assert np.isfinite(mean).all()
    assert poisson_deviance(actual, mean).sum() < 0.6 * poisson_deviance(actual, level).sum()
    slopes = own.elasticities(model, 90)
    cheap, dear, _ = slopes["elasticity"].to_list()
    assert slopes["brand"].to_list() == ["cheap", "dear", "all"]
    assert cheap < dear < 0
    assert (slopes["ci_lower"] < slopes["ci_upper"]).all()


def test_an_item_that_the_model_never_saw_has_no_forecast() -> None:
    rows = scanner_log(3, stores=3)
    model = own.fit(rows.filter(pl.col("item") != "dear@0"), 90)
    held = features(rows).filter(pl.col("week") >= 90)
    mean = own.forecast(model, held, 90, 10)
    assert np.isnan(mean[(held["item"] == "dear@0").to_numpy()]).all()
    assert np.isfinite(mean[(held["item"] != "dear@0").to_numpy()]).all()


@given(st.floats(0.1, 500), st.integers(0, 500))
def test_deviance_is_zero_at_the_truth_and_above_it_elsewhere(mean: float, actual: int) -> None:
    y = np.array([float(actual)])
    assert poisson_deviance(y, np.array([mean]))[0] >= -1e-9
    assert poisson_deviance(y, np.maximum(y, 1e-12))[0] == pytest.approx(0, abs=1e-9)


def test_judging_uses_the_rows_that_every_method_forecasts() -> None:
    y = np.array([10.0, 20.0, 30.0])
    table = judge(y, {"a": y, "b": np.array([11.0, np.nan, 30.0])}, np.array([0, 0, 1]), "a")
    assert table["rows"].to_list() == [2, 2]
    assert table["wape"].to_list() == pytest.approx([0.0, 1 / 40])
    assert table["difference"][1] > 0
    assert table["ci_lower"][1] <= table["difference"][1] <= table["ci_upper"][1]


def test_markdown_marks_own_rows_and_leaves_nulls_empty() -> None:
    told = markdown(pl.DataFrame({"model": ["flashlift", "OLS"], "ci_lower": [0.5, None]}))
    assert told.splitlines() == [
        "| model | 90 % from |",
        "| --- | --- |",
        "| **flashlift** | **0.500** |",
        "| OLS |  |",
    ]
