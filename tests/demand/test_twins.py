"""Never-promoted twins: who they are, and what they take out of the event studies where sale days are great days."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from tests.demand.conftest import QUICK, make_events, make_items

from flashlift.demand import twins
from flashlift.demand.fit import fit_on
from flashlift.demand.groundwork import Groundwork, lay_groundwork
from flashlift.demand.threads import one_blas_thread
from flashlift.demand.twins import twin_factor
from flashlift.protocols import silent
from flashlift.schema import Promotions, Tables

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS, GROUPS, SIZE, NEVER = 200, 30, 4, 60
N = GROUPS * SIZE + NEVER
NOW = START + timedelta(days=DAYS)
GREAT = np.arange(34, 160, 10)  # first of four days on which everybody sells more
THETA = 0.3


def great_days_shop(seed: int, *, shock: float = 0.4) -> Tables:
    """Sales fall on great days of the shop, the deeper the greater; extra units take THETA from the group."""
    rng = np.random.default_rng(seed)
    base, great = rng.lognormal(0.7, 0.4, N), rng.uniform(0, 1, len(GREAT))
    day = np.ones(DAYS)
    for first, size in zip(GREAT, great, strict=True):
        day[first - 1 : first + 5] *= np.exp(shock * size)
    rate, change, price, deals = base[:, None] * day, np.zeros((N, DAYS)), np.full((N, DAYS), 10.0), []
    for item in range(GROUPS * SIZE):
        for k in rng.choice(len(GREAT), 2, replace=False):
            first = int(GREAT[k] + rng.integers(0, 2))
            days, depth = slice(first, first + int(rng.integers(2, 5))), 0.1 + 0.35 * great[k]
            extra = rate[item, days] * (1.35 * (1 - depth) ** -2 - 1)
            price[item, days] = 10.0 * (1 - depth)
            group = np.arange(item // SIZE * SIZE, item // SIZE * SIZE + SIZE)
            change[group, days] -= THETA * extra * (base[group] / base[group].sum())[:, None]
            change[item, days] += extra * (1 + THETA * base[item] / base[group].sum())
            span = (START + timedelta(days=at) for at in (days.start, days.stop))
            deals.append((f"i{item:03d}", *span, 10.0 * (1 - depth)))
    counts = rng.poisson(np.maximum(rate + change, 0.02))
    item, when = (a.repeat(counts.ravel()) for a in (b.ravel() for b in np.indices(counts.shape)))
    second = rng.integers(30_000, 70_000, len(item))
    at = [START + timedelta(days=int(d), seconds=int(s)) for d, s in zip(when, second, strict=True)]
    events = make_events([f"i{k:03d}" for k in item], at, price[item, when].tolist(), [1] * len(item))
    promotions = pl.DataFrame(deals, schema=["item_id", "start", "end", "price"], orient="row").with_columns(
        pl.col("start", "end").cast(pl.Datetime("us", "UTC")),
        pl.lit(None, dtype=pl.Int64).alias("position"),
        pl.lit(False).alias("randomized"),
    )
    kind = [f"Fine Thing{k // SIZE}" if k < GROUPS * SIZE else f"Odd Piece{k}" for k in range(N)]
    items = make_items(N).with_columns(pl.Series("title", kind))
    return Tables(events=events.lazy(), items=items, promotions=Promotions.validate(promotions))


@pytest.fixture(scope="module")
def ground() -> Groundwork:
    return lay_groundwork(great_days_shop(0), NOW, QUICK, rng=np.random.default_rng(0), progress=silent)


def alone() -> sparse.csr_matrix:
    return sparse.identity(N, format="csr")


def test_the_factor_is_what_the_days_brought(ground: Groundwork) -> None:
    rows = ground.sales.item, ground.first, ground.last
    found = np.log(twin_factor(ground.cross, alone(), *rows[:2], *rows[1:]))
    rng = np.random.default_rng(0)
    rng.lognormal(0.7, 0.4, N)
    great = 0.4 * rng.uniform(0, 1, len(GREAT))
    truth = great[np.searchsorted(GREAT, ground.first, side="right") - 1]
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


def test_twins_take_shocks_out_of_diversion(monkeypatch: pytest.MonkeyPatch) -> None:
    fitting = sys.modules["flashlift.demand.fit"]
    found: dict[str, list[float]] = {"twins": [], "own forecast": []}
    for seed in range(3):
        tables = great_days_shop(seed)
        with one_blas_thread():
            ground = lay_groundwork(tables, NOW, QUICK, rng=np.random.default_rng(0), progress=silent)
            found["twins"].append(fit_on(ground, tables).diverted.measured)
            with monkeypatch.context() as patch:
                patch.setattr(fitting, "twin_factor", lambda _, __, item, *___: np.ones(len(item)))
                found["own forecast"].append(fit_on(ground, tables).diverted.measured)
    bias = {control: abs(np.mean(theta) - THETA) for control, theta in found.items()}
    assert bias["own forecast"] > 0.15
    assert bias["twins"] < 0.5 * bias["own forecast"]
