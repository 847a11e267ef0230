from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flashlift.errors import SettingsError
from flashlift.market import MarketConfig


def test_size_grows_with_the_log() -> None:
    small, large = MarketConfig.sized(10_000), MarketConfig.sized(1_000_000, days=90)
    assert (large.n_items, large.n_customers, large.days) == (1000, 25_000, 90)
    assert small.n_items < large.n_items
    assert (large.now - large.start).days == 90


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_items": 1}, "n_items is 1"),
        ({"n_items": 400.5}, "n_items is 400.5. Give a whole number"),
        ({"randomized_frac": 1.5}, "between 0 and 1"),
        ({"state_sd": float("nan")}, "state_sd is nan"),
        ({"elasticity_mean": 0.3}, "below -0.5"),
        ({"state_rho": 1.0}, "below 1"),
        ({"account_frac": 1.0}, "account_frac is 1.0"),
        ({"store_frac": 1.1}, "between 0 and 1"),
        ({"ties_mean": 260.0}, "at most 250"),
        ({"pull_lower": 0.5, "pull_upper": 0.2}, "Swap them"),
        ({"now": datetime(2025, 6, 2, 5, tzinfo=UTC)}, "midnight UTC"),
        ({"now": datetime(2025, 6, 2)}, "midnight UTC"),
    ],
)
def test_impossible_worlds_are_refused_with_the_value(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        MarketConfig(**change)
