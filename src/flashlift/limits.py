"""The rules that a plan keeps: immutable values, each a limit of its own, that hold no data frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "AlwaysTogether",
    "Appearances",
    "Blackout",
    "BrandCount",
    "Budget",
    "CategoryCount",
    "Excluded",
    "FunderBudget",
    "Limit",
    "MarginFloor",
    "MaxChange",
    "NeverTogether",
    "Nomination",
    "Nominations",
    "NotAboveCompetitor",
    "PerCustomer",
    "Pinned",
    "ReferencePrice",
    "Rest",
    "SellThrough",
    "SoftLimit",
    "StockReserve",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCount:
    """Between `minimum` and `maximum` offers of one category, in each slot or in the whole campaign.

    `category` matches a category path itself and everything below it (`home` matches `home/kitchen`). With a `penalty`
    the limit is soft: it may be broken at so much shop currency per offer.
    """

    category: str
    minimum: int = 0
    maximum: int | None = None
    per_slot: bool = False
    penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandCount:
    """Between `minimum` and `maximum` offers of one brand, in each slot or in the whole campaign.

    The brand is written as in the items table; items without a brand belong to none. With a `penalty` the limit is
    soft: it may be broken at so much shop currency per offer.
    """

    brand: str
    minimum: int = 0
    maximum: int | None = None
    per_slot: bool = False
    penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most `amount` of expected discount: the sum of (list price - price) x expected units sold.

    What funders and sellers pay of it (`FunderBudget`, `Nomination`) is not counted: the budget is the shop's own.
    With a `penalty` the limit is soft: each unit of currency beyond the amount costs so much in the plan's objective.
    """

    amount: float
    penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunderBudget:
    """A funder pays a share of the expected discount of some items, at most `amount` in all.

    What the funder pays is income in the account of profit. Funders and sellers may pay for one item together, up to
    the whole of its discount.

    Args:
        funder: name, once in a campaign.
        amount: in shop currency.
        share: of the discount, in (0, 1].
        brand: items of this brand,
        item_ids: and these items.
        penalty: of each unit of currency beyond the amount; None: none is allowed.
    """

    funder: str
    amount: float
    share: float = 1.0
    brand: str | None = None
    item_ids: tuple[str, ...] = ()
    penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginFloor:
    """Every offer keeps (price - unit cost) / price >= `margin_frac`."""

    margin_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearances:
    """An item appears at most `maximum` times, with at least `cool_down_hours` from one end to the next start."""

    maximum: int = 1
    cool_down_hours: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """These items are never offered."""

    item_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePrice:
    """Every offer is (reference - price) / reference below the item's reference price, within a range.

    The reference is the column `reference_price` of the items: the lowest price of so many days before the sale, as
    the law or the merchant counts it (`flashlift.events.ReferencePolicy`).

    Args:
        minimum_frac: least discount on the reference; 0 forbids prices above it.
        maximum_frac: most discount on the reference.
        unknown_may_run: whether an item without a known reference may run. It may not unless this is set: a
            reduction that cannot be proven is the shop's risk.
        policy: whose rule the reference follows and since when, for the record.
    """

    minimum_frac: float = 0.0
    maximum_frac: float = 1.0
    unknown_may_run: bool = False
    policy: str = "the merchant's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAboveCompetitor:
    """No offer costs more than the item at a competitor, the column `competitor_price` of the items.

    An item without a known competitor's price may run at any price.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """No offer of an item within so many hours of a sale of it that is no part of the campaign.

    An offer starts `hours` or more after the item's `last_sale_end` and ends `hours` or more before its
    `next_sale_start`, columns of the items (schema SaleFacts). What is null or absent binds nothing.
    """

    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout:
    """No offer of these items, or of a category and everything below it, at any moment in [start, end), UTC.

    An offer is live for its whole slot, so every slot that overlaps the window is closed to them. With neither items
    nor a category it is closed to all.
    """

    start: datetime
    end: datetime
    item_ids: tuple[str, ...] = ()
    category: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The item is in the plan, at least once.

    Args:
        item_id: the item.
        slot_id: in this slot; None: in any.
        discount_frac: a step of the ladder; all its offers in that slot, or in any, are at this step. None: at any.
    """

    item_id: str
    slot_id: str | None = None
    discount_frac: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverTogether:
    """At any moment at most one of these items is on offer."""

    item_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysTogether:
    """In every slot all of these items are on offer, or none."""

    item_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockReserve:
    """Stock that the sale may not touch: `units` of each item or `share` of its stock, rounded up, the larger of both.

    It bounds the quotas; what is not sold in the sale is still for sale at list price.
    """

    units: int = 0
    share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SellThrough:
    """Every offer is expected to sell at least this share of its quota."""

    minimum_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PerCustomer:
    """A customer may buy at most so many units of an offer. Every offer states it; demand is forecast without it."""

    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxChange:
    """How far a plan may move from the last approved one, by item.

    Args:
        item_ids: items of the approved plan; in the settings of a shop, none stands for the plan approved last.
        new: at most so many offers are of other items; None: any number.
        kept: at least so many offers are of these items.
        penalty: of each offer beyond these bounds, in shop currency; None: none is allowed.
    """

    item_ids: tuple[str, ...]
    new: int | None = None
    kept: int = 0
    penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nomination:
    """What a seller offers for the sale: so many units of an item at a price, and a share of the discount.

    Args:
        item_id: nominated once in a campaign.
        price: in shop currency, whole cents; at list price or above it the item cannot run.
        stock: units that the item's quotas may add up to, within the shop's own stock.
        seller: name, for the record.
        funding_frac: share of list price - price that the seller pays for every unit kept, in [0, 1]: income in the
            account of profit.
    """

    item_id: str
    price: float
    stock: int
    seller: str = ""
    funding_frac: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nominations:
    """A nominated item runs at its nominated price only, beside ladder and price endings, within the nominated stock.

    It need not run.

    Args:
        offers: the nominations.
        only: whether items that nobody nominated may not run.
    """

    offers: tuple[Nomination, ...]
    only: bool = False


Limit = (
    CategoryCount
    | BrandCount
    | Budget
    | FunderBudget
    | MarginFloor
    | Appearances
    | Excluded
    | ReferencePrice
    | NotAboveCompetitor
    | Rest
    | Blackout
    | Pinned
    | NeverTogether
    | AlwaysTogether
    | StockReserve
    | SellThrough
    | PerCustomer
    | MaxChange
    | Nominations
)

SoftLimit = CategoryCount | BrandCount | Budget | FunderBudget | MaxChange
"""Limits that may have a penalty."""
