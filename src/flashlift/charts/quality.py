"""Charts of the data that came in."""

from __future__ import annotations

import altair as alt
import polars as pl

from flashlift.charts.theme import ACCENT, WIDTH, Chart, checked, headed, styled

__all__ = ["quality"]


def quality(rules: pl.DataFrame) -> Chart:
    """Rows set aside by each cleaning rule, most first.

    Args:
        rules: `rule`, `meaning`, `rows`, `share_frac` (of all rows read).
    """
    data = checked(rules, ["rule", "meaning", "rows", "share_frac"], "data-quality").sort("rows", descending=True)
    room = alt.Scale(domainMax=1.25 * int(data["rows"][0]))  # for the figures beside the bars
    axis = alt.X("rows:Q", title="rows set aside", scale=room, axis=alt.Axis(tickCount=6))
    base = alt.Chart(data).encode(y=alt.Y("rule:N", sort=None, title=None), x=axis)
    bars = base.mark_bar(color=ACCENT, height=14, cornerRadiusEnd=3).encode(
        tooltip=["rule:N", "meaning:N", alt.Tooltip("rows:Q", format=","), alt.Tooltip("share_frac:Q", format=".2%")]
    )
    labels = base.mark_text(align="left", dx=5).encode(text=alt.Text("rows:Q", format=","))
    title = headed(
        f"{data['rows'].sum():,} rows ({data['share_frac'].sum():.1%}) were set aside by {data.height} rules",
        "Each row is kept with the rule that it broke.",
    )
    return styled(alt.layer(bars, labels).properties(width=WIDTH - 200, height=alt.Step(24), title=title))
