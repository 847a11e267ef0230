"""The board as one picture: a panel per world, a line per row."""

from __future__ import annotations

from typing import Literal

import altair as alt
import polars as pl

from benchmarks.profit_captured.shares import ALL
from flashlift.charts.theme import ACCENT, INK, MAIN, MUTED, Chart, checked, styled

__all__ = ["board"]

LEAST, MOST = -0.5, 1.15  # shares beyond are drawn at the edge, with their figure
ROOM = 0.06  # for the arrows
PER_LINE = 4


def board(shares: pl.DataFrame, names: dict[str, str], highlight: str, title: str) -> Chart:
    """Share of the oracle's profit with 90 % intervals; rows in the order of their share over all worlds.

    Args:
        shares: as `shares.shares`; where there is none, the panel says so.
        names: row -> name on the board, in the order to show.
        highlight: row to stress.
        title: what the picture says.
    """
    columns = ["world", "row", "share", "ci_lower", "ci_upper"]
    data = checked(shares.filter(pl.col("row").is_in(list(names))), columns, "board").with_columns(
        name=pl.col("row").replace_strict(names),
        at=pl.col("share").clip(LEAST, MOST),
        lower=pl.col("ci_lower").clip(LEAST, MOST),
        upper=pl.col("ci_upper").clip(LEAST, MOST),
        ours=pl.col("row") == highlight,
    )
    panels = [ALL, *(world for world in data["world"].unique(maintain_order=True) if world != ALL)]
    base = alt.Chart(data).encode(
        y=alt.Y(
            "name:N", sort=list(names.values()), title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=320)
        )
    )
    scale = alt.Scale(domain=[LEAST - ROOM, MOST + ROOM], nice=False)
    axis = alt.Axis(values=[-0.5, 0, 0.5, 1], format=".1f", grid=False)
    x = alt.X("at:Q", scale=scale, axis=axis, title=None)
    color = alt.condition("datum.ours", alt.value(MAIN), alt.value(INK))
    stripes = base.mark_rule(color="#EEF1F4", strokeWidth=1).encode()
    zero = alt.Chart(data).mark_rule(color=MUTED, strokeWidth=1).encode(x=alt.datum(0.0))
    one = alt.Chart(data).mark_rule(color=MUTED, strokeWidth=1, strokeDash=[4, 3]).encode(x=alt.datum(1.0))
    ranges = base.mark_rule(strokeWidth=2.4).encode(x="lower:Q", x2="upper:Q", color=color)
    points = (
        base.transform_filter(f"datum.share !== null && datum.share >= {LEAST} && datum.share <= {MOST}")
        .mark_circle(size=62, opacity=1)
        .encode(x=x, color=color)
    )
    beyond = [
        *_beyond(base, f"datum.share < {LEAST}", "triangle-left", "left", 9),
        *_beyond(base, f"datum.share > {MOST}", "triangle-right", "right", -9),
    ]
    failed = (
        base.transform_filter("datum.share === null")
        .mark_text(align="left", dx=6, fontSize=11, fontStyle="italic", color=ACCENT)
        .encode(x=alt.datum(0.0), text=alt.value("no share"))
    )
    layers = alt.layer(stripes, zero, one, ranges, points, *beyond, failed).properties(width=190, height=alt.Step(21))
    detail = (
        "True incremental profit as a share of the oracle's (dashed: 1). Bars: 90 % bootstrap intervals over seeds. "
        f"Arrows with figures: shares below {LEAST:g} or above {MOST:g}."
    )
    faceted = layers.facet(alt.Facet("world:N", sort=panels, title=None), columns=PER_LINE).properties(
        title=alt.TitleParams(text=title, subtitle=detail)
    )
    return styled(faceted)


def _beyond(base: alt.Chart, where: str, shape: str, align: Literal["left", "right"], dx: int) -> list[alt.Chart]:
    """An arrow at the edge, and the share that lies outside."""
    outside = base.transform_filter(where)
    arrow = outside.mark_point(shape=shape, size=70, filled=True, opacity=1, color=ACCENT).encode(x="at:Q")
    words = outside.mark_text(align=align, dx=dx, fontSize=11, color=ACCENT)
    return [arrow, words.encode(x="at:Q", text=alt.Text("share:Q", format=".2f"))]
