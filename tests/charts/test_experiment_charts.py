"""Charts of tests say what the table holds, in titles too, and refuse tables that hold nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import vl_convert

from flashlift import charts
from flashlift.charts.theme import Chart
from flashlift.errors import InputError

START = datetime(2026, 3, 1, tzinfo=UTC)


def looks(effect: float = 0.0) -> pl.DataFrame:
    k = np.arange(1, 11)
    error = 1.0 / np.sqrt(k)
    return pl.DataFrame(
        {
            "at": [START + timedelta(hours=12) * int(n) for n in k],
            "information_frac": k / 10,
            "effect_size": effect + 0.0 * k,
            "z": effect / error,
            "critical": [None, None, *(2.1 / np.sqrt(k[2:] / 10))],
            "cs_lower": effect - 3.1 * error,
            "cs_upper": effect + 3.1 * error,
            "fixed_ci_lower": effect - 1.96 * error,
            "fixed_ci_upper": effect + 1.96 * error,
        }
    )


def effects() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "metric": ["revenue", "refunds", "conversion"],
            "effect_size": [0.04, -0.03, 0.01],
            "ci_lower": [0.02, -0.05, -0.02],
            "ci_upper": [0.06, -0.01, 0.04],
            "limit": [None, 0.02, None],
        }
    )


def qini() -> pl.DataFrame:
    t = np.linspace(0.0, 1.0, 11)
    curves = [
        pl.DataFrame({"model": name, "targeted_frac": t, "gain": 200 * (t + lift * (t - t * t))})
        for name, lift in (("S", 0.2), ("T", 0.5))
    ]
    return pl.concat(curves).with_columns(ci_lower=pl.col("gain") - 20, ci_upper=pl.col("gain") + 20)


CHARTS: dict[str, tuple[Callable[[pl.DataFrame], Chart], pl.DataFrame, str]] = {
    "intervals": (lambda t: charts.intervals_over_time(t, metric="revenue"), looks(1.2), "cs_upper"),
    "boundary": (lambda t: charts.sequential_boundary(t, metric="revenue"), looks(1.2), "critical"),
    "effects": (charts.effects, effects(), "ci_lower"),
    "qini": (charts.qini_curve, qini(), "targeted_frac"),
}
ALL = pytest.mark.parametrize("name", list(CHARTS))


def title(chart: Chart) -> str:
    return str(chart.to_dict()["title"]["text"])


@ALL
def test_compiles_to_finite_marks_no_wider_than_a_column(name: str) -> None:
    draw, table, _ = CHARTS[name]
    spec = draw(table).to_dict()
    svg = vl_convert.vegalite_to_svg(spec)
    assert svg.count("<path") > 3
    assert "NaN" not in svg
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec
    assert float(svg.split('width="', 1)[1].split('"', 1)[0]) <= 640


@ALL
def test_missing_columns_and_empty_tables_are_refused(name: str) -> None:
    draw, table, column = CHARTS[name]
    with pytest.raises(InputError, match=column):
        draw(table.drop(column))
    with pytest.raises(InputError, match="no rows"):
        draw(table.clear())


def test_interval_title_says_since_when_an_effect_is_proved() -> None:
    # 1.2 - 3.1 / sqrt(k) > 0 from the seventh look on, 84 hours after the start
    assert title(charts.intervals_over_time(looks(1.2), metric="x")) == (
        "An increase is proved since 2026-03-04, however often one looked"
    )
    assert title(charts.intervals_over_time(looks(-1.2), metric="x")).startswith(
        "A decrease is proved since 2026-03-04"
    )
    assert title(charts.intervals_over_time(looks(0.1), metric="x")) == "No effect is proved at any of 10 looks"
    with pytest.raises(InputError, match="no look with a confidence sequence"):
        charts.intervals_over_time(looks().with_columns(cs_lower=pl.lit(None, pl.Float64)), metric="x")


def test_boundary_title_says_where_it_was_crossed() -> None:
    # z = 1.2 sqrt(k) against 2.1 sqrt(10 / k): crossed from k = 5.5 on; the first two looks were not judged
    found = title(charts.sequential_boundary(looks(1.2), metric="x"))
    assert found == "The upper boundary is crossed at look 4, 60% of the way"
    assert "lower" in title(charts.sequential_boundary(looks(-1.2), metric="x"))
    none = charts.sequential_boundary(looks(0.0).head(5), metric="x", planned=looks())
    assert title(none) == "No boundary is crossed after 3 looks, 50% of the way"
    assert (
        len([row for data in none.to_dict()["datasets"].values() for row in data if "top" in row]) == 8
    )  # with planned
    with pytest.raises(InputError, match="no look at which the goal was judged"):
        charts.sequential_boundary(looks().head(2), metric="x")


def test_effects_title_counts_what_moved() -> None:
    assert title(charts.effects(effects())) == "2 of 3 metrics moved: revenue, refunds"
    assert title(charts.effects(effects().tail(1).drop("limit"))) == "0 of 1 metrics moved"


def test_qini_title_compares_at_the_share() -> None:
    # T at 0.3: 0.3 + 0.5 * 0.21 = 0.405 of the gain of treating everybody
    assert title(charts.qini_curve(qini())) == "Treating the 30% that T picks gains 40% of what treating all does"
    nothing = qini().with_columns(gain=pl.col("gain") - 200 * pl.col("targeted_frac"))
    assert title(charts.qini_curve(nothing.drop("ci_lower"))).endswith("treating everybody gains nothing")
