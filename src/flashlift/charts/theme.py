"""One look for all charts: a palette that color-blind readers can tell apart, readable sizes, quiet axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from flashlift.errors import InputError

__all__ = [
    "ACCENT",
    "GOOD",
    "INK",
    "LABEL",
    "MAIN",
    "MUTED",
    "SEQUENCE",
    "WIDTH",
    "Chart",
    "checked",
    "headed",
    "labeled",
    "styled",
]

# Okabe and Ito 2008, "Color universal design"
MAIN = "#0072B2"
ACCENT = "#D55E00"
GOOD = "#009E73"
MUTED = "#8A94A3"
INK = "#1F2933"
SEQUENCE = ["#DCEAF5", "#9CC6E2", "#4F9BCB", "#0072B2", "#084C7A"]
WIDTH = 680

_BREAK = "\u2063"  # an invisible separator
LABEL = f"split(datum.label, '{_BREAK}')[0]"  # Vega expression: only the title of what `labeled` made

Chart = alt.LayerChart | alt.FacetChart

_CONFIG: dict[str, Any] = {
    "font": "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'Noto Sans', 'Noto Sans CJK SC', sans-serif",
    "background": "white",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "#52606D",
        "titleColor": "#52606D",
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "gridColor": "#E8ECF0",
        "domainColor": "#C3CBD4",
        "tickColor": "#C3CBD4",
        "labelLimit": 260,
        "titlePadding": 8,
    },
    "legend": {"labelColor": INK, "titleColor": "#52606D", "labelFontSize": 12, "orient": "top", "titleFontSize": 12},
    "title": {
        "anchor": "start",
        "color": INK,
        "fontSize": 15,
        "fontWeight": 600,
        "subtitleColor": "#52606D",
        "subtitleFontSize": 12,
        "subtitlePadding": 4,
        "offset": 12,
    },
    "header": {"labelColor": INK, "labelFontSize": 12, "labelFontWeight": 600, "title": None},
    "text": {"color": INK, "fontSize": 12},
}


def labeled(length: int) -> pl.Expr:
    """An item's title cut to `length`, followed by its identifier: unique even where titles are not. See `LABEL`."""
    name = pl.coalesce("title", "item_id")
    cut = pl.when(name.str.len_chars() > length).then(name.str.slice(0, length - 1) + pl.lit("…")).otherwise(name)
    return cut + pl.lit(_BREAK) + pl.col("item_id")


def styled(chart: Chart) -> Chart:
    """The chart in the house style; to be called once, on the outermost chart."""
    configured: Chart = chart.configure(**_CONFIG)
    return configured


def headed(message: str, detail: str = "") -> alt.TitleParams:
    """A title that says what the chart shows, with what one needs to read it below."""
    return alt.TitleParams(text=message, subtitle=detail) if detail else alt.TitleParams(text=message)


def checked(frame: pl.DataFrame, columns: Sequence[str], chart: str) -> pl.DataFrame:
    """`frame` with only `columns`, times as UTC text that every browser reads alike, non-finite numbers as null.

    Raises:
        InputError: a column is missing, or the frame is empty.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InputError(f"The {chart} chart lacks the columns {missing}; the table has {frame.columns}.")
    if frame.is_empty():
        raise InputError(f"The {chart} chart has no rows to show. Leave it out.")
    day, instant = pl.selectors.date(), pl.selectors.datetime()
    return frame.select(columns).with_columns(
        day.dt.strftime("%Y-%m-%dT00:00:00Z"),
        instant.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        pl.when(pl.selectors.float().is_finite()).then(pl.selectors.float()),
    )
