"""Sections about what the plan rests on: prices, forecast, customers, data, assumptions."""

from __future__ import annotations

import polars as pl

from flashlift import charts
from flashlift.report.blocks import Block, Column, Figure, Note, Section, figure, table
from flashlift.report.evidence import Evidence
from flashlift.report.formats import count, decimal, percent
from flashlift.report.marks import legend

__all__ = ["assumptions", "customers", "data", "demand_forecast", "learning", "model_card", "price_response"]

MOST_CURVES = 12


def price_response(evidence: Evidence) -> Section:
    """Response curves of the chosen items, and how elasticities are spread."""
    lead = (
        "How many more units a discount brings. This decides the profit of a sale, more than the forecast of its base."
    )
    blocks: list[Block] = []
    if evidence.curves is not None and not evidence.curves.is_empty():
        blocks.append(_curve_panels(evidence, evidence.curves))
    if evidence.elasticities is not None and not evidence.elasticities.drop_nulls("elasticity").is_empty():
        blocks.append(figure(charts.elasticities(evidence.elasticities)))
    return Section(anchor="prices", title="Price response", lead=lead, blocks=_or_reason(blocks, evidence, "demand"))


def _curve_panels(evidence: Evidence, curves: pl.DataFrame) -> Figure:
    if evidence.plan_table is not None and not evidence.plan_table.is_empty():
        worth = evidence.plan_table.group_by("item_id").agg(pl.col("expected_value").sum())
        curves = curves.join(worth, on="item_id").sort(
            "expected_value", "item_id", "discount_frac", descending=[True, False, False]
        )
    shown = curves["item_id"].unique(maintain_order=True).head(MOST_CURVES).to_list()
    kept = curves.filter(pl.col("item_id").is_in(shown))
    return figure(charts.price_curves(kept), *(charts.price_curves(kept.filter(item_id=item)) for item in shown))


def demand_forecast(evidence: Evidence) -> Section:
    """Forecast against actual."""
    lead = (
        "The demand model forecasts days that it has not seen; the closer, the better the plan's base. What it says of "
        "categories and of the shop are sums of the same draws of items."
    )
    blocks: list[Block] = []
    if evidence.forecast_daily is not None and not evidence.forecast_daily.is_empty():
        blocks.append(figure(charts.forecast(evidence.forecast_daily, held_out_start=evidence.held_out_start)))
    blocks += _errors("Errors on held-out days, mean over the origins", evidence.forecast_metrics)
    blocks += _errors("WAPE of the forecast from each origin to the end", evidence.forecast_origins)
    if evidence.forecast_note is not None:
        blocks.append(Note(text=evidence.forecast_note))
    return Section(
        anchor="forecast", title="Forecast against actual", lead=lead, blocks=_or_reason(blocks, evidence, "demand")
    )


def _errors(title: str, frame: pl.DataFrame | None) -> list[Block]:
    if frame is None or frame.is_empty():
        return []
    columns = [
        Column(heading="Level", cell=lambda r: r["level"], holds="code"),
        Column(heading="Model", cell=lambda r: r["model"], holds="code"),
        *(
            Column(heading=name, cell=lambda r, name=name: decimal(r[name]))  # type: ignore[misc]
            for name in frame.columns
            if name not in {"level", "model"}
        ),
    ]
    return [table(title, frame, columns)]


def customers(evidence: Evidence) -> Section:
    """Who will buy, and what they see."""
    lead = "Purchase probabilities and rankings, judged on days after those they were trained and calibrated on."
    blocks: list[Block] = []
    if evidence.reliability is not None and not evidence.reliability.is_empty():
        horizons = evidence.reliability["horizon_hours"].unique().sort()
        panels = (charts.reliability(evidence.reliability.filter(horizon_hours=hours)) for hours in horizons)
        blocks.append(figure(charts.reliability(evidence.reliability), *panels))
    blocks += _or_reason(_intent_table(evidence.intent_metrics), evidence, "behavior")
    blocks += _or_reason(_ranking_table(evidence.recommend_metrics), evidence, "recommend", "behavior")
    return Section(anchor="customers", title="Who will buy", lead=lead, blocks=tuple(blocks))


def learning(evidence: Evidence) -> Section:
    """How the behavior model learned."""
    lead = (
        "Metrics of the behavior model while it learned. Training stops when the later data no longer gain; where the "
        "two lines of a panel part, more training would only learn the past by heart."
    )
    blocks: list[Block] = []
    curves = evidence.learning_curves
    if curves is not None and not curves.is_empty():
        panels = (charts.learning_curves(curves, only=name) for name in charts.metrics_in(curves))
        blocks.append(figure(charts.learning_curves(curves), *panels))
    return Section(
        anchor="learning", title="How it learned", lead=lead, blocks=_or_reason(blocks, evidence, "behavior")
    )


def model_card(evidence: Evidence) -> Section:
    """What the behavior model was made from, what it can say, for whom it is how good."""
    lead = (
        "What the behavior model was made from, what it can say and what not, and for which customers it is how good."
    )
    blocks: list[Block] = []
    if evidence.model_card is not None and not evidence.model_card.is_empty():
        by_part = evidence.model_card.group_by("part", maintain_order=True).agg(pl.col("says").str.join(" "))
        blocks.append(_words("Model card", by_part, [("Part", "part"), ("Says", "says")]))
    blocks += _segment_table(evidence.segments)
    return Section(
        anchor="card", title="The behavior model", lead=lead, blocks=_or_reason(blocks, evidence, "behavior")
    )


