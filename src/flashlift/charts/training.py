"""Charts of how a network learned."""

from __future__ import annotations

import altair as alt
import polars as pl

from flashlift.charts.theme import ACCENT, MAIN, MUTED, Chart, checked, headed, styled

__all__ = ["learning_curves", "metrics_in"]

NAMES = {
    "loss": "loss",
    "item_loss": "loss of the next item",
    "hazard_loss": "loss of the time to purchase",
    "category_loss": "loss of the next category",
    "value_loss": "loss of the value",
    "auc": "AUC",
    "ndcg@10": "NDCG@10",
}
LEFT_OUT = "batch_loss"  # with dropout and on other negatives, so not to be held against the others
PARTS = {"train": "training", "valid": "validation"}


def learning_curves(curves: pl.DataFrame, *, only: str | None = None) -> Chart:
    """Each metric against the steps, on training and on later data, a panel per metric; the kept step is marked.

    Args:
        curves: `step`, `metric`, `part` (train or valid), `value`; the metric `loss` of `valid` says what is kept.
        only: draw the panel of this metric alone.

    Raises:
        InputError: a column is missing, or there is no finite value.
    """
    data = checked(curves, ["step", "metric", "part", "value"], "learning curves").drop_nulls("value")
    data = checked(data.filter(pl.col("metric") != LEFT_OUT), data.columns, "learning curves")
    order = metrics_in(data)
    data = data.with_columns(
        panel=pl.col("metric").replace(NAMES), part=pl.col("part").replace(PARTS), kept=pl.lit(None, pl.Int64)
    )
    stopped = data.filter(metric="loss", part=PARTS["valid"]).sort("value", "step")
    last = int(data["step"].cast(pl.Int64).max() or 0)  # type: ignore[arg-type]
    title = headed(f"How the metrics went in {last} steps")
    if not stopped.is_empty():
        best = int(stopped["step"][0])
        marks = data.unique("panel", keep="first", maintain_order=True)
        marks = marks.with_columns(kept=pl.lit(best, pl.Int64), value=pl.lit(None, pl.Float64))
        data = pl.concat([data, marks])
        title = headed(
            f"The weights of step {best} of {last} were kept",
            "Dashed: the step with the smallest loss on validation data, which are later than the training data.",
        )
    if only is not None:
        data, order = data.filter(metric=only), [only]
    base = alt.Chart(data)
    rule = base.transform_filter("isValid(datum.kept)").mark_rule(strokeDash=[4, 3], color=MUTED).encode(x="kept:Q")
    colors = alt.Scale(domain=list(PARTS.values()), range=[MAIN, ACCENT])
    lines = (
        base.transform_filter("!isValid(datum.kept)")
        .mark_line(point={"size": 28}, strokeWidth=2)
        .encode(
            x=alt.X("step:Q", title="step", axis=alt.Axis(tickCount=4, format=",d")),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
            color=alt.Color("part:N", title=None, scale=colors, legend=alt.Legend(orient="bottom")),
            tooltip=["part:N", "panel:N", "step:Q", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    names = [NAMES.get(name, name) for name in order]
    chart = alt.layer(rule, lines).properties(width=190, height=150)
    panels: alt.FacetChart = chart.facet(facet=alt.Facet("panel:N", sort=names), columns=3)
    return styled(panels.resolve_scale(y="independent").resolve_axis(x="independent").properties(title=title))


def metrics_in(curves: pl.DataFrame) -> list[str]:
    """The metrics that have a panel, in the order of the panels."""
    there = set(curves["metric"]) - {LEFT_OUT}
    return [name for name in NAMES if name in there] + sorted(there - set(NAMES))
