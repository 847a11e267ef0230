"""What a design depends on, how the test will be judged, and the designs there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from flashlift.domain import Slot
from flashlift.errors import InputError, InsufficientDataError

__all__ = ["Facts", "Kind", "Lever", "Rules"]


class Lever(StrEnum):
    """What the test changes."""

    DISPLAY = "display"  # who is shown the offers, or their ranking; prices are the same for all
    PRICE = "price"  # the price itself


class Kind(StrEnum):
    """How a test is split."""

    CUSTOMERS = "customer split"
    STOCK_SPLIT = "stock-split"
    SWITCHBACK = "slot-split switchback"
    ITEMS = "item-randomized test"
    CLUSTERS = "cluster-randomized test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a design depends on.

    Args:
        customers: `customer_history` of the shop: customer_id, metric, covariate; and `cluster`, where that is named.
        metric: what the metric is, in words, for example "contribution per customer (GBP)".
        window_days: days over which the metric is summed: the sale and its aftermath.
        sell_out_probability: share of the plan's units that are in offers which run out, in [0, 1].
        lever: what the test changes.
        expected_effect: forecast incremental profit of the whole sale, in the metric's unit; None: unknown.
        slots: windows of the sale.
        offers: item_id, slot_id, quota, expected_units of the plan, and `group`, the substitution group, where known.
            An item's quotas are one heap.
        past: `window_history`: what the items brought in the sale's windows in weeks before; None: no power is told of
            tests by window or item.
        items_meet: whether items draw customers or attention from each other. Then all of them switch prices together.
        customers_meet: whether what one customer is shown changes what others buy. Then whole clusters are treated.
        cluster: column of `customers` with the region (or the like) within which customers meet.
        complaints: whether the shop counts complaints.
    """

    customers: pl.DataFrame
    metric: str
    window_days: float
    sell_out_probability: float
    lever: Lever = Lever.DISPLAY
    expected_effect: float | None = None
    slots: tuple[Slot, ...] = ()
    offers: pl.DataFrame | None = None
    past: pl.DataFrame | None = None
    items_meet: bool = True
    customers_meet: bool = False
    cluster: str = "region"
    complaints: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.sell_out_probability <= 1.0:
            raise InputError(f"The sell-out probability {self.sell_out_probability:g} lies outside [0, 1].")
        if missing := [name for name in ("metric", "covariate") if name not in self.customers.columns]:
            raise InputError(f"The customers have no column {missing[0]!r}. Make them with `customer_history`.")
        if self.customers.height < 2:
            raise InsufficientDataError(
                f"A test compares customers, and the log knows {self.customers.height}. Give a longer log."
            )
        if self.offers is not None and self.offers.is_empty():
            raise InputError("The plan holds no offers, so there is nothing to test. Loosen its limits.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the test is run and judged.

    Args:
        treatment_frac: share of customers in treatment, in (0, 1).
        alpha: two-sided false-positive rate.
        target_power: probability of detecting the minimum detectable effect.
        scarce_from: from this probability of selling out on, arms must not share stock. Where a sale doubles Poisson
            demand of 5 to 50 units per offer, a customer split on shared stock overstates the gain by 2-10% when offers
            sell out with probability 0.2, by 9-27% at 0.5 and by 22-103% at 0.8.
        washout_hours: time between two windows in which nothing is sold, so that a price does not reach into the next.
        release_hours: a stock-split pools what is left of both quotas so long before the end of the sale, and counts
            the sales before that alone; 0: only when the sale is over.
        runs: simulated tests for each size of effect.
    """

    treatment_frac: float = 0.5
    alpha: float = 0.05
    target_power: float = 0.8
    scarce_from: float = 0.2
    washout_hours: float = 0.5
    release_hours: float = 0.0
    runs: int = 200

    def __post_init__(self) -> None:
        if not 0.0 < self.treatment_frac < 1.0:
            raise InputError(f"A treatment share of {self.treatment_frac:g} leaves an arm empty. Choose one in (0, 1).")
        if min(self.washout_hours, self.release_hours) < 0.0:
            raise InputError("Wash-out and release are hours of 0 or more. Correct them.")

    @property
    def arms(self) -> Mapping[str, float]:
        """Share of each arm."""
        return {"control": 1.0 - self.treatment_frac, "treatment": self.treatment_frac}
