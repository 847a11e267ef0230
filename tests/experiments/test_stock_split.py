"""Stock-split: sold-out offers are no noise, customers and items both are, and sales after the release do not count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError
from flashlift.experiments import stock_split
from flashlift.experiments.stock_split import split_effect
from flashlift.stats.totals import TotalEffect

START = datetime(2024, 11, 29, tzinfo=UTC)
N_CUSTOMERS, N_ITEMS = 600, 30


def sale(
    rng: np.random.Generator, stock: float, lift: float, *, quota: bool = True, spread: float = 0.2
) -> tuple[TotalEffect, float]:
    """One sale of 30 items: treatment wants (1 + lift) times as much. Estimate and the truth of this very world."""
    size = rng.lognormal(2.5, 0.8, N_ITEMS)
    world = size * rng.lognormal(-(spread**2) / 2, spread, N_ITEMS)
    activity = rng.lognormal(0.0, 1.0, N_CUSTOMERS)
    treated = np.zeros(N_CUSTOMERS)
    treated[rng.permutation(N_CUSTOMERS)[: N_CUSTOMERS // 2]] = 1.0
    units = np.maximum(np.rint(stock * size), 2)
    parts = np.floor(units / 2)[:, None] + np.stack([np.zeros(N_ITEMS), units % 2], axis=1)
    customer, item, sold_out = [], [], np.zeros((N_ITEMS, 2), bool)
    for a in (0, 1):
        members = np.flatnonzero(treated == a)
        share = activity[members].sum() / activity.sum()
        want = rng.poisson(world * share * (1.0 + lift * a))
        got = np.minimum(want, parts[:, a]).astype(int)
        sold_out[:, a] = want >= parts[:, a]
        item.append(np.repeat(np.arange(N_ITEMS), got))
        customer.append(rng.choice(members, len(item[-1]), p=activity[members] / activity[members].sum()))
    many = [
        np.minimum(rng.poisson((world * (1.0 + lift * a))[:, None], (N_ITEMS, 300)), units[:, None]) for a in (0, 1)
    ]
    found = split_effect(
        customer=np.concatenate(customer),
        item=np.concatenate(item),
        value=np.ones(sum(map(len, item))),
        treated=treated,
        size=size,
        quota=parts,
        sold_out=sold_out,
        group=np.arange(N_ITEMS),
    )
    return found, float(many[1].mean(axis=1).sum() - many[0].mean(axis=1).sum())


@pytest.mark.parametrize("stock", [0.5, 1.0, 3.0])
def test_covers_whether_stock_runs_out_or_not(stock: float) -> None:
    rng, runs = np.random.default_rng(1), 300
    found = [sale(rng, stock, 0.4) for _ in range(runs)]
    missed = sum(not one.effect.ci_lower <= truth <= one.effect.ci_upper for one, truth in found)
    assert missed <= scipy_stats.binom.ppf(0.999, runs, 0.07)  # the bar: 93 %


@pytest.mark.parametrize("stock", [0.5, 1.0, 3.0])
def test_alike_arms_are_found_alike(stock: float) -> None:
    rng, runs = np.random.default_rng(2), 300
    rejected = sum(sale(rng, stock, 0.0)[0].pvalue < 0.05 for _ in range(runs))
    assert rejected <= scipy_stats.binom.ppf(0.999, runs, 0.05)


def test_customers_alone_would_see_noise_where_all_is_sold() -> None:
    """Everything sold out in both arms: what they earn is known, whoever bought it."""
    rng = np.random.default_rng(3)
    people, size = np.repeat([0.0, 1.0], 50), np.full(6, 10.0)
    item = np.tile(np.repeat(np.arange(6), 5), 2)
    customer = np.concatenate([rng.integers(50, size=30), 50 + rng.integers(50, size=30)])
    value = np.where(customer >= 50, 1.25, 1.0)
    given = {
        "customer": customer,
        "item": item,
        "value": value,
        "treated": people,
        "size": size,
        "group": np.arange(6),
        "quota": np.full((6, 2), 5),
    }
    sure = split_effect(**given, sold_out=np.ones((6, 2), bool))
    assert sure.effect.value == pytest.approx(15.0)
    assert sure.std_error == pytest.approx(0.0, abs=1e-9)
    unsure = split_effect(**given, sold_out=np.zeros((6, 2), bool))
    assert unsure.effect.value == pytest.approx(15.0)
    assert unsure.std_error > 1.0


def test_refunds_of_sold_out_offers_are_noise_again() -> None:
    people, item = np.repeat([0.0, 1.0], 50), np.tile(np.arange(6), 10)
    customer = np.concatenate([np.arange(30), 50 + np.arange(30)])
    given = {
        "treated": people,
        "size": np.full(6, 10.0),
        "sold_out": np.ones((6, 2), bool),
        "group": np.arange(6),
        "quota": np.full((6, 2), 5),
    }
    kept = split_effect(customer=customer, item=item, value=np.ones(60), **given)
    back = split_effect(
        customer=np.append(customer, [0, 3]),
        item=np.append(item, [0, 3]),
        value=np.append(np.ones(60), [-1, -1]),
        **given,
    )
    assert kept.std_error == pytest.approx(0.0, abs=1e-9)
    assert back.effect.value == pytest.approx(kept.effect.value + 4.0)
    assert back.std_error > 1.0


def frames() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    customers = pl.DataFrame({"customer_id": [f"c{k}" for k in range(8)], "variant": ["control", "treatment"] * 4})
    items = pl.DataFrame(
        {
            "item_id": ["x", "y", "z"],
            "group": ["g", "h", "k"],
            "size": [4.0, 4.0, 4.0],
            "control": [2, 9, 9],
            "treatment": [2, 9, 9],
            "control_sold_out": [True, False, False],
            "treatment_sold_out": [False, False, False],
        }
    )
    rows = [("c0", "x", 0, 2.0), ("c2", "x", 1, 2.0), ("c1", "x", 1, 2.5), ("c3", "y", 2, 1.0), ("c3", "z", 9, 1.0)]
    sales = pl.DataFrame(
        [(c, i, START + timedelta(hours=h), m) for c, i, h, m in rows],
        schema=["customer_id", "item_id", "at", "metric"],
        orient="row",
    )
    return sales, customers, items


def test_frames_become_arrays_and_sales_after_the_release_are_left_out() -> None:
    sales, customers, items = frames()
    whole = stock_split(sales, customers, items, metric="revenue")
    assert whole.found.effect.value == 2 * (4.5 - 4.0)
    early = stock_split(sales, customers, items, metric="revenue", release=START + timedelta(hours=9))
    assert early.found.effect.value == 2 * (3.5 - 4.0)
    assert "to the release of the quotas at 2024-11-29 09:00 UTC" in str(early)


def test_sales_after_the_release_would_lie() -> None:
    """After the release both arms buy what the dearer arm left: counted, they hide what the dearer price lost."""
    rng, counted, before = np.random.default_rng(4), [], []
    for _ in range(400):
        want = rng.poisson([[30.0, 6.0], [15.0, 3.0]])  # control and treatment, before and after the release
        sold = np.minimum(want[:, 0], 25)
        left = 50 - sold.sum()
        late = np.minimum(want[:, 1], left)
        if late.sum() > left:
            late[0] = rng.hypergeometric(want[0, 1], want[1, 1], left)
            late[1] = left - late[0]
        counted.append((sold + late)[1] - (sold + late)[0])
        before.append(sold[1] - sold[0])
    truth_whole = (min(18, 25) - 25.0, min(15, 25) - 25.0)  # demand of 36 and of 18 on a quota of 25; of 15 before
    assert np.mean(before) == pytest.approx(truth_whole[1], abs=1.0)
    assert np.mean(counted) < truth_whole[0] - 3.0


def test_refusals() -> None:
    sales, customers, items = frames()
    with pytest.raises(InputError, match="listed twice"):
        stock_split(sales, pl.concat([customers, customers.head(1)]), items, metric="m")
    with pytest.raises(InputError, match="there is also 'other'"):
        stock_split(sales, customers.with_columns(variant=pl.lit("other")), items, metric="m")
    with pytest.raises(InputError, match="1 sales have an unknown customer_id, such as 'c3'"):
        stock_split(sales.head(4), customers.filter(pl.col("customer_id") != "c3"), items, metric="m")
    with pytest.raises(InputError, match="unknown item_id, such as 'z'"):
        stock_split(sales, customers, items.head(2), metric="m")
    with pytest.raises(InputError, match="8 and 0 customers"):
        stock_split(sales, customers.with_columns(variant=pl.lit("control")), items, metric="m")
