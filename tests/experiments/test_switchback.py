"""Switchbacks: balanced orders by lot, a heap for each arm that tells the truth, and carry-over washed out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from flashlift.domain import Slot
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import switchback
from flashlift.experiments.switchback import arm_quotas, balanced_orders, washed
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.totals import within_total

START = datetime(2024, 11, 25, 9, tzinfo=UTC)


def slots(days: int = 4, hours: int = 4) -> tuple[Slot, ...]:
    return tuple(
        Slot(slot_id=f"d{d}h{h}", start=start, end=start + timedelta(hours=2), positions=9)
        for d in range(days)
        for h in range(hours)
        for start in [START + timedelta(days=d, hours=3 * h)]
    )


@pytest.mark.parametrize(("days", "hours"), [(4, 4), (2, 2), (5, 1), (14, 4)])
def test_orders_come_with_their_mirror_images_and_balance_demand(days: int, hours: int) -> None:
    windows = slots(days, hours)
    expected = np.tile(np.array([1.0, 3.0, 1.4, 3.2])[:hours], days)
    orders = balanced_orders(windows, expected, rng=np.random.default_rng(1))
    as_set = {tuple(one) for one in orders}
    assert {tuple(1.0 - one) for one in orders} == as_set
    assert len(as_set) == len(orders)
    assert orders.mean(axis=0) == pytest.approx(np.full(len(windows), 0.5))
    assert set(orders.sum(axis=1)) <= {len(windows) // 2, len(windows) - len(windows) // 2}
    if (days, hours) == (4, 4):
        by_day = (orders * expected).reshape(-1, 4, 4).sum(axis=2) / 8.6
        assert np.abs(by_day - 0.5).max() < 0.04  # 9 and 18 o'clock against the other two, or 9 and 12
        assert len(orders) == 40


def play(want: FloatArray, quota: IntArray) -> FloatArray:
    """Units sold of what is wanted, (n, n_slots), one window after the other, from one heap of each item."""
    return np.diff(np.minimum(want.cumsum(axis=1), quota[:, None]), axis=1, prepend=0.0)


@pytest.mark.parametrize("stock", [0.5, 1.0, 3.0])
def test_covers_the_effect_on_the_whole_sale_where_stock_runs_out(stock: float) -> None:
    """40 items in 16 windows, the dearer price sells 0.6 times as much; truth: the mean over worlds, one heap."""
    rng, runs, missed, wrong, bias = np.random.default_rng(2), 400, 0, 0, []
    size = rng.lognormal(3.5, 1.0, 40)
    hour = np.tile([1.0, 3.0, 1.4, 3.2], 4)
    expected = size[:, None] * hour / hour.sum()
    units = np.maximum(np.rint(stock * size), 2).astype(np.int64)
    orders = balanced_orders(slots(), expected.sum(axis=0), rng=rng)
    effects = rng.lognormal(np.log(0.6), 0.15, 40)
    worlds = [rng.lognormal(-0.02, 0.2, 40) for _ in range(400)]
    truth = np.mean(
        [
            1.25 * np.minimum(rng.poisson(size * w * effects), units).sum()
            - np.minimum(rng.poisson(size * w), units).sum()
            for w in worlds
        ]
    )
    for w in worlds[:runs]:
        treated = orders[rng.integers(len(orders))]
        want = rng.poisson(expected * w[:, None] * np.where(treated > 0, effects[:, None], 1.0)).astype(float)
        quota = arm_quotas(units, expected, treated, rng=rng)
        got = [play(want[:, treated == a], quota[:, a]).sum(axis=1) * units / quota[:, a] for a in (0, 1)]
        found = within_total(1.25 * got[1], got[0], size).effect
        missed += not found.ci_lower <= truth <= found.ci_upper
        wrong += (found.ci_upper < 0) if truth > 0 else (found.ci_lower > 0)
        bias.append(found.value - truth)
    assert missed <= scipy_stats.binom.ppf(0.999, runs, 0.07)  # the bar: 93 %
    assert wrong <= scipy_stats.binom.ppf(0.999, runs, 0.01)
    assert abs(np.mean(bias)) < 0.02 * size.sum()  # two smaller heaps sell a little less than one


def cell_frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    windows = pl.DataFrame(
        {
            "slot_id": ["a", "b", "c", "d"],
            "cluster": ["all"] * 4,
            "variant": ["control", "treatment", "treatment", "control"],
        }
    )
    quotas = pl.DataFrame(
        {
            "item_id": ["x", "y", "z"],
            "cluster": ["all"] * 3,
            "group": ["g", "h", "k"],
            "size": [10.0, 20.0, 30.0],
            "control": [4, 10, 16],
            "treatment": [6, 10, 14],
        }
    )
    return windows, quotas


def test_rows_are_summed_by_arm_and_stated_for_the_whole_quota() -> None:
    windows, quotas = cell_frames()
    rows = [("x", "a", 3.0), ("x", "b", 5.0), ("x", "b", 1.0), ("y", "c", 7.0), ("y", "d", 2.0), ("z", "d", 4.0)]
    outcomes = pl.DataFrame(rows, schema=["item_id", "slot_id", "metric"], orient="row")
    found = switchback(outcomes, windows, quotas, metric="revenue (EUR)").found
    treatment, control = np.array([6 * 10 / 6, 7 * 2, 0.0]), np.array([3 * 10 / 4, 2 * 2, 4 * 30 / 16])
    assert found == within_total(treatment, control, np.array([10.0, 20.0, 30.0]))


def test_the_result_says_what_it_is() -> None:
    windows, quotas = cell_frames()
    outcomes = pl.DataFrame([("x", "a", 3.0), ("y", "b", 9.0)], schema=["item_id", "slot_id", "metric"], orient="row")
    found = switchback(outcomes, windows, quotas, metric="revenue (EUR)")
    assert "revenue (EUR) of the whole sale" in str(found)
    assert "one heap" in str(found)
    assert found.to_polars()["units"].to_list() == [3]


def test_refusals() -> None:
    windows, quotas = cell_frames()
    known = pl.DataFrame([("x", "a", 3.0)], schema=["item_id", "slot_id", "metric"], orient="row")
    for name, value in (("item_id", "w"), ("slot_id", "e")):
        with pytest.raises(InputError, match="no window for item"):
            switchback(known.with_columns(pl.lit(value).alias(name)), windows, quotas, metric="m")
    with pytest.raises(InputError, match="lacks its item, slot or number"):
        switchback(known.with_columns(metric=pl.lit(None, pl.Float64)), windows, quotas, metric="m")
    with pytest.raises(InsufficientDataError, match="at least 3"):
        switchback(known, windows, quotas.head(2), metric="m")
    with pytest.raises(InsufficientDataError, match="at least 4 windows, and there are 1"):
        balanced_orders(slots(1, 1), np.ones(1), rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="no slots"):
        washed((), 1.0)


def test_carry_over_biases_a_switchback_until_it_is_washed_out() -> None:
    """Who came in the first 30 minutes still saw the price before: 2 hours between switches, effect -40 %."""
    rng, hours = np.random.default_rng(5), np.arange(0, 96, 0.5)
    windows = hours // 2
    estimates: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(300):
        order = rng.permutation(np.repeat([0.0, 1.0], 24))
        price = order[windows.astype(int)]
        seen = np.where(hours % 2 < 0.5, np.concatenate([[price[0]], price[:-1]]), price)
        sold = rng.poisson(50.0 * (1.0 - 0.4 * seen))
        for wash in (False, True):
            kept = (hours % 2 >= 0.5) | (not wash)
            estimates[wash].append(sold[kept & (price == 1)].mean() / sold[kept & (price == 0)].mean() - 1.0)
    assert np.mean(estimates[True]) == pytest.approx(-0.4, abs=0.01)
    assert np.mean(estimates[False]) > -0.37
