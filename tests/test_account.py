"""The account of profit, against a unit-by-unit oracle."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flashlift.account import contribution
from flashlift.domain import Costs


def one_by_one(
    sale: int, price: float, at_list: int, list_price: float, cost: float, stock: int, costs: Costs
) -> float:
    total, on_hand = 0.0, stock
    for wanted, paid in [(sale, price), (at_list, list_price)]:
        for _ in range(max(wanted, 0)):
            if paid is list_price and on_hand <= 0:
                break
            on_hand -= 1
            total += (1 - costs.return_frac) * (paid - cost) - costs.return_frac * costs.return_cost
    return total - max(on_hand, 0) * costs.holding_cost


units = st.integers(0, 20)
money = st.floats(0.5, 50)


@given(units, money, st.integers(-5, 20), money, money, st.integers(20, 40), st.floats(0, 0.5), money, money)
def test_agrees_with_counting_every_unit(
    sale: int,
    price: float,
    at_list: int,
    list_price: float,
    cost: float,
    stock: int,
    back: float,
    fee: float,
    hold: float,
) -> None:
    costs = Costs(return_frac=back, return_cost=fee, holding_cost=hold)
    one = lambda x: np.array([[float(x)]])  # noqa: E731
    value = contribution(
        one(sale),
        one(sale * price),
        one(at_list),
        list_price=one(list_price),
        unit_cost=one(cost),
        stock=one(stock),
        costs=costs,
    )
    np.testing.assert_allclose(
        value.item(), one_by_one(sale, price, at_list, list_price, cost, stock, costs), atol=1e-9
    )
