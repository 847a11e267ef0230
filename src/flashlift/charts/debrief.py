"""Charts of a debrief: the gap by its reasons, offers beside their forecast, slots beside their quota."""

from __future__ import annotations

import altair as alt
import polars as pl

from flashlift.charts.theme import ACCENT, GOOD, INK, LABEL, MAIN, MUTED, WIDTH, Chart, checked, headed, labeled, styled
from flashlift.errors import InputError

__all__ = ["gap_waterfall", "offers_against_plan", "slots_against_plan"]

_GREY = "#C3CBD4"
_COUNTS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]  # of units, on a log axis


def gap_waterfall(reasons: pl.DataFrame, *, planned: float, currency: str) -> Chart:
    """From what was planned to what was earned, a step for each reason, with its interval.

    Args:
        reasons: `reason`, `value`, `ci_lower`, `ci_upper`, in the order of the steps.
        planned: where the steps begin.
        currency: of the amounts.
    """
    data = checked(reasons, ["reason", "value", "ci_lower", "ci_upper"], "waterfall")
    data = data.filter(pl.any_horizontal(pl.col("value", "ci_lower", "ci_upper") != 0.0))
    if data.is_empty():
        raise InputError("Nothing came otherwise than planned, so there is nothing to draw. Say that in words.")
    end = planned + pl.col("value").cum_sum()
    steps = data.with_columns(stop=end, begin=end - pl.col("value")).with_columns(
        low=pl.col("begin") + pl.col("ci_lower"),
        high=pl.col("begin") + pl.col("ci_upper"),
        tone=pl.when(pl.col("value") >= 0.0).then(pl.lit("more than planned")).otherwise(pl.lit("less than planned")),
    )
    actual = float(steps["stop"][-1])
    bars = pl.concat(
        [_total("planned", planned), steps.select(_BAR), _total("earned", actual)],
        how="vertical_relaxed",
    ).with_columns(
        says=pl.when(pl.col("tone") == "total")
        .then(pl.col("stop").round(0).cast(pl.Int64).cast(pl.String))
        .otherwise(
            pl.format(
                "{}{}",
                pl.when(pl.col("value") >= 0).then(pl.lit("+")).otherwise(pl.lit("−")),
                pl.col("value").abs().round(0).cast(pl.Int64),
            )
        ),
        edge=pl.max_horizontal("begin", "stop", pl.col("high").fill_null(pl.col("stop"))),
    )
    order = bars["reason"].to_list()
    base = alt.Chart(bars).encode(
        y=alt.Y("reason:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelFontSize=13))
    )
    scale = alt.Scale(domain=["less than planned", "more than planned", "total"], range=[ACCENT, GOOD, MAIN])
    rooms = alt.Scale(nice=True, zero=True)
    drawn = base.mark_bar(height=22, cornerRadius=2).encode(
        x=alt.X(
            "begin:Q", title=f"incremental profit ({currency})", axis=alt.Axis(format=",.0f", tickCount=7), scale=rooms
        ),
        x2="stop:Q",
        color=alt.Color("tone:N", scale=scale, legend=None),
        tooltip=["reason:N", *(alt.Tooltip(f"{n}:Q", format=",.0f") for n in ("value", "ci_lower", "ci_upper"))],
    )
    rule = (
        base.transform_filter("datum.low != null").mark_rule(color=INK, strokeWidth=1.4).encode(x="low:Q", x2="high:Q")
    )
    text = base.mark_text(align="left", dx=7, fontSize=12).encode(x="edge:Q", text="says:N")
    zero = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x="zero:Q")
    largest = data.sort(pl.col("value").abs(), descending=True).row(0, named=True)
    title = headed(
        f"Planned {planned:,.0f}, earned {actual:,.0f} {currency}; the largest part of the gap: {largest['reason']}",
        "Each step: what one cause changed; line: its 90% interval. Crossing the step's start: may be chance.",
    )
    return styled(alt.layer(zero, drawn, rule, text).properties(width=WIDTH - 160, height=alt.Step(34), title=title))


_BAR = ["reason", "begin", "stop", "value", "ci_lower", "ci_upper", "low", "high", "tone"]


def _total(name: str, value: float) -> pl.DataFrame:
    row = {"reason": name, "begin": 0.0, "stop": value, "value": value, "tone": "total"}
    none = dict.fromkeys(("ci_lower", "ci_upper", "low", "high"))
    return pl.DataFrame([row | none], schema_overrides=dict.fromkeys(none, pl.Float64)).select(_BAR)


