"""What a report is made of: small tables and values, gathered from the stages that ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from flashlift.domain import Campaign, Estimate, Goal, Plan
from flashlift.errors import InputError

__all__ = ["COLUMNS", "Evidence"]

_INTERVAL = ("ci_lower", "ci_upper")

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "quality": ("source", "rows_read", "accepted", "rejected"),
    "rules": ("rule", "meaning", "rows", "share_frac"),
    "intent_metrics": (
        *("model", "horizon_hours", "pr_auc", "pr_auc_ci_lower", "pr_auc_ci_upper", "log_loss", "brier"),
        *("brier_skill", "ece", "base_rate", "n"),
    ),
    "reliability": ("model", "horizon_hours", "bin", "predicted", "observed", "n"),
    "learning_curves": ("step", "metric", "part", "value"),
    "model_card": ("part", "says"),
    "segments": ("kind", "segment", "n", "base_rate", "predicted", "pr_auc", "brier_skill", "ece", "horizon_hours"),
    "recommend_metrics": ("model", "metric", "value", *_INTERVAL, "n"),
    "forecast_daily": ("date", "actual", "mean", *_INTERVAL),
    "forecast_metrics": ("level", "model"),
    "forecast_origins": ("level", "model"),
    "curves": ("item_id", "title", "discount_frac", "lift", *_INTERVAL, "identified"),
    "elasticities": ("item_id", "category", "elasticity", *_INTERVAL, "n_promotions", "identified"),
    "plan_table": (
        *("slot_id", "start", "item_id", "title", "category", "list_price", "price", "discount_frac", "quota"),
        *("expected_units", "expected_value", "cost_assumed", "stock_assumed", "beyond_frac", "basis"),
    ),
    "placebo": ("test", "statistic", "value", *_INTERVAL, "verdict", "consequence"),
    "lots": ("basis", "quantity", "value", *_INTERVAL, "n", "says"),
    "lost_sales": ("item_id", "empty_days", "units", "lost_units", *_INTERVAL),
    "stock": (
        *("item_id", "title", "mean_units", *_INTERVAL, "order_units", "service_level", "leftover_units"),
        *("lost_units", "cost_assumed"),
    ),
    "comparison": (
        *("plan", "value", *_INTERVAL, "gross_sales", "units", "sell_through"),
        *("revenue", "buyers", "stock_cleared"),
    ),
    "pareto": ("weight", "profit", "revenue", "buyers", "stock_cleared", "offers", "gap_frac"),
    "broken": ("limit", "where", "amount", "unit"),
    "soft": ("limit", "where", "amount", "unit"),
    "nominations": (
        *("item_id", "seller", "price", "stock", "funding_frac", "taken", "expected_units", "expected_funding"),
        "why",
    ),
    "exploration": (
        *("item_id", "slot_id", "price", "propensity", "planned", "drawn", "expected_units", "expected_value"),
    ),
}
"""Columns of each table of `Evidence`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything a report shows. What a run did not make stays None, and the report says why.

    Money is in `currency`, shares are fractions, times are UTC. The columns of each table are in `COLUMNS`.

    Args:
        title: name of the shop.
        created: when the report was made, with a time zone.
        settings: summary of the settings, name -> value in words.
        currency: ISO 4217 code; None where the log holds no prices.
        data_start: first event.
        data_end: last event.
        quality: rows read, accepted and rejected per source.
        rules: rows set aside by each cleaning rule; `share_frac` of all rows read.
        intent_metrics: quality of the purchase probabilities, per model and horizon.
        reliability: predicted against observed shares, on a later window than the calibration's.
        learning_curves: metrics on training and validation data while the behavior model learned.
        model_card: what the behavior model was made from, what it says and what not, in words.
        segments: quality of the purchase probabilities by segment of customers, at one horizon.
        recommend_metrics: ranking quality, per model and metric.
        forecast_daily: daily totals; the forecast is null where there is none.
        forecast_metrics: errors of the forecast, a row per level (item, shop ...) and model, a column per metric.
        forecast_origins: the error from each origin, a row per level and model, a column per origin.
        forecast_note: which forecasts are missing beside it, and why.
        held_out_start: first day that the demand model did not see.
        curves: lift in units against discount, per item.
        elasticities: price elasticity per item.
        placebo: tests of the promotion response where nothing was discounted; first row: what real sales did.
        lots: what randomized sales say beside the shop's own; no rows where the log does not hold both.
        lost_sales: demand that met an empty shelf, per item; the first row, without an item, is the whole shop.
        sensitivity: how strong hidden causes would have to be to turn the conclusions, a sentence each.
        plan: the plan.
        decision: who approved or rejected it and when, in words; `draft` where nobody has.
        campaign: what it was made for.
        plan_table: its offers with names, prices and marks where a cost or a stock is assumed.
        value: expected incremental profit on draws that the planner did not see.
        comparison: the plan (first row) and rules of thumb, valued on the same draws.
        pareto: plans between the most profit and the most gross sales, where they were asked for, on the same draws.
        broken: what the independent checker found wrong with the plan; no rows for a sound plan.
        soft: soft limits that the plan breaks, which is allowed.
        nominations: what became of each seller's nomination; None where there are none.
        exploration: prices that could have been drawn by lot, and which was; no rows where none was.
        test_design: how the gain is to be proved, in words.
        stock: units to order of each item in the plan.
        assumptions: what the figures rest on, a sentence each.
        stages_skipped: stage (events, behavior, recommend, demand, plan, experiments) -> why it did not run.

    Raises:
        InputError: a table lacks a column, or `created` has no time zone.
    """

    title: str
    created: datetime
    settings: Mapping[str, str]
    currency: str | None = None
    data_start: datetime | None = None
    data_end: datetime | None = None
    quality: pl.DataFrame | None = None
    rules: pl.DataFrame | None = None
    intent_metrics: pl.DataFrame | None = None
    reliability: pl.DataFrame | None = None
    learning_curves: pl.DataFrame | None = None
    model_card: pl.DataFrame | None = None
    segments: pl.DataFrame | None = None
    recommend_metrics: pl.DataFrame | None = None
    forecast_daily: pl.DataFrame | None = None
    forecast_metrics: pl.DataFrame | None = None
    forecast_origins: pl.DataFrame | None = None
    forecast_note: str | None = None
    held_out_start: date | None = None
    curves: pl.DataFrame | None = None
    elasticities: pl.DataFrame | None = None
    placebo: pl.DataFrame | None = None
    lots: pl.DataFrame | None = None
    lost_sales: pl.DataFrame | None = None
    sensitivity: tuple[str, ...] = ()
    plan: Plan | None = None
    decision: str = "draft"
    campaign: Campaign | None = None
    plan_table: pl.DataFrame | None = None
    value: Estimate | None = None
    comparison: pl.DataFrame | None = None
    pareto: pl.DataFrame | None = None
    broken: pl.DataFrame | None = None
    soft: pl.DataFrame | None = None
    nominations: pl.DataFrame | None = None
    exploration: pl.DataFrame | None = None
    test_design: str | None = None
    stock: pl.DataFrame | None = None
    assumptions: tuple[str, ...] = ()
    stages_skipped: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.created.tzinfo is None:
            raise InputError(f"The report's time {self.created} has no time zone. Give it in UTC.")
        for name, columns in COLUMNS.items():
            table: pl.DataFrame | None = getattr(self, name)
            missing = [] if table is None else [column for column in columns if column not in table.columns]
            if missing:
                raise InputError(f"The report's table {name} lacks the columns {missing}.")

    @property
    def cost_assumed(self) -> bool:
        """Whether a unit cost behind the plan is an assumption."""
        return self.plan_table is not None and bool(self.plan_table["cost_assumed"].any())

    @property
    def stock_assumed(self) -> bool:
        """Whether a stock behind the plan is an assumption."""
        return self.plan_table is not None and bool(self.plan_table["stock_assumed"].any())

    @property
    def other_goal(self) -> str:
        """The goal of the plan in words; empty where it is profit."""
        return "" if self.campaign is None or self.campaign.goal == Goal() else self.campaign.goal.words

    def reason(self, *stages: str) -> str:
        """Why nothing of a stage can be shown: the stage itself first, then those that it needs."""
        found = (self.stages_skipped[stage] for stage in stages if stage in self.stages_skipped)
        return next(found, "This run did not include it.")
