"""How large the simulated shop is, and how its world behaves."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from math import isfinite, sqrt
from typing import Any, Self

from flashlift.errors import SettingsError

__all__ = ["MarketConfig"]

_AT_LEAST: dict[str, float] = {"n_events": 100, "n_items": 2, "n_customers": 10, "days": 28, "lift_mean": 1.0}
_WHOLE = ("n_events", "n_items", "n_customers", "days")
_SHARES = (
    *("elasticity_sd", "lift_sd", "pull_lower", "pull_upper", "randomized_frac", "new_item_frac", "refund_frac"),
    *("account_frac", "store_frac"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketConfig:
    """Size and mechanisms of one simulated shop.

    Args:
        world: name of the law of demand, one of `flashlift.market.WORLDS`.
        n_events: events the log should hold; met within some percent, less where businesses and stores sell without
            much looking around.
        n_items: items at the end of the log.
        n_customers: customers.
        days: length of the log.
        now: end of the log and time of decision, midnight UTC.
        elasticity_mean: mean of d ln units / d ln price over items.
        elasticity_sd: spread of elasticities within a category; between categories it is half of that.
        lift_mean: typical factor on demand from being shown in a sale, price unchanged.
        lift_sd: spread of its logarithm over items.
        pull_lower: least share of extra units that is missing in the weeks after, in worlds where customers stock up.
        pull_upper: largest such share.
        promotions_per_item: past promotions of an item over the log, before cool-downs take about a third away.
        endogeneity: how strongly the merchant discounts what sells badly: log odds of a promotion per standard
            deviation of hidden demand below normal. 0 makes past promotions exogenous.
        randomized_frac: share of past promotions drawn by lot, in time and depth.
        state_sd: standard deviation of the hidden log demand state of an item.
        state_rho: its correlation from one day to the next.
        traffic_sd: standard deviation of the shop's log traffic around its expectation, day by day.
        cover_days: typical days of forecast demand that the merchant orders up to, before the world's own factor; small
            values sell out more.
        new_item_frac: share of items that arrived during the log.
        refund_frac: share of orders that are refunded.
        account_frac: share of customers who buy for a business, below 1; 0 switches business accounts off.
        ties_mean: mean number of friends of a customer, at most a tenth of the customers; 0 switches ties off.
        store_frac: share of private customers' units that is bought in stores; 0 switches stores off.

    Raises:
        SettingsError: a value is out of its range.
    """

    world: str = "mixture"
    n_events: int = 100_000
    n_items: int = 320
    n_customers: int = 2_500
    days: int = 180
    now: datetime = datetime(2025, 6, 2, tzinfo=UTC)
    elasticity_mean: float = -2.3
    elasticity_sd: float = 0.9
    lift_mean: float = 1.8
    lift_sd: float = 0.10
    pull_lower: float = 0.10
    pull_upper: float = 0.30
    promotions_per_item: float = 2.2
    endogeneity: float = 1.5
    randomized_frac: float = 0.0
    state_sd: float = 0.5
    state_rho: float = 0.96
    traffic_sd: float = 0.08
    cover_days: float = 90.0
    new_item_frac: float = 0.05
    refund_frac: float = 0.03
    account_frac: float = 0.0
    ties_mean: float = 0.0
    store_frac: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("now", "world"):
                continue
            if field.name in _WHOLE and not isinstance(value, int):
                raise SettingsError(f"market {field.name} is {value}. Give a whole number.")
            least = _AT_LEAST.get(field.name, 0.0)
            if field.name != "elasticity_mean" and not (isfinite(value) and value >= least):
                raise SettingsError(f"market {field.name} is {value}. Set it to {least:g} or more.")
            if field.name in _SHARES and value > 1:
                raise SettingsError(f"market {field.name} is {value}. Set it between 0 and 1.")
        if not self.elasticity_mean < -0.5:
            raise SettingsError(f"market elasticity_mean is {self.elasticity_mean}. Set it below -0.5.")
        if not self.state_rho < 1:
            raise SettingsError(f"market state_rho is {self.state_rho}. Set it between 0 and below 1.")
        if not self.account_frac < 1:
            raise SettingsError(f"market account_frac is {self.account_frac}. Set it between 0 and below 1.")
        if self.ties_mean > self.n_customers / 10:
            raise SettingsError(
                f"market ties_mean is {self.ties_mean}. Set it to at most {self.n_customers / 10:g}, "
                "a tenth of n_customers."
            )
        if self.pull_lower > self.pull_upper:
            raise SettingsError(
                f"market pull_lower {self.pull_lower} is above pull_upper {self.pull_upper}. Swap them."
            )
        if self.now.utcoffset() != timedelta(0) or self.now != self.now.replace(
            hour=0, minute=0, second=0, microsecond=0
        ):
            raise SettingsError(f"market now is {self.now.isoformat()}. Set it to midnight UTC.")

    @classmethod
    def sized(cls, n_events: int, **changes: Any) -> Self:
        """A shop of about `n_events` events: its items grow with the square root, its customers in proportion."""
        size = {
            "n_events": n_events,
            "n_items": max(20, round(sqrt(n_events))),
            "n_customers": max(50, n_events // 40),
        }
        return cls(**(size | changes))

    @property
    def start(self) -> datetime:
        """First instant of the log."""
        return self.now - timedelta(days=self.days)
