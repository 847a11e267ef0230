"""Charts of tests: intervals over time, the sequential boundary, effects by metric, Qini curves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any

import altair as alt
import polars as pl

from flashlift.charts.theme import ACCENT, GOOD, INK, MAIN, MUTED, WIDTH, Chart, checked, headed, styled
from flashlift.errors import InputError

__all__ = ["effects", "intervals_over_time", "qini_curve", "sequential_boundary"]

TALL = 280


def intervals_over_time(looks: pl.DataFrame, *, metric: str) -> Chart:
    """The effect at each look, with the sequence that holds at all of them and the interval that holds at one alone.

    Args:
        looks: of one metric: `at` (UTC), `effect_size`, `cs_lower`, `cs_upper`, `fixed_ci_lower`, `fixed_ci_upper`, as
            `Monitor.to_polars` gives them; looks without a sequence are left out.
        metric: what it is, with its unit.
    """
    names = ["at", "effect_size", "cs_lower", "cs_upper", "fixed_ci_lower", "fixed_ci_upper"]
    data = checked(looks, names, "interval").drop_nulls().sort("at")
    if data.is_empty():
        raise InputError("The interval chart has no look with a confidence sequence. Draw it when more units are in.")
    reach = float(data.select(pl.max_horizontal(pl.col(names[1:]).abs()).quantile(0.8)).item())
    scale = alt.Scale(domain=[-1.05 * reach, 1.05 * reach], nice=False)  # the first looks are too wide to be shown
    kinds = ["holds at all looks together", "holds at one look alone"]
    days = max((datetime.fromisoformat(str(data["at"][-1])) - datetime.fromisoformat(str(data["at"][0]))).days, 1)
    axis = alt.Axis(format="%d %b", tickCount=alt.TimeIntervalStep(interval="day", step=ceil(days / 6)))
    base = alt.Chart(data).encode(x=alt.X("at:T", title="time of the look (UTC)", axis=axis))
    legend = alt.Legend(symbolOpacity=0.9, symbolType="stroke", symbolStrokeWidth=4)
    colors = alt.Scale(domain=kinds, range=[MAIN, ACCENT])
    color = alt.Color("kind:N", title="interval that", scale=colors, legend=legend)
    y = alt.Y("cs_lower:Q", title=f"effect on {metric}", scale=scale, axis=alt.Axis(tickCount=6))
    always = base.transform_calculate(kind=f"'{kinds[0]}'").mark_area(opacity=0.25, clip=True)
    edges = base.transform_calculate(kind=f"'{kinds[1]}'").mark_line(strokeWidth=1.6, strokeDash=[5, 3], clip=True)
    layers = [
        always.encode(y=y, y2="cs_upper:Q", color=color),
        *(edges.encode(y=alt.Y(f"fixed_ci_{end}:Q", scale=scale), color=color) for end in ("lower", "upper")),
        alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color=MUTED).encode(y="zero:Q"),
        base.mark_line(color=INK, strokeWidth=2, clip=True).encode(y=alt.Y("effect_size:Q", scale=scale)),
    ]
    title = headed(*_interval_title(data))
    return styled(alt.layer(*layers).properties(width=WIDTH - 140, height=TALL, title=title))


def _interval_title(data: pl.DataFrame) -> tuple[str, str]:
    clear = (pl.col("cs_lower") > 0.0) | (pl.col("cs_upper") < 0.0)
    peeked = (pl.col("fixed_ci_lower") > 0.0) | (pl.col("fixed_ci_upper") < 0.0)
    found, tempted = data.filter(clear), data.filter(peeked)
    detail = (
        f"Black: estimate. The interval of one look alone leaves out zero at {tempted.height} of {data.height} looks."
    )
    if found.is_empty():
        return f"No effect is proved at any of {data.height} looks", detail
    way = "An increase" if found["effect_size"][0] > 0.0 else "A decrease"
    return f"{way} is proved since {found['at'][0][:10]}, however often one looked", detail


def sequential_boundary(looks: pl.DataFrame, *, metric: str, planned: pl.DataFrame | None = None) -> Chart:
    """The z statistic on its way, between the boundaries at which the test stops.

    Args:
        looks: of one goal: `information_frac`, `z`, `critical`, as `Monitor.to_polars` gives them; looks that were not
            judged are left out.
        metric: what it is.
        planned: `information_frac`, `critical` of looks still to come, drawn paler.
    """
    data = checked(looks, ["information_frac", "z", "critical"], "boundary").drop_nulls().sort("information_frac")
    if data.is_empty():
        raise InputError("The boundary chart has no look at which the goal was judged. Draw it after the first.")
    come = pl.DataFrame(schema={"information_frac": pl.Float64, "critical": pl.Float64})
    if planned is not None:
        come = checked(planned, come.columns, "boundary").filter(
            pl.col("information_frac") > data["information_frac"][-1]
        )
    top = max(5.0, 1.1 * float(data["z"].abs().to_numpy().max()))
    frame = pl.concat([data.select("information_frac", "critical"), come.drop_nulls()]).with_columns(
        below=-pl.col("critical"), top=pl.lit(top), bottom=pl.lit(-top)
    )
    x = alt.X(
        "information_frac:Q",
        title="share of the planned information",
        scale=alt.Scale(domain=[0.0, max(1.0, float(frame["information_frac"].to_numpy().max()))]),
        axis=alt.Axis(format="%", tickCount=5),
    )
    scale = alt.Scale(domain=[-top, top], nice=False)
    base = alt.Chart(frame).encode(x=x)
    sides = [("critical", "top", MAIN), ("below", "bottom", ACCENT)]
    beyond = [
        base.mark_area(color=color, opacity=0.15, clip=True).encode(
            y=alt.Y(f"{edge}:Q", title=f"z of {metric}", scale=scale, axis=alt.Axis(tickCount=7)), y2=f"{end}:Q"
        )
        for edge, end, color in sides
    ]
    edges = [
        base.mark_line(
            color=color, strokeWidth=1.6, clip=True, point={"size": 22, "color": color, "clip": True}
        ).encode(y=alt.Y(f"{edge}:Q", scale=scale))
        for edge, _, color in sides
    ]
    path = (
        alt.Chart(data)
        .mark_line(color=INK, strokeWidth=2.2, point={"size": 50, "color": INK, "filled": True})
        .encode(
            x=x,
            y=alt.Y("z:Q", scale=scale),
            tooltip=[
                alt.Tooltip("information_frac:Q", format=".0%", title="information"),
                alt.Tooltip("z:Q", format=".2f"),
                alt.Tooltip("critical:Q", format=".2f", title="boundary"),
            ],
        )
    )
    words = pl.DataFrame({"y": [0.92 * top, -0.92 * top], "text": ["higher in treatment: stop", "lower: stop"]})
    names = (
        alt.Chart(words)
        .mark_text(align="right", dx=-6, color="#52606D")
        .encode(x=alt.datum(1.0), y=alt.Y("y:Q", scale=scale), text="text:N")
    )
    title = headed(_boundary_title(data), "Black: the statistic at each look. Colored dots: the boundary there.")
    layers = alt.layer(*beyond, *edges, path, names)
    return styled(layers.properties(width=WIDTH - 140, height=TALL, title=title))


def _boundary_title(data: pl.DataFrame) -> str:
    crossed = data.with_row_index("look", offset=1).filter(pl.col("z").abs() >= pl.col("critical"))
    if crossed.is_empty():
        return f"No boundary is crossed after {data.height} looks, {data['information_frac'][-1]:.0%} of the way"
    first = crossed.row(0, named=True)
    side = "upper" if first["z"] > 0.0 else "lower"
    return f"The {side} boundary is crossed at look {first['look']}, {first['information_frac']:.0%} of the way"


def effects(table: pl.DataFrame) -> Chart:
    """The effect on each metric as a share of control, with its interval; a tick where a guardrail has its limit.

    Args:
        table: `metric`, `effect_size`, `ci_lower`, `ci_upper` (shares of the control mean: 0.02 is 2 %) and, where
            there are guardrails, `limit` (null for goals). Rows stay in their order.
    """
    names = ["metric", "effect_size", "ci_lower", "ci_upper"]
    shown = table if "limit" in table.columns else table.with_columns(limit=pl.lit(None, pl.Float64))
    data = checked(shown, [*names, "limit"], "effect").with_columns(
        found=pl.when(pl.col("ci_lower") > 0.0)
        .then(pl.lit("above zero"))
        .when(pl.col("ci_upper") < 0.0)
        .then(pl.lit("below zero"))
        .otherwise(pl.lit("unclear"))
    )
    kinds = {"above zero": MAIN, "below zero": ACCENT, "unclear": MUTED}
    color = alt.Color(
        "found:N",
        title="interval",
        scale=alt.Scale(domain=list(kinds), range=list(kinds.values())),
        legend=alt.Legend(orient="bottom"),
    )
    base = alt.Chart(data).encode(y=alt.Y("metric:N", sort=None, title=None, axis=alt.Axis(labelLimit=170)))
    x = alt.X("ci_lower:Q", title="effect, as a share of control", axis=alt.Axis(format="+.0%", tickCount=6))
    spans = base.mark_rule(strokeWidth=3).encode(x=x, x2="ci_upper:Q", color=color)
    dots = base.mark_point(filled=True, size=90, opacity=1.0).encode(
        x="effect_size:Q",
        color=color,
        tooltip=["metric:N", *(alt.Tooltip(f"{name}:Q", format="+.2%") for name in names[1:])],
    )
    limits = base.mark_tick(color=INK, thickness=2.5, size=20).encode(x="limit:Q")
    figures = base.mark_text(dy=-12, fontSize=11).encode(
        x="effect_size:Q", text=alt.Text("effect_size:Q", format="+.1%")
    )
    zero = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color=MUTED, strokeDash=[4, 3]).encode(x="zero:Q")
    moved = data.filter(pl.col("found") != "unclear")["metric"].to_list()
    message = f"{len(moved)} of {data.height} metrics moved" + (f": {', '.join(moved)}" if 0 < len(moved) < 4 else "")
    limited = data["limit"].null_count() < data.height
    detail = "Lines: intervals." + (" Black ticks: how far a guardrail may go." if limited else "")
    layers = alt.layer(zero, spans, dots, limits, figures)
    return styled(layers.properties(width=WIDTH - 260, height=alt.Step(42), title=headed(message, detail)))


def qini_curve(table: pl.DataFrame, *, outcome: str = "gain", share: float = 0.3) -> Chart:
    """What is gained by treating only the most promising, as more and more are treated.

    Args:
        table: `model`, `targeted_frac` in [0, 1] and `gain` and, where known, `ci_lower`, `ci_upper`. The last point of
            a model, everybody treated, is the same for all.
        outcome: what is gained, with its unit.
        share: share treated at which models are compared in the title.
    """
    names = ["model", "targeted_frac", "gain"]
    banded = {"ci_lower", "ci_upper"} <= set(table.columns)
    columns = [*names, "ci_lower", "ci_upper"] if banded else names
    data = checked(table, columns, "Qini").sort("model", "targeted_frac")
    models = data["model"].unique(maintain_order=True).to_list()
    everybody = float(data.filter(pl.col("targeted_frac") == pl.col("targeted_frac").max())["gain"].to_numpy().mean())
    best = _best_at(data, share)
    scale = alt.Scale(domain=models, range=[MAIN, ACCENT, GOOD, "#CC79A7", "#56B4E9", MUTED][: len(models)])
    legend = alt.Legend(orient="bottom", columns=3, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1)
    x = alt.X(
        "targeted_frac:Q",
        title="share of customers treated, the most promising first",
        scale=alt.Scale(domain=[0.0, 1.0]),
        axis=alt.Axis(format="%", tickCount=5),
    )
    base = alt.Chart(data).encode(x=x, color=alt.Color("model:N", title=None, scale=scale, legend=legend))
    bands = base.transform_filter(alt.datum.model == best["model"]).mark_area(opacity=0.18)
    lines = base.mark_line(strokeWidth=2.2).encode(
        y=alt.Y("gain:Q", title=outcome, axis=alt.Axis(tickCount=6)),
        tooltip=["model:N", alt.Tooltip("targeted_frac:Q", format=".0%"), alt.Tooltip("gain:Q", format=",.3g")],
    )
    by_lot = pl.DataFrame({"targeted_frac": [0.0, 1.0], "gain": [0.0, everybody]})
    chance = alt.Chart(by_lot).mark_line(color=INK, strokeDash=[4, 3], strokeWidth=1.4).encode(x=x, y="gain:Q")
    band = [bands.encode(y="ci_lower:Q", y2="ci_upper:Q")] if banded else []
    detail = "Dashed: customers treated in random order." + f" Band: interval of {best['model']}." * banded
    title = headed(_qini_title(best, everybody), detail)
    return styled(alt.layer(*band, chance, lines).properties(width=WIDTH - 140, height=TALL + 20, title=title))


def _best_at(data: pl.DataFrame, share: float) -> dict[str, Any]:
    """The row nearest to `share` of the model that gains most there."""
    near = data.sort((pl.col("targeted_frac") - share).abs(), "targeted_frac").group_by("model", maintain_order=True)
    return near.first().sort("gain", "model", descending=[True, False]).row(0, named=True)


def _qini_title(best: Mapping[str, Any], everybody: float) -> str:
    reached = f"Treating the {best['targeted_frac']:.0%} that {best['model']} picks gains "
    if everybody <= 0.0:
        return reached + f"{best['gain']:,.3g}; treating everybody gains nothing"
    return reached + f"{best['gain'] / everybody:.0%} of what treating all does"
