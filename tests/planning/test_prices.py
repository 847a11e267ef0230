"""Sale prices against the definition, one price at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashlift.planning.prices import sale_prices

LADDER = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)


@pytest.mark.parametrize(
    ("list_price", "ladder", "ending", "expected"),
    [
        (10.0, (0.2, 0.3), None, [8.0, 7.0]),
        (10.0, (0.2, 0.3), 0.99, [7.99, 6.99]),
        (2.55, (0.2, 0.3), 0.99, [1.99]),  # 2.04 and 1.79: the second is the same price again
        (0.85, (0.2,), 0.99, []),  # 0.99 is no discount
        (0.05, (0.05, 0.1), None, []),  # 4.75 and 4.5 cents round to the list price or to 4
        (1.25, (0.1, 0.4), 0.95, [0.95]),
        (5.0, (0.1, 0.3), 0.99, [3.99]),  # 4.99 would be 0.2 % off, less than the smallest step
        (100.0, (0.001,), None, [99.9]),
        (9.996, (0.0001,), None, []),  # 10.00 is above the list price
    ],
)
def test_known_prices(
    list_price: float, ladder: tuple[float, ...], ending: float | None, expected: list[float]
) -> None:
    price, exists = sale_prices(np.array([list_price]), ladder, () if ending is None else (ending,))
    if list_price == 0.05:
        assert price[exists].tolist() in ([], [0.04])  # half a cent may round either way
    else:
        assert price[exists].tolist() == expected


@given(st.lists(st.floats(0.02, 5000.0), min_size=1, max_size=8), st.sampled_from([None, 0.0, 0.49, 0.95, 0.99]))
def test_every_price_is_a_distinct_step_below_the_list_price(prices: list[float], ending: float | None) -> None:
    price, exists = sale_prices(np.array(prices), LADDER, () if ending is None else (ending,))
    for row, list_price in enumerate(prices):
        kept = price[row, exists[row]].tolist()
        assert len(set(kept)) == len(kept)
        for step, found, there in zip(LADDER, price[row], exists[row], strict=True):
            if there:
                assert 0.0 < found < list_price
                assert found == round(found, 2)
                assert abs(found - list_price * (1 - step)) <= (0.005 if ending is None else 0.505) + 1e-9
                if ending is not None:
                    assert round(found % 1.0, 2) % 1.0 == ending


@given(st.lists(st.floats(0.02, 5000.0), min_size=1, max_size=8))
def test_of_several_endings_the_nearest_is_taken(prices: list[float]) -> None:
    both, exists = sale_prices(np.array(prices), LADDER, (0.49, 0.99))
    alone = [sale_prices(np.array(prices), LADDER, (ending,))[0] for ending in (0.49, 0.99)]
    wanted = np.outer(prices, 1.0 - np.array(LADDER))
    off = np.abs(both - wanted)[exists]
    assert off == pytest.approx(np.minimum(*(np.abs(one - wanted) for one in alone))[exists], abs=0.01)
    assert (off <= 0.255 + 1e-9).all()
    assert set(np.round(both[exists] % 1.0, 2).tolist()) <= {0.49, 0.99}
