"""The limits of a campaign as the settings file writes them, checked at the border."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flashlift.events import POLICIES, ReferencePolicy
from flashlift.limits import (
    AlwaysTogether,
    Appearances,
    Blackout,
    BrandCount,
    Budget,
    CategoryCount,
    Excluded,
    FunderBudget,
    Limit,
    MarginFloor,
    MaxChange,
    NeverTogether,
    NotAboveCompetitor,
    PerCustomer,
    Pinned,
    ReferencePrice,
    Rest,
    SellThrough,
    StockReserve,
)

__all__ = ["Discount", "Fraction", "LimitSettings", "Section"]

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Discount = Annotated[float, Field(gt=0.0, lt=1.0)]
ItemSet = Annotated[list[str], Field(min_length=2)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Penalty = Annotated[
    Annotated[float, Field(gt=0.0)] | None,
    Field(description="makes the limit soft: what a unit beyond it costs in the objective, in shop currency"),
]


class CountSettings(Section):
    """Between `minimum` and `maximum` offers."""

    minimum: int = Field(default=0, ge=0)
    maximum: int | None = Field(default=None, ge=0)
    per_slot: bool = Field(default=False, description="in each slot; else in the whole campaign")
    penalty: Penalty = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError(f"maximum {self.maximum} is below minimum {self.minimum}")
        return self

    def counts(self) -> dict[str, Any]:
        """The fields that counts of any kind share."""
        return self.model_dump(include=set(CountSettings.model_fields))


class CategorySettings(CountSettings):
    """Between `minimum` and `maximum` offers of a category, per slot or in the whole campaign."""

    category: str


class BrandSettings(CountSettings):
    """Between `minimum` and `maximum` offers of a brand, per slot or in the whole campaign."""

    brand: Name = Field(description="as in the items table")


class ReferenceSettings(Section):
    """Range of the discount on the lowest price of the days before the sale."""

    policy: Literal["eu", "china", "own"] = Field(
        default="eu",
        description="eu: lowest price of 30 days; china: lowest transaction of 7 days; own: lowest price of `days`",
    )
    days: int | None = Field(default=None, ge=1, description="for policy = 'own'")
    minimum: float = Field(default=0.0, ge=-1.0, le=1.0, description="least discount on it; 0: no price above it")
    maximum: float = Field(default=1.0, ge=-1.0, le=1.0, description="most discount on it")
    unknown_may_run: bool = Field(default=False, description="items without a known reference price may run")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.policy == "own") != (self.days is not None):
            raise ValueError("days belongs to policy = 'own', which needs it")
        if self.maximum < self.minimum:
            raise ValueError(f"maximum {self.maximum:g} is below minimum {self.minimum:g}")
        return self

    def limit(self) -> ReferencePrice:
        """As a limit of the campaign."""
        return ReferencePrice(
            minimum_frac=self.minimum,
            maximum_frac=self.maximum,
            unknown_may_run=self.unknown_may_run,
            policy=self.rule().name,
        )

    def rule(self) -> ReferencePolicy:
        """Which prices count."""
        if self.days is None:
            return POLICIES[self.policy]
        return ReferencePolicy(name=f"the merchant's own, {self.days} days", days=self.days)


class BlackoutSettings(Section):
    """No offer of some items, or of a category and all below it, between two instants; of none named: no offer."""

    start: datetime = Field(description="with its offset, 2026-12-24T00:00:00Z; without one, UTC")
    end: datetime
    items: list[str] = Field(default=[], description="item ids")
    category: Name | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if _utc(self.end) <= _utc(self.start):
            raise ValueError(f"the blackout from {self.start} ends at {self.end}, which is not after its start")
        return self


class PinnedSettings(Section):
    """An item that must be in the plan."""

    item: Name
    slot: str | None = Field(default=None, description="in this slot, such as fri-02-jan-10:00; default: in any")
    discount: Discount | None = Field(default=None, description="only at this step of the ladder; default: at any")


class FunderSettings(Section):
    """A funder who pays a share of the expected discount of a brand, or of some items, up to an amount: income."""

    funder: Name
    amount: float = Field(gt=0)
    share: float = Field(default=1.0, gt=0.0, le=1.0, description="of the discount")
    penalty: Penalty = None
    brand: Name | None = None
    items: list[str] = Field(default=[], description="item ids")

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.brand is None and not self.items:
            raise ValueError(f"{self.funder} funds nothing; name a brand or items")
        return self


class ReserveSettings(Section):
    """Stock that the sale may not touch: so many units of an item or such a share, the larger of both."""

    units: int = Field(default=0, ge=0)
    share: float = Field(default=0.0, ge=0.0, le=1.0)


class ChangeSettings(Section):
    """How far the plan may move from the last approved one."""

    items: list[str] = Field(
        default=[], description="item ids of the approved plan; default: those of the plan that was approved last"
    )
    new: int | None = Field(default=None, ge=0, description="at most so many offers of other items")
    kept: int = Field(default=0, ge=0, description="at least so many offers of these items")
    penalty: Penalty = None


class LimitSettings(Section):
    """What every plan keeps, beside positions and stock."""

    margin_floor: float | None = Field(default=0.1, lt=1, description="(price - cost) / price of every offer")
    budget: float | None = Field(default=None, gt=0, description="discount that the shop itself pays, in shop currency")
    budget_penalty: Penalty = None
    appearances: int = Field(default=1, ge=1, description="how often an item may appear")
    cool_down_hours: float = Field(default=24.0, ge=0, description="pause between two appearances of an item")
    excluded: list[str] = Field(default_factory=list, description="item ids never offered")
    categories: list[CategorySettings] = Field(default_factory=list)
    brands: list[BrandSettings] = Field(default_factory=list)
    reference_price: ReferenceSettings | None = None
    not_above_competitor: bool = Field(
        default=False, description="no price above the item's competitor_price, where that is known"
    )
    rest_hours: float | None = Field(
        default=None,
        ge=0.0,
        description="pause from an item's last sale before the campaign and to its next one after it (promotions)",
    )
    blackouts: list[BlackoutSettings] = Field(default_factory=list)
    pinned: list[PinnedSettings] = Field(default_factory=list)

    never_together: list[ItemSet] = Field(
        default_factory=list, description="sets of item ids of which at most one is on offer at any moment"
    )
    always_together: list[ItemSet] = Field(
        default_factory=list, description="sets of item ids of which in every slot all are on offer, or none"
    )

    funders: list[FunderSettings] = Field(default_factory=list)
    nominations: Path | None = Field(
        default=None, description="CSV of sellers' nominations: item_id, price, stock, seller, funding, currency"
    )
    nominations_only: bool = Field(default=False, description="items that nobody nominated may not run")
    reserve: ReserveSettings | None = None
    sell_through: float | None = Field(
        default=None, gt=0.0, le=1.0, description="expected units of every offer / its quota, at least"
    )
    per_customer: int | None = Field(
        default=None, ge=1, description="units of an offer that a customer may buy; every offer states it"
    )
    change: ChangeSettings | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.budget_penalty is not None and self.budget is None:
            raise ValueError("budget_penalty belongs to a budget; set one")
        if self.nominations_only and self.nominations is None:
            raise ValueError("nominations_only = true leaves nothing to sell without a file; set nominations")
        return self

    def limits(self) -> Iterator[Limit]:
        """The limits, in a fixed order; nominations come with the shop's items (`flashlift.pipeline.nominations`)."""
        yield Appearances(maximum=self.appearances, cool_down_hours=self.cool_down_hours)
        for k in self.categories:
            yield CategoryCount(category=k.category, **k.counts())
        for b in self.brands:
            yield BrandCount(brand=b.brand, **b.counts())
        if self.margin_floor is not None:
            yield MarginFloor(margin_frac=self.margin_floor)
        if self.budget is not None:
            yield Budget(amount=self.budget, penalty=self.budget_penalty)
        if self.excluded:
            yield Excluded(item_ids=tuple(self.excluded))
        if self.reference_price is not None:
            yield self.reference_price.limit()
        if self.not_above_competitor:
            yield NotAboveCompetitor()
        if self.rest_hours is not None:
            yield Rest(hours=self.rest_hours)
        for d in self.blackouts:
            yield Blackout(start=_utc(d.start), end=_utc(d.end), item_ids=tuple(d.items), category=d.category)
        for p in self.pinned:
            yield Pinned(item_id=p.item, slot_id=p.slot, discount_frac=p.discount)
        yield from (NeverTogether(item_ids=tuple(ids)) for ids in self.never_together)
        yield from (AlwaysTogether(item_ids=tuple(ids)) for ids in self.always_together)
        for f in self.funders:
            yield FunderBudget(
                funder=f.funder,
                amount=f.amount,
                share=f.share,
                brand=f.brand,
                item_ids=tuple(f.items),
                penalty=f.penalty,
            )
        yield from self._of_stock()
        if (c := self.change) is not None:
            yield MaxChange(item_ids=tuple(c.items), new=c.new, kept=c.kept, penalty=c.penalty)

    def _of_stock(self) -> Iterator[Limit]:
        if self.reserve is not None:
            yield StockReserve(units=self.reserve.units, share=self.reserve.share)
        if self.sell_through is not None:
            yield SellThrough(minimum_frac=self.sell_through)
        if self.per_customer is not None:
            yield PerCustomer(maximum=self.per_customer)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
