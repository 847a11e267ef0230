"""What a forecast rests on, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.demand.conftest import make_slots

from flashlift.demand import FittedDemand, offer_basis
from flashlift.market import SimulatedShop


def test_the_words_follow_support(model: FittedDemand, shop: SimulatedShop) -> None:
    draws = model.draw(shop.sale_items.head(3), make_slots(shop.now, 1), 2, rng=np.random.default_rng(0))
    known = replace(draws, deepest=np.array([0.3, 0.3, 0.3]), identified=True)
    told = offer_basis(known, np.array([0, 1, 2]), np.array([0.2, 0.35, 0.302]))
    assert told["basis"].to_list() == ["within past sales", "5 points deeper than any past sale", "within past sales"]
    np.testing.assert_allclose(told["beyond_frac"], [0.0, 0.05, 0.002], atol=1e-12)
    blind = offer_basis(replace(known, identified=False), np.array([0]), np.array([0.2]))
    assert blind.row(0) == (None, "not identifiable from these logs")
    assert offer_basis(known, np.array([], dtype=np.int64), np.array([])).is_empty()
