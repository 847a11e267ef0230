"""A plan as JSON: every figure of it, in a documented form with a version."""

from __future__ import annotations

import math
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from flashlift.domain import Offer
from flashlift.pipeline.planned import Planned
from flashlift.planning.store import campaign_to_json
from flashlift.settings import Settings

__all__ = ["PlanDocument", "plan_json"]


class _Part(BaseModel):
    """JSON has no infinity and no NaN: they are written as null."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_inf_nan="null", json_schema_serialization_defaults_required=True
    )


class OfferLine(_Part):
    """One offer: an item at a price in a slot."""

    item_id: str
    title: str | None
    category: str | None
    slot_id: str
    start: AwareDatetime | None = Field(description="start of the slot, UTC; null for a slot the campaign lacks")
    end: AwareDatetime | None = Field(description="end of the slot, UTC")
    list_price: float | None = Field(description="price outside the sale")
    price: float | None = Field(description="sale price")
    discount_frac: float | None = Field(description="1 - price / list price")
    quota: int = Field(description="units that may be sold at most")
    per_customer: int | None = Field(
        default=None, description="units that a customer may buy at most; null: any number"
    )
    propensity: float = Field(
        default=1.0, description="probability with which the price was drawn; below 1 where it was drawn by lot"
    )
    expected_units: float | None = Field(description="mean units sold within the quota, on the planner's draws")
    expected_value: float | None = Field(description="incremental profit of the offer alone, on the planner's draws")
    cost_assumed: bool | None = Field(description="the unit cost is an assumption of the settings")
    stock_assumed: bool | None = Field(description="the stock is an assumption of the settings")
    beyond_frac: float | None = Field(description="how much deeper than any past sale; null: response not identifiable")
    basis: str = Field(description="the same in words")
    expected_revenue: float | None = Field(
        default=None, description="incremental gross sales of the offer alone; null: the goal is profit alone"
    )
    expected_buyers: float | None = Field(default=None, description="distinct buyers in the offer, likewise")
    expected_stock_cleared: float | None = Field(
        default=None, description="stock that leaves because of the offer, at unit cost, likewise"
    )
    shadow_cost: float | None = Field(
        default=None,
        description="what the offer loses in the next sale through a lower reference price; null: none planned",
    )

    def offer(self) -> Offer:
        """The offer as planning knows it; a null figure is NaN."""
        names = ("price", "discount_frac", "expected_units", "expected_value")
        figures: dict[str, Any] = {name: math.nan if (v := getattr(self, name)) is None else v for name in names}
        kept = {name: getattr(self, name) for name in ("item_id", "slot_id", "quota", "per_customer", "propensity")}
        return Offer(**kept, **figures)


class State(_Part):
    """Who approved or rejected this plan, and when."""

    state: Literal["draft", "approved", "rejected"]
    by: str | None = None
    at: AwareDatetime | None = None
    note: str | None = None
    despite: list[str] = Field(default=[], description="what was broken in the plan when it was approved all the same")


class SlotLine(_Part):
    """A window of time that shows at most `positions` offers."""

    slot_id: str
    start: AwareDatetime
    end: AwareDatetime
    positions: int


class Campaign(_Part):
    """What the plan was made for."""

    timezone: str = Field(description="IANA time zone of the campaign; all times of this file are UTC")
    slots: list[SlotLine]
    ladder: list[float] = Field(description="discounts allowed, fractions of the list price")
    limits: list[dict[str, Any]] = Field(
        description="`limit` names a class of flashlift.limits; the other keys are its fields"
    )
    costs: dict[str, float] = Field(description="fields of flashlift.domain.Costs")
    goal: dict[str, float] = Field(description="fields of flashlift.domain.Goal: what a unit of each figure is worth")
    next_sale: dict[str, float] | None = Field(
        default=None, description="fields of flashlift.domain.NextSale; null: no shadow cost"
    )
    quota_quantile: float
    price_ending: float | list[float] | None = Field(
        description="fractional ending of prices, or several of which the nearest is taken"
    )


class Optimizer(_Part):
    """What the optimizer proved, on its own draws."""

    status: Literal["optimal", "time_limited", "heuristic"]
    objective: float | None = Field(description="sum of the offers' worth for the campaign's goal")
    bound: float | None = Field(description="no plan can have a larger objective; null: nothing is known")
    gap_frac: float | None = Field(description="(bound - objective) / max(|objective|, 1); null: nothing is known")
    limit_prices: dict[str, float | None] = Field(
        description="what one more unit of the limit would add to the objective"
    )


class Finding(_Part):
    """A limit that the plan breaks, or a figure that it states wrongly."""

    limit: str
    where: str
    amount: float | None = Field(description="by how much; null: not a finite number")
    unit: str


class Verdict(_Part):
    """What the independent checker said, on draws that the optimizer had not seen."""

    sentence: str
    value: float | None = Field(description="expected incremental profit")
    ci_lower: float | None
    ci_upper: float | None
    level: float | None = Field(description="share of outcomes within [ci_lower, ci_upper]")
    mean_error: float | None = Field(description="standard error of `value`")
    gross_sales: float | None
    units: float | None
    sell_through: float | None = Field(description="expected units / quotas")
    discount_cost: float | None = Field(description="expected (list price - price) x units")
    revenue: float | None = Field(description="expected incremental gross sales")
    buyers: float | None = Field(description="expected distinct buyers in the offers")
    stock_cleared: float | None = Field(description="expected stock that leaves because of the sale, at unit cost")
    claims: Literal["exact", "sampled", "unchecked"] = Field(description="how the offers' figures were judged")
    shadow_cost: float | None = Field(description="what the offers lose in the next sale; null: none is planned")
    broken: list[Finding]
    soft: list[Finding] = Field(description="soft limits that the plan breaks, which is allowed")
    penalties: float = Field(description="what that costs in the optimizer's objective; no part of `value`")


class Lot(_Part):
    """A price that could have been drawn for an offer of the plan."""

    item_id: str
    slot_id: str
    price: float
    propensity: float = Field(description="probability of being drawn")
    planned: bool = Field(description="the price of the best plan")
    drawn: bool = Field(description="the price that runs")
    expected_units: float
    expected_value: float


class Beside(_Part):
    """The plan or a rule of thumb, within the same limits, on the same fresh draws; all null where a rule fails."""

    plan: str
    value: float | None
    ci_lower: float | None
    ci_upper: float | None
    gross_sales: float | None
    units: float | None
    sell_through: float | None
    revenue: float | None
    buyers: float | None
    stock_cleared: float | None


class PlanDocument(_Part):
    """A flash-sale plan. Money is in `currency`, shares are fractions, times are UTC in ISO 8601."""

    format: Literal["flashlift.plan"] = "flashlift.plan"
    version: Literal[1] = Field(
        default=1, description="goes up when a field is renamed, removed or means another thing"
    )
    flashlift: str = Field(description="version of flashlift that wrote the file")
    shop: str
    currency: str
    planned_at: AwareDatetime
    digest: str = Field(description="names this plan: offers, campaign and verdict; decisions refer to it")
    state: State
    verdict: Verdict
    optimizer: Optimizer
    campaign: Campaign
    offers: list[OfferLine] = Field(description="by slot, then by value")
    exploration: list[Lot] = Field(description="prices drawn by lot, all that could have been; empty: none")
    comparison: list[Beside] = Field(description="the plan first, then rules of thumb")
    test: str = Field(description="the test that will judge the plan, in words")
    sensitivity: str = Field(description="how strong a hidden cause would turn the plan, in words")


def plan_json(planned: Planned, settings: Settings) -> str:
    """The whole document as text; `PlanDocument.model_validate_json` reads it back."""
    document = PlanDocument(
        flashlift=version("flashlift"),
        shop=settings.shop.name,
        currency=settings.shop.currency,
        planned_at=planned.saved.planned_at,
        digest=planned.saved.digest,
        state=_state(planned),
        verdict=_verdict(planned),
        optimizer=Optimizer(
            status=planned.plan.status.value,
            **{name: getattr(planned.plan, name) for name in ("objective", "bound", "gap_frac", "limit_prices")},
        ),
        campaign=Campaign(timezone=settings.campaign.timezone, **campaign_to_json(planned.campaign)),
        offers=[OfferLine(**row) for row in planned.table.iter_rows(named=True)],
        exploration=[Lot(**row) for row in planned.exploration.iter_rows(named=True)],
        comparison=[Beside(**row) for row in planned.comparison.iter_rows(named=True)],
        test=planned.design,
        sensitivity=planned.sensitivity,
    )
    return document.model_dump_json(indent=1) + "\n"


def _state(planned: Planned) -> State:
    one = planned.decision
    if one is None:
        return State(state="draft")
    return State(state=one.state, by=one.by, at=one.at, note=one.note, despite=list(one.broken))


def _verdict(planned: Planned) -> Verdict:
    said = asdict(planned.verdict)
    value = said.pop("value") or dict.fromkeys(("value", "ci_lower", "ci_upper", "level"))
    broken, soft = ([Finding(**one) for one in said.pop(name)] for name in ("broken", "soft"))
    return Verdict(sentence=planned.verdict.sentence, broken=broken, soft=soft, **value, **said)
