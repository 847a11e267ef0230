"""Demand that met an empty shelf, beside what a simulated shop knows of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flashlift.demand import DemandConfig, examine
from flashlift.demand.state import MIN_HISTORY
from flashlift.market import MarketConfig, simulate

QUICK = DemandConfig(max_rows=40_000, rounds=30, folds=3)


@pytest.fixture(scope="module")
def shop():
    return simulate(MarketConfig.sized(80_000), seed=4)


def test_the_interval_holds_what_the_shop_knows_it_lost(shop) -> None:
    lost = examine(shop.tables, until=shop.now, config=QUICK, rng=np.random.default_rng(0)).lost
    past = shop.past
    empty = (past.on_hand[:-1] == 0) & (past.discount == 0)
    known = np.cumsum(past.sold, axis=0) > 0  # nothing is said of an item before its first sale
    truth = float((past.rate * (empty & known))[MIN_HISTORY:].sum())
    total = lost.row(0, named=True)
    assert truth > 50
    assert total["item_id"] is None
    # Days that ran empty at noon are in the estimate and not in this truth, which knows whole days alone.
    assert 0.8 * truth < total["lost_units"] < 1.6 * truth
    assert lost["lost_units"][1:].sum() == pytest.approx(total["lost_units"])
    assert lost["lost_units"][1:].is_sorted(descending=True)
    assert (lost["ci_lower"] <= lost["lost_units"]).all() and (lost["lost_units"] <= lost["ci_upper"]).all()


def test_a_log_that_tells_nothing_of_stock_loses_nothing(shop) -> None:
    silent = replace(shop.tables, history=None)
    assert examine(silent, until=shop.now, config=QUICK, rng=np.random.default_rng(0)).lost.is_empty()
