"""Never-promoted twins: who they are, and what they take out of the event studies where sale days are great days."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.elsewhere_truth import GROUPS, NOW, QUICK, SIZE, estimates, great_days_shop
from scipy import sparse

from flashlift.demand import twins
from flashlift.demand.groundwork import Groundwork, lay_groundwork
from flashlift.demand.twins import twin_factor
from flashlift.protocols import silent

N = GROUPS * SIZE + 60


@pytest.fixture(scope="module")
def ground() -> Groundwork:
    return lay_groundwork(great_days_shop(0)[0], NOW, QUICK, rng=np.random.default_rng(0), progress=silent)


def alone() -> sparse.csr_matrix:
    return sparse.identity(N, format="csr")


def test_the_factor_is_what_the_days_brought(ground: Groundwork) -> None:
    rows = ground.sales.item, ground.first, ground.last
    found = np.log(twin_factor(ground.cross, alone(), *rows[:2], *rows[1:]))
    never = ground.panel.units[GROUPS * SIZE :]
    days = [slice(first, last + 1) for first, last in zip(*rows[1:], strict=True)]
    truth = np.log([never[:, span].mean() / never.mean() for span in days])
    # Forecasts know a part of it where the great days before are not long ago, and what twins count is counted.
    assert np.corrcoef(found, truth)[0, 1] > 0.7
    assert 0.6 < np.polyfit(truth, found, 1)[0] < 1.1


def test_no_twin_is_moved_by_the_sale(ground: Groundwork) -> None:
    panel, item, first, last = ground.panel, ground.sales.item, ground.first, ground.last
    place = np.arange(GROUPS * SIZE)
    pairs = (np.repeat(place, SIZE), (place[:, None] // SIZE * SIZE + np.arange(SIZE)).ravel())
    kin = sparse.csr_matrix((np.ones(len(pairs[0])), pairs), shape=(N, N))
    sale, twin = twins._twins(ground.cross, kin, item, first, last)
    assert len(np.unique(sale)) == len(item)
    assert np.bincount(sale).max() <= 60
    assert not np.asarray(kin[item[sale], twin]).any()
    for s, t in zip(sale.tolist(), twin.tolist(), strict=True):
        assert not panel.touched[t, first[s] : last[s] + 1].any()
    # Of two items on the shelf, the one that sells as much is the twin rather than any.
    level = np.log(panel.units.mean(axis=1))
    others = np.abs(level[item][:, None] - level[GROUPS * SIZE :]).mean()
    assert np.abs(level[item[sale]] - level[twin]).mean() < others


def test_days_that_bring_nothing_leave_forecasts_alone() -> None:
    """Noise that the halves of the twins do not share is no shock: a factor made of it would bias what it corrects."""
    rng = np.random.default_rng(0)
    expected = rng.uniform(20, 60, (400, 2))
    quiet = twins._shared_part(rng.poisson(expected).astype(float), expected)
    assert np.abs(quiet - 1).max() < 0.1
    shock = np.exp(rng.normal(0.0, 0.3, 400))
    loud = twins._shared_part(rng.poisson(shock[:, None] * expected).astype(float), expected)
    assert np.corrcoef(loud, shock)[0, 1] > 0.9
    assert np.polyfit(loud, shock, 1)[0] == pytest.approx(1.0, abs=0.1)  # what is expected, given the factor
    np.testing.assert_array_equal(twins._shared_part(np.ones((5, 2)), np.ones((5, 2))), 1.0)
    np.testing.assert_array_equal(twins._shared_part(np.zeros((50, 2)), np.zeros((50, 2))), 1.0)


def test_twins_take_shocks_out_of_diversion() -> None:
    found = [estimates(*great_days_shop(seed)) for seed in range(3)]
    bias = {control: abs(np.mean([one[control].diverted.measured for one in found]) - 0.3) for control in found[0]}
    assert bias["own forecast alone"] > 0.15
    assert bias["twins"] < 0.5 * bias["own forecast alone"]
