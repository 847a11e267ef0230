"""Every chart compiles, says what its data says, and refuses tables it cannot draw."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
import vl_convert
from tests.charts import tables

from flashlift import charts
from flashlift.charts.theme import Chart
from flashlift.errors import InputError

Drawn = Callable[[pl.DataFrame], Chart]

CHARTS: dict[str, tuple[Drawn, pl.DataFrame, str]] = {
    "forecast": (lambda t: charts.forecast(t, held_out_start=date(2011, 11, 12)), tables.forecast_daily(), "actual"),
    "price_curves": (charts.price_curves, tables.curves(), "lift"),
    "placebo": (charts.placebo, tables.placebo(), "verdict"),
    "elasticities": (charts.elasticities, tables.elasticities(), "elasticity"),
    "calendar": (lambda t: charts.calendar(t, currency="GBP"), tables.plan_table(40), "price"),
    "pareto": (lambda t: charts.pareto(t, currency="GBP"), tables.pareto(), "revenue"),
    "value_comparison": (lambda t: charts.value_comparison(t, currency="GBP"), tables.comparison(), "ci_lower"),
    "reliability": (charts.reliability, tables.reliability(), "observed"),
    "learning_curves": (charts.learning_curves, tables.learning_curves(), "part"),
    "quality": (charts.quality, tables.rules(), "rows"),
    "gap": (lambda t: charts.gap_waterfall(t, planned=300.0, currency="EUR"), tables.gap(), "ci_upper"),
    "offers": (charts.offers_against_plan, tables.debriefed_offers(), "sold_out"),
    "slots": (charts.slots_against_plan, tables.debriefed_slots(), "sell_through"),
}
ALL = pytest.mark.parametrize("name", list(CHARTS))


def title(chart: Chart) -> str:
    return str(chart.to_dict()["title"]["text"])


def rows(chart: Chart) -> list[dict[str, Any]]:
    """All data rows that the chart carries."""
    return [row for data in chart.to_dict()["datasets"].values() for row in data]


def scene(chart: Chart) -> str:
    """What Vega draws, compiled without a browser."""
    return vl_convert.vegalite_to_svg(chart.to_dict())


@ALL
def test_compiles_and_draws_finite_marks(name: str) -> None:
    draw, table, _ = CHARTS[name]
    svg = scene(draw(table))
    assert svg.count("<path") > 3
    assert "NaN" not in svg


@ALL
def test_a_missing_column_is_named(name: str) -> None:
    draw, table, column = CHARTS[name]
    with pytest.raises(InputError, match=column):
        draw(table.drop(column))


@ALL
def test_an_empty_table_is_refused(name: str) -> None:
    draw, table, _ = CHARTS[name]
    with pytest.raises(InputError, match="no rows"):
        draw(table.clear())


@ALL
def test_specs_are_strict_json_even_with_undefined_numbers(name: str) -> None:
    draw, table, _ = CHARTS[name]
    floats = [c for c in ("ci_lower", "ci_upper", "n_promotions") if c in table.columns]
    second = pl.int_range(pl.len()) == 1
    holed = table.with_columns(pl.when(second).then(float("nan")).otherwise(pl.col(floats)).name.keep())
    spec = draw(holed if floats else table).to_dict()
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


def test_forecast_title_counts_only_held_out_days() -> None:
    daily = pl.DataFrame(
        {
            "date": [date(2020, 1, d) for d in range(1, 6)],
            "actual": [10.0, 10.0, 10.0, 10.0, 20.0],
            "mean": [99.0, 99.0, 10.0, 13.0, 20.0],
            "ci_lower": [0.0, 0.0, 8.0, 11.0, 15.0],
            "ci_upper": [0.0, 0.0, 12.0, 15.0, 25.0],
        }
    )
    found = title(charts.forecast(daily, held_out_start=date(2020, 1, 3)))
    assert found == "Daily totals miss by 8%; 2 of 3 days lie within the band"  # |10 - 13| / (10 + 10 + 20)


def test_forecast_days_are_utc() -> None:
    spec = json.dumps(charts.forecast(tables.forecast_daily()).to_dict())
    assert '"2011-08-12T00:00:00Z"' in spec
    assert '"utc"' in spec


def test_curves_keep_items_with_the_same_title_apart() -> None:
    same = tables.curves(items=4).with_columns(title=pl.lit("SAME"))
    svg = scene(charts.price_curves(same))
    assert svg.count(">SAME<") == 4


def test_elasticity_bars_count_every_item_once() -> None:
    chart = charts.elasticities(tables.elasticities(n=500))
    assert sum(row.get("items", 0) for row in rows(chart)) == 500
    with pytest.raises(InputError, match="nothing to draw"):
        charts.elasticities(tables.elasticities().with_columns(elasticity=pl.lit(None, pl.Float64)))


def test_calendar_shows_each_offer_once_with_price_and_discount() -> None:
    plan = tables.plan_table(offers=40, slots=5)
    svg = scene(charts.calendar(plan, currency="GBP"))
    for discount, price in plan.select("discount_frac", "price").iter_rows():
        assert f"−{discount * 100:.0f}%\u2002{price:.2f}" in svg
    assert title(charts.calendar(plan, currency="GBP")) == "40 offers of 40 items in 5 slots"


def test_calendar_of_many_items_says_what_it_leaves_out() -> None:
    plan = tables.plan_table(offers=90)
    chart = charts.calendar(plan, currency="GBP", most_items=60)
    assert len(rows(chart)) == 60
    assert "30 more are in the table" in chart.to_dict()["title"]["subtitle"]
    shown = {row["item_id"] for row in rows(chart)}
    best = plan.sort("expected_value", descending=True)["item_id"].head(60)
    assert shown == set(best)


def test_limit_prices_drop_free_limits_and_order_by_size() -> None:
    chart = charts.limit_prices(tables.limit_prices() | {"category minimum": -50.0}, currency="GBP")
    assert [row["limit"] for row in rows(chart)] == [
        "category minimum",
        "positions in slot-1",
        "positions in slot-2",
        "budget",
    ]
    assert "'category minimum'" in title(chart)
    assert "-50.00 GBP" in title(chart)
    scene(chart)
    with pytest.raises(InputError, match="No limit costs anything"):
        charts.limit_prices({"budget": 0.0}, currency="GBP")


def test_comparison_title_says_who_wins() -> None:
    assert "1,224 GBP ahead of" in title(charts.value_comparison(tables.comparison(), currency="GBP"))
    losing = charts.value_comparison(tables.comparison(), currency="GBP", highlight="random")
    assert "1,929 GBP behind" in title(losing)


def test_the_pareto_title_tells_what_the_last_sales_cost() -> None:
    assert "+3,000 of sales, -634 of profit" in title(charts.pareto(tables.pareto(), currency="GBP"))
    assert title(charts.pareto(tables.pareto().head(1), currency="GBP")).startswith("One plan has the most of both")


def test_a_rule_that_cannot_keep_the_limits_has_no_bar() -> None:
    unable = pl.when(pl.col("plan") != "best sellers at 20 %").then(pl.exclude("plan")).name.keep()
    drawn = charts.value_comparison(tables.comparison().with_columns(unable), currency="GBP")
    assert "1,929 GBP ahead of the best other plan (random)" in title(drawn)
    assert "best sellers" not in json.dumps(drawn.to_dict())
    alone = tables.comparison().with_columns(
        pl.when(pl.col("plan") == "flashlift plan").then(pl.exclude("plan")).name.keep()
    )
    assert title(charts.value_comparison(alone, currency="GBP")) == "Expected incremental profit"


def test_reliability_title_is_the_weighted_gap() -> None:
    bins = pl.DataFrame(
        {
            "model": "m",
            "horizon_hours": 24.0,
            "bin": [0, 1],
            "predicted": [0.1, 0.5],
            "observed": [0.1, 0.3],
            "n": [300, 100],
        }
    )
    assert "differ by 5.00%" in title(charts.reliability(bins))


def test_learning_curves_mark_the_step_that_was_kept() -> None:
    table = tables.learning_curves()
    chart = charts.learning_curves(table)
    valid = table.filter(metric="loss", part="valid").sort("value")
    assert title(chart) == f"The weights of step {valid['step'][0]} of 240 were kept"
    marks = [row for row in rows(chart) if row["kept"] is not None]
    assert {row["panel"] for row in marks} == {
        "loss", "loss of the next item", "loss of the time to purchase", "AUC", "NDCG@10"
    }  # fmt: skip
    assert {row["kept"] for row in marks} == {valid["step"][0]}
    assert all(row["metric"] != "batch_loss" for row in rows(chart))
    one = charts.learning_curves(table, only="auc")
    assert {row["panel"] for row in rows(one)} == {"AUC"}
    assert title(one) == title(chart)


def test_learning_curves_of_one_look_or_without_a_validation_loss_are_drawn() -> None:
    scene(charts.learning_curves(tables.learning_curves(steps=40)))
    table = tables.learning_curves().filter(metric="auc")
    assert title(charts.learning_curves(table)) == "How the metrics went in 240 steps"
    with pytest.raises(InputError, match="no rows to show"):
        charts.learning_curves(table.with_columns(value=pl.lit(float("nan"))))


@pytest.mark.parametrize(("start", "side"), [(date(2020, 1, 1), "left"), (date(2020, 1, 3), "right")])
def test_the_held_out_mark_stays_off_the_axis(start: date, side: str) -> None:
    days = [date(2020, 1, k) for k in range(1, 6)]
    daily = pl.DataFrame({"date": days, "actual": 1.0, "mean": 1.0, "ci_lower": 0.0, "ci_upper": 2.0})
    layers = charts.forecast(daily, held_out_start=start).to_dict()["layer"]
    text = next(layer["mark"] for layer in layers if layer["mark"]["type"] == "text")
    assert text["align"] == side
    assert (text["dx"] > 0) == (side == "left")


def test_the_steps_of_a_gap_lead_from_the_plan_to_what_was_earned() -> None:
    chart = charts.gap_waterfall(tables.gap(), planned=300.0, currency="EUR")
    assert title(chart) == "Planned 300, earned 160 EUR; the largest part of the gap: traffic"
    steps = [row for row in rows(chart) if "begin" in row]
    assert [row["reason"] for row in steps] == ["planned", "traffic", "response", "sell-out", "earned"]
    assert [row["stop"] for row in steps] == [300.0, 180.0, 220.0, 160.0, 160.0]
    assert [row["begin"] for row in steps] == [0.0, 300.0, 180.0, 220.0, 0.0]
    nothing = tables.gap().with_columns(pl.lit(0.0).alias(name) for name in ("value", "ci_lower", "ci_upper"))
    with pytest.raises(InputError, match="nothing to draw"):
        charts.gap_waterfall(nothing, planned=300.0, currency="EUR")


def test_offers_beside_their_forecast_are_told_by_what_they_were() -> None:
    offers = tables.debriefed_offers()
    chart = charts.offers_against_plan(offers, most=10)
    shown = [row for row in rows(chart) if "found" in row]
    assert [row["planned_units"] for row in shown] == sorted(offers["planned_units"], reverse=True)[:10]
    known = {row["item_id"]: row["found"] for row in shown}
    assert (known["i36"], known["i35"], known["i37"]) == ("not run", "sold out", "within the interval")
    assert title(chart).startswith(f"{offers['inside'].sum()} of 40 offers")


def test_slots_are_counted_by_their_interval() -> None:
    assert title(charts.slots_against_plan(tables.debriefed_slots())) == (
        "1 of 3 slots sold less than their interval, 1 more"
    )
