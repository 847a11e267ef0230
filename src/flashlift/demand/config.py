"""What a user may choose about the demand model; the defaults serve most shops."""

from __future__ import annotations

from dataclasses import dataclass

from flashlift.errors import SettingsError

__all__ = ["DemandConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandConfig:
    """Choices of the demand model.

    Args:
        history_days: how far back the log is read; a shop with more than 50,000 items is read less far, but never
            less than 400 days.
        horizon_days: the longest forecast the baseline is trained for; beyond it the last horizon is used.
        max_rows: row budget of the baseline (item-days drawn from the log).
        rounds: boosting rounds of the baseline.
        folds: time blocks of the cross-fit; the sale days of a block are compared with a baseline fitted on the
            others.
        recovery_days: days after a sale that are not used as normal days (fewer where sales are so frequent
            that less than half of the days would remain).
        min_depth: smallest discount that counts as a sale when sales are detected from paid prices.
        assumed_elasticity: mean of the prior of the shop's price elasticity, below 0.
        assumed_elasticity_sd: its standard deviation. Where the log does not at least halve its
            square, the response is called not identified.
        assumed_visibility: mean of the prior of the log lift of being shown in a sale without a discount.
        assumed_visibility_sd: its standard deviation.
        unrecorded_lift: the lift of being shown that is assumed where the log records no sales. Price cuts that
            nobody advertised tell how demand answers to price, not what being shown in a sale does.
        unrecorded_lift_sd: standard deviation of its logarithm.
        country: two-letter ISO code of the country whose public holidays matter; None: no holidays.
        threads: threads of the gradient boosting.
    """

    history_days: int = 800
    horizon_days: int = 60
    max_rows: int = 400_000
    rounds: int = 120
    folds: int = 4
    recovery_days: int = 14
    min_depth: float = 0.05
    assumed_elasticity: float = -2.0
    assumed_elasticity_sd: float = 1.0
    assumed_visibility: float = 0.5
    assumed_visibility_sd: float = 0.7
    unrecorded_lift: float = 1.5
    unrecorded_lift_sd: float = 0.25
    country: str | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("history_days", "horizon_days", "max_rows", "rounds", "threads"):
            if getattr(self, name) < 1:
                raise SettingsError(f"demand.{name} is {getattr(self, name)}; give a whole number of at least 1.")
        if self.folds < 2:
            raise SettingsError(f"demand.folds is {self.folds}; a cross-fit needs at least 2.")
        if not self.assumed_elasticity < 0:
            raise SettingsError(f"demand.assumed_elasticity is {self.assumed_elasticity}; give a number below 0.")
        for name in ("assumed_elasticity_sd", "assumed_visibility_sd", "unrecorded_lift", "unrecorded_lift_sd"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"demand.{name} is {getattr(self, name)}; give a number above 0.")
        if not 0 < self.min_depth < 1:
            raise SettingsError(f"demand.min_depth is {self.min_depth}; give a fraction between 0 and 1.")
