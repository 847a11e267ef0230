"""Stock to order: the newsvendor's quantity, its laws, and prices and costs that make no sense."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from flashlift.demand import SaleOffers, stock_to_order
from flashlift.demand.stock import critical_ratio
from flashlift.errors import InputError
from flashlift.protocols import FloatArray, IntArray, SparseEffects


@dataclass(frozen=True)
class PoissonDraws:
    """Poisson demand with mean 10 in every slot, the same whatever is asked first."""

    n_draws: int = 20_000
    mean: float = 10.0

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        rows = [
            np.random.default_rng((int(i), int(s))).poisson(self.mean, self.n_draws)
            for i, s in zip(item, slot, strict=True)
        ]
        return np.array(rows, dtype=float)

    def without_sale(self, item: IntArray) -> FloatArray:
        raise NotImplementedError

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        raise NotImplementedError

    def cross(self) -> SparseEffects:
        raise NotImplementedError

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        raise NotImplementedError


def offers(price: float = 8.0, cost: float = 5.0, salvage: float = 2.0, n: int = 1) -> SaleOffers:
    return SaleOffers(
        item_id=tuple(f"i{k}" for k in range(n)),
        item=np.arange(n),
        slot=np.zeros(n, dtype=np.int64),
        discount=np.full(n, 0.2),
        price=np.full(n, price),
        unit_cost=np.full(n, cost),
        salvage=np.full(n, salvage),
    )


def test_the_quantity_is_the_quantile_of_the_critical_ratio() -> None:
    """Poisson(10), p = 8, c = 5, s = 2: the ratio is one half, and the median of Poisson(10) is 10."""
    row = stock_to_order(PoissonDraws(), offers()).row(0, named=True)
    assert row["order_units"] == poisson.ppf(0.5, 10) == 10
    assert row["service_level"] == pytest.approx(poisson.cdf(10, 10), abs=0.01)
    assert row["mean_units"] == pytest.approx(10, abs=0.1)
    k = np.arange(60)
    assert row["leftover_units"] == pytest.approx(float((np.maximum(10 - k, 0) * poisson.pmf(k, 10)).sum()), abs=0.05)
    assert row["lost_units"] == pytest.approx(float((np.maximum(k - 10, 0) * poisson.pmf(k, 10)).sum()), abs=0.05)
    assert (row["ci_lower"], row["ci_upper"]) == (poisson.ppf(0.05, 10), poisson.ppf(0.95, 10))


@settings(max_examples=25, deadline=None)
@given(price=st.floats(1, 30), cost=st.floats(0.5, 20), salvage_frac=st.floats(0, 0.95))
def test_no_other_quantity_earns_more(price: float, cost: float, salvage_frac: float) -> None:
    salvage = salvage_frac * cost
    draws = PoissonDraws(n_draws=400)
    q = stock_to_order(draws, offers(price, cost, salvage))["order_units"].item()
    units = draws.units(np.array([0]), np.array([0]), np.array([0.2]))[0]

    def profit(order: float) -> float:
        sold = np.minimum(units, order)
        return float((price * sold + salvage * (order - sold)).mean() - cost * order)

    best = max(profit(other) for other in range(41))
    assert profit(q) == pytest.approx(best, abs=1e-9 * max(price, cost) * 40)


def test_a_dearer_leftover_orders_less_and_offers_of_one_item_share_stock() -> None:
    cheap, dear = (stock_to_order(PoissonDraws(), offers(salvage=s))["order_units"].item() for s in (4.5, -3.0))
    assert cheap > dear
    two = replace(
        offers(n=2), item_id=("a", "a"), item=np.array([0, 0]), slot=np.array([0, 1]), price=np.array([8.0, 6.0])
    )
    row = stock_to_order(PoissonDraws(), two).row(0, named=True)
    assert row["offers"] == 2
    assert row["mean_units"] == pytest.approx(20, abs=0.2)
    assert row["price"] == pytest.approx(7.0, abs=0.05)


def test_what_cannot_be_ordered_for_is_said() -> None:
    assert stock_to_order(PoissonDraws(), offers(price=4.0))["order_units"].item() == 0  # every unit loses money
    free = stock_to_order(PoissonDraws(), offers(cost=0.0, salvage=0.0)).row(0, named=True)
    assert free["order_units"] is None  # a leftover costs nothing, so there is no best quantity
    assert free["service_level"] is None and free["leftover_units"] is None and free["lost_units"] is None
    assert free["mean_units"] == pytest.approx(10, abs=0.1)
    assert stock_to_order(PoissonDraws(), offers(cost=0.0, salvage=-1.0))["order_units"].item() > 10
    assert stock_to_order(PoissonDraws(), offers(n=0)).is_empty()
    with pytest.raises(InputError, match=r"unit_cost of item 'i0' is -1\.0"):
        offers(cost=-1.0)
    with pytest.raises(InputError, match=r"price of item 'i0' is 0\.0"):
        offers(price=0.0)
    with pytest.raises(InputError, match="salvage value is no number"):
        offers(salvage=np.nan)


@given(price=st.floats(0.01, 100), cost=st.floats(0, 100), salvage=st.floats(-50, 150))
def test_the_ratio_is_a_share_or_nothing(price: float, cost: float, salvage: float) -> None:
    ratio = critical_ratio(np.array([price]), np.array([cost]), np.array([salvage]))[0]
    assert np.isnan(ratio) == (cost - salvage <= 1e-12)
    assert np.isnan(ratio) or 0 <= ratio < 1
