"""Charts of predictions about customers."""

from __future__ import annotations

import altair as alt
import numpy as np
import polars as pl

from flashlift.charts.theme import ACCENT, GOOD, MAIN, MUTED, Chart, checked, headed, styled

__all__ = ["reliability"]


def reliability(bins: pl.DataFrame) -> Chart:
    """Predicted probability against the share that bought, a panel per horizon; on the diagonal they agree.

    Args:
        bins: `model`, `horizon_hours`, `bin`, `predicted`, `observed`, `n`.
    """
    data = checked(bins, ["model", "horizon_hours", "bin", "predicted", "observed", "n"], "reliability")
    data = data.sort("model", "horizon_hours", "predicted").with_columns(
        panel=pl.format("within {} h", pl.col("horizon_hours").cast(pl.Float64).round(0).cast(pl.Int64))
    )
    models = data["model"].unique(maintain_order=True).to_list()
    diagonal = data.group_by("panel").agg(end=pl.max_horizontal("predicted", "observed").max())
    ends = pl.concat(
        [
            diagonal.with_columns(predicted=pl.lit(0.0), observed=pl.lit(0.0)),
            diagonal.with_columns(predicted="end", observed="end"),
        ]
    ).with_columns(model=pl.lit(models[0]), n=pl.lit(None, pl.Int64), bin=pl.lit(None, pl.Int64), on=pl.lit(value=True))
    table = pl.concat([data.with_columns(on=pl.lit(value=False)), ends], how="diagonal_relaxed")
    x = alt.X("predicted:Q", title="predicted probability", axis=alt.Axis(format="%", tickCount=5))
    y = alt.Y("observed:Q", title="share that bought", axis=alt.Axis(format="%", tickCount=5))
    base = alt.Chart(table).encode(x=x, y=y)
    rule = base.transform_filter("datum.on").mark_line(strokeDash=[4, 3], color=MUTED)
    colors = alt.Scale(domain=models, range=[MAIN, ACCENT, GOOD, MUTED][: len(models)])
    points = (
        base.transform_filter("!datum.on")
        .mark_line(point={"size": 40}, strokeWidth=2)
        .encode(
            color=alt.Color("model:N", title=None, scale=colors, legend=alt.Legend(orient="bottom", columns=1)),
            tooltip=[
                "model:N",
                alt.Tooltip("predicted:Q", format=".2%"),
                alt.Tooltip("observed:Q", format=".2%"),
                alt.Tooltip("n:Q", format=",", title="predictions"),
            ],
        )
    )
    order = data.sort("horizon_hours")["panel"].unique(maintain_order=True).to_list()
    error = _gap(data)
    title = headed(
        f"Predicted and observed shares differ by {error:.2%} on average",
        "Each point: predictions of similar size, on days the model did not see; dashed: perfect agreement.",
    )
    chart = alt.layer(rule, points).properties(width=190, height=190)
    panels: alt.FacetChart = chart.facet(facet=alt.Facet("panel:N", sort=order), columns=3)
    return styled(panels.resolve_scale(x="independent", y="independent").properties(title=title))


def _gap(data: pl.DataFrame) -> float:
    """Mean distance from the diagonal, weighted by predictions."""
    gap = (data["predicted"] - data["observed"]).abs().to_numpy()
    return float(np.average(gap, weights=data["n"].to_numpy()))
