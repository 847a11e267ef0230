"""A planned sale without a shop: offers as given, everything else small."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from flashlift import planning
from flashlift.domain import Campaign, Offer, Plan, PlanStatus, Slot
from flashlift.limits import Appearances, Excluded, MarginFloor
from flashlift.pipeline import Planned
from flashlift.planning import Verdict, plan_table
from flashlift.planning.store import SavedPlan
from flashlift.settings import Settings

PLANNED_AT = datetime(2026, 10, 20, 9, 30, 15, 123456, tzinfo=UTC)
FIRST = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
SLOTS = tuple(
    Slot(slot_id=f"s{k}", start=FIRST + timedelta(hours=k), end=FIRST + timedelta(hours=k + 1), positions=9)
    for k in range(4)
)  # in Berlin across the end of summer time
CAMPAIGN = Campaign(
    slots=SLOTS,
    ladder=(0.1, 0.2),
    limits=(Appearances(maximum=2), MarginFloor(margin_frac=0.1), Excluded(item_ids=("z",))),
    price_ending=0.99,
)


def settings(work: Path, *, timezone: str = "Europe/Berlin", name: str = "Shop, the; best") -> Settings:
    return Settings.model_validate(
        {
            "shop": {"name": name, "work": work},
            "sources": [{"format": "csv", "path": "x.csv"}],
            "campaign": {"timezone": timezone},
        }
    )


def planned(
    offers: Sequence[Offer],
    titles: dict[str, str | None],
    *,
    verdict: Verdict | None = None,
    decision: planning.Decision | None = None,
    **changes: Any,
) -> Planned:
    """Offers of items with these titles."""
    items = pl.DataFrame(
        {"item_id": list(titles), "title": list(titles.values()), "category": list(titles), "list_price": 10.0},
        schema={"item_id": pl.String, "title": pl.String, "category": pl.String, "list_price": pl.Float64},
    )
    figures = {"objective": 1.0, "bound": float("inf"), "gap_frac": float("inf"), "limit_prices": {"a": 0.5}} | changes
    plan = Plan(offers=tuple(offers), status=PlanStatus.HEURISTIC, **figures)
    verdict = verdict or Verdict(units=1.0, broken=())
    table = plan_table(plan, CAMPAIGN, items)
    return Planned(
        saved=SavedPlan(plan=plan, campaign=CAMPAIGN, items=items, verdict=verdict, planned_at=PLANNED_AT),
        decision=decision,
        table=table.with_columns(
            cost_assumed=True, stock_assumed=False, beyond_frac=pl.lit(None, pl.Float64), basis=pl.lit("a guess")
        ),
        comparison=pl.DataFrame(
            {"plan": ["planned sale", "random"], "value": [1.0, None], "ci_lower": [0.0, None], "ci_upper": [2.0, None],
             "gross_sales": [3.0, None], "units": [1.0, None], "sell_through": [None, None],
             "revenue": [2.0, None], "buyers": [1.0, None], "stock_cleared": [0.5, None]},
            schema_overrides={"sell_through": pl.Float64},
        ),
        curves=pl.DataFrame(),
        design="No test.",
        sensitivity="",
        stock=None,
        exploration=pl.DataFrame(),
        picks=pl.DataFrame(),
    )  # fmt: skip