def _segment_table(frame: pl.DataFrame | None) -> list[Block]:
    if frame is None or frame.is_empty():
        return []
    columns = [
        Column(heading="Customers by", cell=lambda r: r["kind"], holds="code"),
        Column(heading="Segment", cell=lambda r: r["segment"], holds="code"),
        Column(heading="Predicted", cell=lambda r: percent(r["predicted"], 2)),
        Column(heading="Buy", cell=lambda r: percent(r["base_rate"], 2)),
        Column(heading="PR-AUC", cell=lambda r: decimal(r["pr_auc"])),
        Column(heading="Brier skill", cell=lambda r: percent(r["brier_skill"])),
        Column(heading="Calibration error", cell=lambda r: decimal(r["ece"], 4)),
        Column(heading="Predictions", cell=lambda r: count(r["n"])),
    ]
    hours = frame["horizon_hours"][0]
    note = (
        "Segments with too few predictions or orders are left out. Brier skill is against the segment's own base rate."
    )
    return [table(f"Who orders within {hours:g} hours, by segment", frame, columns, note=note)]


def _intent_table(frame: pl.DataFrame | None) -> list[Block]:
    if frame is None or frame.is_empty():
        return []
    columns = [
        Column(heading="Model", cell=lambda r: r["model"], holds="code"),
        Column(heading="Within", cell=lambda r: f"{r['horizon_hours']:g} h"),
        Column(heading="Buy (base rate)", cell=lambda r: percent(r["base_rate"], 2)),
        Column(heading="PR-AUC", cell=lambda r: decimal(r["pr_auc"])),
        Column(
            heading="Interval", cell=lambda r: f"{decimal(r['pr_auc_ci_lower'])} to {decimal(r['pr_auc_ci_upper'])}"
        ),
        Column(heading="Log loss", cell=lambda r: decimal(r["log_loss"], 4)),
        Column(heading="Brier", cell=lambda r: decimal(r["brier"], 4)),
        Column(heading="Brier skill", cell=lambda r: percent(r["brier_skill"])),
        Column(heading="Calibration error", cell=lambda r: decimal(r["ece"], 4)),
        Column(heading="Predictions", cell=lambda r: count(r["n"])),
    ]
    note = (
        "PR-AUC of a model that knows nothing equals the base rate; Brier skill is against always saying the base rate."
    )
    return [table("Will this customer buy?", frame, columns, note=note)]


def _ranking_table(frame: pl.DataFrame | None) -> list[Block]:
    if frame is None or frame.is_empty():
        return []
    columns = [
        Column(heading="Model", cell=lambda r: r["model"], holds="code"),
        Column(heading="Metric", cell=lambda r: r["metric"], holds="code"),
        Column(heading="Value", cell=lambda r: decimal(r["value"], 4)),
        Column(heading="Interval", cell=lambda r: f"{decimal(r['ci_lower'], 4)} to {decimal(r['ci_upper'], 4)}"),
        Column(heading="Cases", cell=lambda r: count(r["n"])),
    ]
    return [table("Is what they buy ranked high?", frame, columns)]


def data(evidence: Evidence) -> Section:
    """What came in and what was set aside."""
    lead = "Every row that breaks a rule is kept apart with the rule's name; none is silently dropped."
    blocks: list[Block] = []
    if evidence.quality is not None and not evidence.quality.is_empty():
        columns = [
            Column(heading="Source", cell=lambda r: r["source"], holds="code"),
            *(
                Column(heading=name.replace("_", " ").capitalize(), cell=lambda r, name=name: count(r[name]))  # type: ignore[misc]
                for name in ("rows_read", "accepted", "rejected")
            ),
        ]
        blocks.append(table("Rows per source", evidence.quality, columns))
    if evidence.rules is not None and not evidence.rules.is_empty():
        columns = [
            Column(heading="Rule", cell=lambda r: r["rule"], holds="code"),
            Column(heading="Meaning", cell=lambda r: r["meaning"], holds="words"),
            Column(heading="Rows", cell=lambda r: count(r["rows"])),
            Column(heading="Share", cell=lambda r: percent(r["share_frac"], 2)),
        ]
        blocks.append(figure(charts.quality(evidence.rules)))
        blocks.append(table("Rules", evidence.rules.sort("rows", descending=True), columns))
    return Section(anchor="data", title="Data quality", lead=lead, blocks=_or_reason(blocks, evidence, "events"))


def assumptions(evidence: Evidence) -> Section:
    """What the figures rest on, the settings, and what did not run."""
    lead = "Change any of these in the settings file and run again: the plan follows."
    blocks: list[Block] = [Note(text=text, tone="item") for text in evidence.assumptions]
    if legend(evidence):
        blocks.append(Note(text="Marks: " + legend(evidence)))
    if evidence.settings:
        frame = pl.DataFrame({"name": list(evidence.settings), "value": [str(v) for v in evidence.settings.values()]})
        names = [("Setting", "name"), ("Value", "value")]
        blocks.append(_words("Settings", frame, names))
    if evidence.stages_skipped:
        skipped = pl.DataFrame({"stage": list(evidence.stages_skipped), "why": list(evidence.stages_skipped.values())})
        blocks.append(_words("Stages that did not run", skipped, [("Stage", "stage"), ("Reason", "why")]))
    return Section(anchor="assumptions", title="Assumptions and settings", lead=lead, blocks=tuple(blocks))


def _words(title: str, frame: pl.DataFrame, names: list[tuple[str, str]]) -> Block:
    columns = [Column(heading=h, cell=lambda r, c=c: r[c], holds="words") for h, c in names]  # type: ignore[misc]
    return table(title, frame, columns)


def _or_reason(blocks: list[Block], evidence: Evidence, *stages: str) -> tuple[Block, ...]:
    return tuple(blocks) or (Note(text=evidence.reason(*stages), tone="absent"),)
