"""Charts of demand: forecast against actual, price response, elasticities."""

from __future__ import annotations

from datetime import date
from typing import Literal

import altair as alt
import numpy as np
import polars as pl

from flashlift.charts.theme import ACCENT, GOOD, INK, LABEL, MAIN, MUTED, WIDTH, Chart, checked, headed, labeled, styled
from flashlift.errors import InputError

__all__ = ["elasticities", "forecast", "placebo", "price_curves"]

_UTC = alt.Scale(type="utc")


def forecast(daily: pl.DataFrame, *, held_out_start: date | None = None, unit: str = "units") -> Chart:
    """Actual against forecast with its interval.

    Args:
        daily: `date`, `actual`, `mean`, `ci_lower`, `ci_upper` (the last three null where there is no forecast).
        held_out_start: first day that the model did not see; marked.
        unit: what is counted per day.
    """
    data = checked(daily.sort("date"), ["date", "actual", "mean", "ci_lower", "ci_upper"], "forecast")
    base = alt.Chart(data).encode(
        x=alt.X("date:T", title=None, scale=_UTC, axis=alt.Axis(format="%d %b %y", tickCount=8))
    )
    band = base.mark_area(color=MAIN, opacity=0.18).encode(
        y=alt.Y("ci_lower:Q", title=f"{unit} per day"), y2="ci_upper:Q"
    )
    tooltip = [
        alt.Tooltip("date:T", timeUnit="utcyearmonthdate", title="Day (UTC)"),
        *(alt.Tooltip(f"{name}:Q", format=",.0f") for name in ("actual", "mean", "ci_lower", "ci_upper")),
    ]
    lines = base.transform_fold(["actual", "mean"], as_=["series", "value"]).mark_line(strokeWidth=1.8)
    colors = alt.Scale(domain=["actual", "mean"], range=[INK, MAIN])
    named = alt.Legend(title=None, labelExpr="datum.label == 'mean' ? 'forecast and interval' : 'actual'")
    drawn = lines.encode(
        y=alt.Y("value:Q", title=f"{unit} per day"),
        color=alt.Color("series:N", scale=colors, legend=named),
        tooltip=tooltip,
    )
    layers: list[alt.Chart] = [band, drawn]
    if held_out_start is not None:
        mark = pl.DataFrame({"date": [f"{held_out_start:%Y-%m-%d}T00:00:00Z"], "label": ["held out from here"]})
        at = alt.Chart(mark).encode(x=alt.X("date:T", scale=_UTC))
        # Left of the first day there is only the axis.
        side: Literal["left", "right"] = "left" if data["date"][0] >= f"{held_out_start:%Y-%m-%d}" else "right"
        layers += [
            at.mark_rule(strokeDash=[4, 3], color=ACCENT),
            at.mark_text(align=side, dx=5 if side == "left" else -5, baseline="top", color=ACCENT).encode(
                y=alt.value(0), text="label:N"
            ),
        ]
    chart = alt.layer(*layers).properties(width=WIDTH, height=260, title=_forecast_title(data, held_out_start))
    return styled(chart)


def _forecast_title(data: pl.DataFrame, held_out_start: date | None) -> alt.TitleParams:
    seen = data.drop_nulls(["actual", "mean", "ci_lower", "ci_upper"])
    if held_out_start is not None:
        seen = seen.filter(pl.col("date") >= f"{held_out_start:%Y-%m-%d}")
    total = float(seen["actual"].cast(pl.Float64).to_numpy().sum())
    if total <= 0.0:
        return headed("Forecast against actual", "Band: the forecast's interval.")
    error = float((seen["actual"] - seen["mean"]).abs().to_numpy().sum()) / total
    inside = seen["actual"].is_between(seen["ci_lower"], seen["ci_upper"]).sum()
    when = "" if held_out_start is None else ", none of which the model saw"
    return headed(
        f"Daily totals miss by {error:.0%}; {inside} of {seen.height} days lie within the band",
        f"Error: sum of absolute misses / sum of actuals (WAPE), over {seen.height} days{when}.",
    )


def price_curves(curves: pl.DataFrame, *, columns: int = 3) -> Chart:
    """Expected lift in units against discount with its 90 % band, one panel per item, in the order of the table.

    Args:
        curves: `item_id`, `title`, `discount_frac`, `lift` (units at the discount / units at list price), `ci_lower`,
            `ci_upper`, `identified` (False: the log cannot tell this item's response from its category's).
        columns: panels side by side.
    """
    names = ["item_id", "title", "discount_frac", "lift", "ci_lower", "ci_upper", "identified"]
    data = checked(curves, names, "price-curve").with_columns(
        panel=labeled(28),
    )
    base = alt.Chart(data).encode(
        x=alt.X("discount_frac:Q", title="discount", axis=alt.Axis(format="%", tickCount=4)),
        color=alt.Color("identified:N", legend=None, scale=alt.Scale(domain=[True, False], range=[MAIN, MUTED])),
    )
    band = base.mark_area(opacity=0.2).encode(
        y=alt.Y("ci_lower:Q", title="units / units at list price"), y2="ci_upper:Q"
    )
    line = base.mark_line(strokeWidth=2, point={"size": 22}).encode(
        y="lift:Q",
        tooltip=[
            alt.Tooltip("title:N"),
            alt.Tooltip("discount_frac:Q", format=".0%", title="discount"),
            *(alt.Tooltip(f"{name}:Q", format=".2f") for name in ("lift", "ci_lower", "ci_upper")),
        ],
    )
    order = data["panel"].unique(maintain_order=True).to_list()
    wide = (WIDTH - 60 * columns) / columns + 30
    chart = alt.layer(band, line).properties(width=wide, height=140)
    return styled(
        chart.facet(
            facet=alt.Facet("panel:N", sort=order, header=alt.Header(labelExpr=LABEL)), columns=columns
        ).properties(title=_curves_title(curves))
    )


