"""Synthetic evidence: everything there, or parts of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from tests.charts import tables

from flashlift.domain import Campaign, Costs, Estimate, Offer, Plan, PlanStatus, Slot
from flashlift.limits import MarginFloor
from flashlift.planning import findings_frame
from flashlift.report import Evidence


def plan(offers: pl.DataFrame) -> Plan:
    names = ("item_id", "slot_id", "discount_frac", "price", "quota", "expected_units", "expected_value")
    return Plan(
        offers=tuple(Offer(**{name: row[name] for name in names}) for row in offers.iter_rows(named=True)),
        status=PlanStatus.OPTIMAL,
        objective=1_905.0,
        bound=1_905.6,
        gap_frac=0.0003,
        limit_prices=tables.limit_prices(),
    )


def campaign(offers: pl.DataFrame) -> Campaign:
    starts = offers.select("slot_id", "start").unique().sort("start")
    return Campaign(
        slots=tuple(
            Slot(slot_id=name, start=start, end=start + timedelta(hours=4), positions=10)
            for name, start in starts.iter_rows()
        ),
        ladder=(0.1, 0.2, 0.3, 0.4),
        limits=(MarginFloor(margin_frac=0.1),),
        costs=Costs(return_frac=0.02),
    )


def full(**changes: Any) -> Evidence:
    offers = changes.pop("plan_table", tables.plan_table(offers=40, slots=4))
    parts: dict[str, Any] = {
        "title": "Online Retail",
        "created": datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
        "settings": {"unit cost": "60% of the list price", "discounts": "10%, 20%, 30%, 40%", "seed": "7"},
        "currency": "GBP",
        "data_start": datetime(2010, 12, 1, tzinfo=UTC),
        "data_end": datetime(2011, 12, 9, tzinfo=UTC),
        "quality": tables.quality(),
        "rules": tables.rules(),
        "intent_metrics": pl.DataFrame(
            {
                "model": ["event transformer", "recency and frequency"],
                "horizon_hours": [168.0, 168.0],
                "pr_auc": [0.231, 0.214],
                "pr_auc_ci_lower": [0.219, 0.203],
                "pr_auc_ci_upper": [0.244, 0.226],
                "log_loss": [0.2213, 0.2301],
                "brier": [0.0612, 0.0631],
                "brier_skill": [0.081, 0.052],
                "ece": [0.0041, 0.0103],
                "base_rate": [0.071, 0.071],
                "n": [21_004, 21_004],
            }
        ),
        "reliability": tables.reliability(),
        "learning_curves": tables.learning_curves(),
        "model_card": pl.DataFrame(
            {
                "part": ["Trained on", "Predicts", "Predicts"],
                "says": ["events of 4,300 customers", "Which item comes next.", "Whether an order begins."],
            }
        ),
        "segments": pl.DataFrame(
            {
                "kind": ["history", "customer"],
                "segment": ["1 to 4 events", "older"],
                "n": [812, 4_100],
                "base_rate": [0.031, 0.082],
                "predicted": [0.034, 0.080],
                "pr_auc": [0.112, 0.241],
                "brier_skill": [0.012, 0.083],
                "ece": [0.0061, 0.0043],
                "horizon_hours": [168.0, 168.0],
            }
        ),
        "recommend_metrics": pl.DataFrame(
            {
                "model": ["event transformer", "popular per segment"],
                "metric": ["NDCG@10", "NDCG@10"],
                "value": [0.0561, 0.0432],
                "ci_lower": [0.0531, 0.0405],
                "ci_upper": [0.0592, 0.0460],
                "n": [3_120, 3_120],
            }
        ),
        "forecast_daily": tables.forecast_daily(),
        "forecast_metrics": pl.DataFrame(
            {
                "level": ["shop x day"] * 2,
                "model": ["boosted trees", "same weekday"],
                "WAPE": [0.161, 0.214],
                "coverage": [0.87, None],
            }
        ),
        "forecast_origins": pl.DataFrame(
            {
                "level": ["shop x day"] * 2,
                "model": ["boosted trees", "same weekday"],
                "Nov 12": [0.161, 0.214],
                "Nov 19": [0.155, 0.208],
            }
        ),
        "forecast_note": "Nothing else stands beside it.",
        "held_out_start": date(2011, 11, 12),
        "curves": tables.curves(),
        "elasticities": tables.elasticities(),
        "placebo": tables.placebo(),
        "lots": tables.lots(),
        "lost_sales": tables.lost_sales(),
        "sensitivity": ("Demand would have to have been 25% higher.", "A cause would have to explain 40%."),
        "stock": tables.stock().with_columns(cost_assumed=pl.lit(bool(offers["cost_assumed"].any()))),
        "plan": plan(offers),
        "campaign": campaign(offers),
        "plan_table": offers,
        "value": Estimate(value=1_834.2, ci_lower=1_210.4, ci_upper=2_490.9),
        "comparison": tables.comparison(),
        "broken": findings_frame(()),
        "soft": findings_frame(()),
        "nominations": tables.nominations(),
        "exploration": tables.exploration(),
        "test_design": "Split customers: 5% of the units are in offers that run out.\nIt needs 4,000 customers.",
        "assumptions": ("The unit cost is 60% of the list price.", "Views are not in the log."),
    }
    return Evidence(**(parts | changes))


def small(**changes: Any) -> Evidence:
    """Every part, with as few rows as it can have."""
    few = {
        "plan_table": tables.plan_table(3),
        "curves": tables.curves(1),
        "pareto": tables.pareto(),
        "reliability": tables.reliability().filter(pl.col("horizon_hours") == 24.0),
    }
    return full(**(few | changes))


def without_prices() -> Evidence:
    """A log of views and purchases without prices: behavior and ranking only."""
    kept = full()
    return Evidence(
        title="Views only",
        created=kept.created,
        settings={},
        quality=kept.quality,
        rules=kept.rules,
        intent_metrics=kept.intent_metrics,
        reliability=kept.reliability,
        learning_curves=kept.learning_curves,
        model_card=kept.model_card,
        segments=kept.segments,
        recommend_metrics=kept.recommend_metrics,
        stages_skipped={
            "demand": "The log holds no prices, so there is no demand model.",
            "plan": "The log holds no prices, so there is no plan.",
        },
    )