def offers_against_plan(offers: pl.DataFrame, *, most: int = 30) -> Chart:
    """Units sold beside the forecast's interval, the largest forecasts first.

    Args:
        offers: `item_id`, `title`, `slot_id`, `planned_units`, `planned_ci_lower`, `planned_ci_upper`, `units`,
            `inside`, `sold_out`, `status`.
        most: rows at most.
    """
    names = ["item_id", "title", "slot_id", "planned_units", "planned_ci_lower", "planned_ci_upper", "units"]
    data = checked(offers, [*names, "inside", "sold_out", "status"], "offers")
    kept = data.sort("planned_units", descending=True).head(most)
    kept = kept.with_columns(
        label=pl.concat_str(labeled(34), pl.lit(" "), pl.col("slot_id")),
        found=pl.when(pl.col("status") == "not run")
        .then(pl.lit("not run"))
        .when(pl.col("sold_out"))
        .then(pl.lit("sold out"))
        .when(pl.col("inside"))
        .then(pl.lit("within the interval"))
        .when(pl.col("units") > pl.col("planned_units"))
        .then(pl.lit("above it"))
        .otherwise(pl.lit("below it")),
    )
    order = kept["label"].to_list()
    axis = alt.Axis(labelExpr=LABEL, labelLimit=260, ticks=False, domain=False)
    base = alt.Chart(kept).encode(y=alt.Y("label:N", sort=order, title=None, axis=axis))
    interval = base.mark_rule(color=_GREY, strokeWidth=9).encode(
        x=alt.X("planned_ci_lower:Q", title="units", axis=alt.Axis(values=_COUNTS), scale=alt.Scale(type="symlog")),
        x2="planned_ci_upper:Q",
    )
    planned = base.mark_tick(color=INK, thickness=2, size=15).encode(x="planned_units:Q")
    colors = {
        "within the interval": MAIN,
        "above it": GOOD,
        "below it": ACCENT,
        "sold out": "#CC79A7",
        "not run": MUTED,
    }
    actual = base.mark_point(filled=True, size=75, opacity=1.0, stroke="white", strokeWidth=1).encode(
        x="units:Q",
        color=alt.Color("found:N", title=None, scale=alt.Scale(domain=list(colors), range=list(colors.values()))),
        tooltip=[
            alt.Tooltip("title:N"),
            alt.Tooltip("item_id:N", title="item"),
            alt.Tooltip("slot_id:N", title="slot"),
            alt.Tooltip("units:Q", title="sold"),
            alt.Tooltip("planned_units:Q", format=".1f", title="forecast"),
        ],
    )
    hit = int(data["inside"].sum())
    cut = f" The {most} largest of {data.height}." if data.height > most else ""
    title = headed(
        f"{hit} of {data.height} offers sold what the forecast's 90% interval allows",
        f"Grey: the interval; tick: the forecast within its quota; dot: units sold.{cut}",
    )
    return styled(alt.layer(interval, planned, actual).properties(width=WIDTH - 220, height=alt.Step(22), title=title))


def slots_against_plan(slots: pl.DataFrame) -> Chart:
    """Units of each slot beside their forecast's interval.

    Args:
        slots: `slot_id`, `start`, `planned_units`, `planned_ci_lower`, `planned_ci_upper`, `units`, `sell_through`.
    """
    names = ["slot_id", "start", "planned_units", "planned_ci_lower", "planned_ci_upper", "units", "sell_through"]
    data = checked(slots, names, "slots").sort("start")
    when = pl.col("start").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    data = data.with_columns(
        label=when.dt.strftime("%a %d %b|%H:%M|") + pl.col("slot_id"),
        says=pl.format("{}% of quota", (100 * pl.col("sell_through")).round(0).cast(pl.Int64)),
        top=pl.max_horizontal("units", "planned_ci_upper"),
    )
    axis = alt.Axis(labelAngle=0, labelExpr="slice(split(datum.label, '|'), 0, 2)", ticks=False, domain=False)
    base = alt.Chart(data).encode(x=alt.X("label:N", sort=data["label"].to_list(), title="slot start (UTC)", axis=axis))
    bars = base.mark_bar(size=30, color=MAIN, cornerRadiusEnd=3).encode(
        y=alt.Y("units:Q", title="units sold", axis=alt.Axis(tickCount=5)),
        tooltip=["slot_id:N", "units:Q", alt.Tooltip("planned_units:Q", format=".0f", title="forecast")],
    )
    rule = base.mark_rule(color=INK, strokeWidth=1.6).encode(y="planned_ci_lower:Q", y2="planned_ci_upper:Q")
    tick = base.mark_tick(color=INK, thickness=2.5, size=22).encode(y="planned_units:Q")
    text = base.mark_text(dy=-9, color="#52606D", fontSize=11).encode(y="top:Q", text="says:N")
    short = data.filter(pl.col("units") < pl.col("planned_ci_lower")).height
    over = data.filter(pl.col("units") > pl.col("planned_ci_upper")).height
    title = headed(
        f"{short} of {data.height} slots sold less than their interval, {over} more",
        "Bar: units sold; tick and line: the forecast with its 90% interval; above: sell-through.",
    )
    width = min(WIDTH, 110 * data.height)
    return styled(alt.layer(bars, rule, tick, text).properties(width=width, height=260, title=title))