def _curves_title(curves: pl.DataFrame) -> alt.TitleParams:
    own = curves.group_by("item_id").agg(pl.col("identified").all())["identified"]
    return headed(
        f"{own.sum()} of {own.len()} responses rest on the item's own price history",
        "Units at the discount relative to list price; band: 90% interval; gray: response borrowed from other items.",
    )


def placebo(tests: pl.DataFrame, *, small: float = 0.1) -> Chart:
    """What the comparison finds in real sales, and where there was none.

    Args:
        tests: `test`, `value`, `ci_lower`, `ci_upper` (relative change of units), `verdict` (null for the real sales).
        small: change that does not matter; a band on both sides of nothing.
    """
    data = checked(tests, ["test", "value", "ci_lower", "ci_upper", "verdict"], "placebo").drop_nulls("value")
    if data.is_empty():
        raise InputError("No placebo test could be made, so there is nothing to draw. Leave the chart out.")
    data = data.with_columns(pl.col("verdict").fill_null("yardstick"))
    colors = {"yardstick": INK, "passed": GOOD, "undecided": MUTED, "failed": ACCENT}
    shown = [name for name in colors if name in data["verdict"].to_list()]
    base = alt.Chart(data).encode(
        y=alt.Y("test:N", sort=data["test"].to_list(), title=None),
        color=alt.Color("verdict:N", title=None, scale=alt.Scale(domain=shown, range=[colors[name] for name in shown])),
        tooltip=["test:N", *(alt.Tooltip(f"{n}:Q", format="+.0%") for n in ("value", "ci_lower", "ci_upper"))],
    )
    axis = alt.X("ci_lower:Q", title="change of units against the baseline", axis=alt.Axis(format="+.0%"))
    limits = pl.DataFrame({"from": [-small], "to": [small], "nothing": [0.0]})
    band = alt.Chart(limits).mark_rect(color=GOOD, opacity=0.12).encode(x="from:Q", x2="to:Q")
    nothing = alt.Chart(limits).mark_rule(color=MUTED, strokeDash=[4, 3]).encode(x="nothing:Q")
    lines = base.mark_rule(strokeWidth=2.5).encode(x=axis, x2="ci_upper:Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q")
    chart = alt.layer(band, nothing, lines, points).properties(width=WIDTH - 160, height=34 * data.height)
    return styled(chart.properties(title=_placebo_title(data, small)))


def _placebo_title(data: pl.DataFrame, small: float) -> alt.TitleParams:
    tests = data.filter(pl.col("verdict") != "yardstick")
    failed = tests.filter(verdict="failed").height
    found = (
        f"{failed} of {tests.height} find a change where nothing was discounted"
        if failed
        else "none finds a change where nothing was discounted"
    )
    return headed(
        f"Placebo tests: {found}",
        f"Point and line: change of units and its 90% interval; band: a change below {small:.0%}, too small to matter.",
    )


def elasticities(table: pl.DataFrame, *, bins: int = 30) -> Chart:
    """How the items' price elasticities are spread.

    Args:
        table: `item_id`, `category`, `elasticity` (d ln q / d ln p), `ci_lower`, `ci_upper`, `n_promotions`,
            `identified`.
        bins: number of bars.
    """
    names = ["item_id", "category", "elasticity", "ci_lower", "ci_upper", "n_promotions", "identified"]
    data = checked(table, names, "elasticity").drop_nulls("elasticity")
    if data.is_empty():
        raise InputError("No item has an elasticity, so there is nothing to draw. Leave the chart out.")
    values = data["elasticity"].to_numpy()
    edges = np.histogram_bin_edges(np.clip(values, *np.quantile(values, [0.005, 0.995])), bins=bins)
    parts = [("own price history", True, MAIN), ("borrowed from others", False, MUTED)]
    bars = pl.concat(
        pl.DataFrame(
            {
                "from": edges[:-1],
                "to": edges[1:],
                "items": np.histogram(np.clip(data.filter(identified=own)["elasticity"], edges[0], edges[-1]), edges)[
                    0
                ],
                "basis": name,
            }
        )
        for name, own, _ in parts
    )
    scale = alt.Scale(domain=[name for name, _, _ in parts], range=[color for *_, color in parts])
    drawn = (
        alt.Chart(bars)
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("from:Q", bin="binned", title="price elasticity (d ln units / d ln price)"),
            x2="to:Q",
            y=alt.Y("items:Q", title="items", stack=True),
            color=alt.Color("basis:N", title=None, scale=scale),
            tooltip=[alt.Tooltip("from:Q", format=".2f"), alt.Tooltip("to:Q", format=".2f"), "items:Q", "basis:N"],
        )
    )
    middle = float(np.median(values))
    rule = alt.Chart(pl.DataFrame({"at": [middle], "label": [f"median {middle:.2f}".replace("-", "−")]})).encode(
        x="at:Q"
    )
    marks = [
        rule.mark_rule(color=GOOD, strokeWidth=2),
        rule.mark_text(color=GOOD, align="left", dx=5, baseline="top", fontWeight=600).encode(
            y=alt.value(0), text="label:N"
        ),
    ]
    title = headed(
        f"Half of the items answer a 10% lower price with at least {_gain(middle):.0%} more units",
        f"{data.height:,} items; {data['identified'].sum():,} with past sales of their own.",
    )
    return styled(alt.layer(drawn, *marks).properties(width=WIDTH, height=220, title=title))


def _gain(elasticity: float) -> float:
    """Relative gain in units from a price 10 % lower, at constant elasticity."""
    return float(0.9**elasticity - 1.0)
