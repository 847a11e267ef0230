"""The design refuses what would lie, and its power is that of simulated tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from flashlift.domain import Campaign, Offer, Plan, PlanStatus, Slot
from flashlift.errors import InputError
from flashlift.experiments import Facts, Lever, Rules, design, sell_out_probability
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.comparison import compare
from flashlift.stats.moments import Moments


def spending(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Skewed like a shop's customers: most spend nothing, the past predicts half."""
    taste = rng.gamma(0.5, 20.0, n)
    return rng.poisson(0.3, n) * taste, taste * rng.gamma(4.0, 0.25, n)


def facts(**changes: object) -> Facts:
    history = Moments.of(*spending(4000, np.random.default_rng(1)))
    given = {"history": history, "metric": "contribution (GBP)", "window_days": 35.0, "sell_out_probability": 0.05}
    return Facts(**(given | changes))


def test_plentiful_stock_splits_customers_and_its_power_holds_in_simulated_tests() -> None:
    found = design(facts())
    assert found.accepted
    assert found.minimum_effect is not None
    rng, runs, rejected = np.random.default_rng(2), 600, 0
    for _ in range(runs):
        y, x = spending(4000, rng)
        treated = rng.permutation(4000) < 2000
        y = y + found.minimum_effect * treated
        arms = (Moments.of(y[on], x[on]) for on in (~treated, treated))
        rejected += compare(*arms).pvalue < 0.05
    # the variance comes from one sample of 4,000 skewed values, so the true power may be off by some points
    low, high = scipy_stats.binom.ppf([0.001, 0.999], runs, [0.75, 0.85])
    assert low <= rejected <= high


def test_the_past_makes_the_test_sharper() -> None:
    with_past, without = facts(), facts(history=Moments.of(spending(4000, np.random.default_rng(1))[0]))
    sharp, blunt = design(with_past), design(without)
    assert sharp.minimum_effect is not None
    assert blunt.minimum_effect is not None
    assert sharp.variance_reduction_frac > 0.1
    ratio = sharp.minimum_effect / blunt.minimum_effect
    assert ratio == pytest.approx(np.sqrt(1 - sharp.variance_reduction_frac), rel=1e-6)


def test_forecast_effect_gives_customers_and_sales_needed() -> None:
    blind = design(facts())
    assert blind.minimum_effect is not None
    exact = design(facts(expected_effect=blind.minimum_effect * 4000))
    assert exact.power_at_forecast == pytest.approx(0.8, abs=1e-9)
    assert exact.needed_customers in (4000, 4001)  # rounded up
    half = design(facts(expected_effect=blind.minimum_effect * 2000))
    assert half.needed_customers == pytest.approx(16000, rel=0.001)
    assert half.needed_sales == 4
    assert "about 4 such sales pooled (140 days)" in str(half)
    assert "no gain to be detected" in str(design(facts(expected_effect=-5.0)))
    assert "forecast" not in str(design(facts()))


def test_scarce_stock_refuses_a_shared_stock_split_and_names_the_alternative() -> None:
    found = design(facts(sell_out_probability=0.6))
    assert not found.accepted
    assert found.minimum_effect is None
    assert "wrong sign in 98%" in str(found)
    assert "stock-split" in str(found)


@pytest.mark.parametrize(
    ("sell_out", "least", "most"),
    [(0.05, -0.01, 0.03), (Rules().scarce_from, 0.02, 0.1), (0.5, 0.08, 0.3), (0.8, 0.2, 1.2)],
)
@pytest.mark.parametrize("demand", [5, 20, 50])
def test_where_stock_counts_as_scarce(demand: int, sell_out: float, least: float, most: float) -> None:
    """Overstatement of a doubled demand when both arms buy from one quota, first come, first served."""
    rng, n = np.random.default_rng(1), 100_000
    quota = int(scipy_stats.poisson.isf(sell_out, 2 * demand))
    everybody, nobody = (np.minimum(rng.poisson(mean, n), quota).mean() for mean in (2 * demand, demand))
    treated, control = rng.poisson(demand, n), rng.poisson(demand / 2, n)
    sold = np.minimum(treated + control, quota)
    to_treated = rng.hypergeometric(treated, control, sold)
    split = 2 * (2 * to_treated - sold).mean()
    assert least <= split / (everybody - nobody) - 1 <= most


def test_a_price_test_never_splits_customers() -> None:
    found = design(facts(lever=Lever.PRICE))
    assert not found.accepted
    assert "two prices" in str(found)
    assert "slot-split switchback" in str(found)


class TwoItems:
    """Demand of 10 in every draw for item 0; 20 in three draws of four for item 1, else none."""

    n_draws = 4

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        return np.array([[10.0] * 4, [20.0, 20.0, 20.0, 0.0]])[item]


def offer(item: str, quota: int, units: float) -> Offer:
    return Offer(
        item_id=item, slot_id="s", discount_frac=0.2, price=1.0, quota=quota, expected_units=units, expected_value=0.0
    )


def test_sell_out_probability_is_weighted_by_units() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    campaign = Campaign(
        slots=(Slot(slot_id="s", start=start, end=start + timedelta(hours=2), positions=2),), ladder=(0.2,)
    )
    items = pl.DataFrame({"item_id": ["a", "b"]})

    def probability(*offers: Offer) -> float:
        plan = Plan(offers=offers, status=PlanStatus.OPTIMAL, objective=0.0, bound=0.0, gap_frac=0.0, limit_prices={})
        return sell_out_probability(plan, campaign, items, TwoItems())

    assert probability(offer("a", 10, 10.0)) == 0.0  # demand that just fits loses nothing
    assert probability(offer("b", 19, 15.0)) == 0.75
    assert probability(offer("b", 19, 30.0), offer("a", 10, 10.0)) == pytest.approx(0.75 * 0.75)
    with pytest.raises(InputError, match="no offers"):
        probability()


def test_impossible_probability_is_refused() -> None:
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        design(facts(sell_out_probability=1.2))
