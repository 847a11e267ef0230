"""Diversion: the laws of its effects, and its recovery from a log whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.demand.conftest import make_events, make_items, make_slots

from flashlift.demand import DemandConfig, FittedDemand, fit
from flashlift.demand.event_study import MovedShare
from flashlift.demand.substitution import diversion, diversion_sentence
from flashlift.schema import Promotions, SaleItems, Tables

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS, GROUPS, SIZE = 200, 30, 4


def test_an_extra_unit_takes_theta_from_the_rest_of_the_group() -> None:
    rng = np.random.default_rng(0)
    named = np.append(rng.integers(0, 15, 60), [15, 16])
    usual = rng.lognormal(0.0, 1.0, 62)
    effects = diversion(0.3, named, usual)
    assert (named[effects.source] == named[effects.target]).all()
    assert (effects.source != effects.target).all()
    assert (effects.effect < 0).all()
    taken = np.bincount(effects.source, -effects.effect, 62)
    for k in range(62):
        whole = usual[named == named[k]].sum()
        assert taken[k] == pytest.approx(0.3 * (1 - usual[k] / whole), abs=1e-12)
    assert (taken[60:] == 0).all()


def test_of_a_large_group_only_the_largest_lose() -> None:
    usual = np.arange(1.0, 101.0)
    effects = diversion(0.3, np.zeros(100, dtype=np.int64), usual)
    assert np.bincount(effects.source).max() <= 13
    assert effects.target.min() >= 87


def test_no_diversion_no_effects() -> None:
    assert len(diversion(0.0, np.zeros(5, dtype=np.int64), np.ones(5)).source) == 0


def competing_shop(theta: float, seed: int) -> Tables:
    """Groups of four alike; deals at random times triple an item's units and take theta of the gain from the group."""
    rng = np.random.default_rng(seed)
    n = GROUPS * SIZE
    base = rng.lognormal(0.7, 0.4, n)
    rate = np.repeat(base[:, None], DAYS, axis=1)
    price = np.full((n, DAYS), 10.0)
    deals = []
    for item in range(n):
        for start in rng.choice(np.arange(30, 190, 40), 3, replace=False) + rng.integers(0, 8):
            days = slice(int(start), int(start) + int(rng.integers(2, 5)))
            price[item, days] = 7.0
            group = np.arange(item // SIZE * SIZE, item // SIZE * SIZE + SIZE)
            rate[item, days] += 2.0 * base[item]
            others = group[group != item]
            rate[np.ix_(others, np.arange(days.start, days.stop))] -= (
                theta * 2.0 * base[item] * base[others] / base[group].sum()
            )[:, None]
            deals.append((f"i{item:03d}", START + timedelta(days=days.start), START + timedelta(days=days.stop)))
    counts = rng.poisson(np.maximum(rate, 0.02))
    item, day = (a.repeat(counts.ravel()) for a in (b.ravel() for b in np.indices(counts.shape)))
    at = [
        START + timedelta(days=int(d), seconds=int(s))
        for d, s in zip(day, rng.integers(30_000, 70_000, len(day)), strict=True)
    ]
    events = make_events([f"i{k:03d}" for k in item], at, price[item, day].tolist(), [1] * len(item))
    promotions = pl.DataFrame(deals, schema=["item_id", "start", "end"], orient="row").with_columns(
        pl.col("start", "end").cast(pl.Datetime("us", "UTC")),
        pl.lit(7.0).alias("price"),
        pl.lit(None, dtype=pl.Int64).alias("position"),
        pl.lit(False).alias("randomized"),
    )
    items = make_items(n).with_columns(pl.Series("title", [f"Fine Thing{k // SIZE}" for k in range(n)]))
    return Tables(events=events.lazy(), items=items, promotions=Promotions.validate(promotions))


@pytest.mark.parametrize("theta", [0.0, 0.6])
def test_diversion_is_recovered(theta: float, quick: DemandConfig) -> None:
    tables = competing_shop(theta, seed=4)
    now = START + timedelta(days=DAYS)
    model = fit(tables, until=now, config=quick, rng=np.random.default_rng(0))
    found = model.diverted
    assert found.measured is not None
    assert found.measured_sd is not None
    assert found.measured_sd < 0.1
    assert abs(found.measured - theta) < 3 * found.measured_sd + 0.05  # the extra units are themselves estimated
    lower, upper = found.interval
    assert (lower < 0.0 < upper) == (theta == 0.0)
    known = {"cost_assumed": pl.lit(False), "stock_assumed": pl.lit(False)}
    sale_items = SaleItems.validate(tables.items.drop("attributes").with_columns(**known))
    cross = model.draw(sale_items, make_slots(now, 2), 50, rng=np.random.default_rng(1)).cross()
    assert np.bincount(cross.source).max() == SIZE - 1
    untitled = SaleItems.validate(make_items(GROUPS * SIZE).drop("attributes").with_columns(**known))
    again = model.draw(untitled, make_slots(now, 2), 50, rng=np.random.default_rng(1)).cross()
    np.testing.assert_array_equal(again.effect, cross.effect)


def test_groups_are_saved_and_new_items_join_them_by_title(quick: DemandConfig, tmp_path: Path) -> None:
    now = START + timedelta(days=DAYS)
    model = fit(competing_shop(0.6, seed=4), until=now, config=quick, rng=np.random.default_rng(0))
    model.save(tmp_path / "model", inputs="x")
    loaded = FittedDemand.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.group, model.group)
    assert loaded.diverted == model.diverted
    assert loaded.substitution == model.substitution
    new = make_items(2).with_columns(item_id=pl.Series(["new", "odd"]), title=pl.Series(["Fine Thing7", "Vase"]))
    known = {"cost_assumed": pl.lit(False), "stock_assumed": pl.lit(False)}
    items = SaleItems.validate(pl.concat([make_items(GROUPS * SIZE), new]).drop("attributes").with_columns(**known))
    cross = loaded.draw(items, make_slots(now, 2), 50, rng=np.random.default_rng(1)).cross()
    of_new = np.sort(cross.target[cross.source == GROUPS * SIZE])
    np.testing.assert_array_equal(of_new, np.arange(7 * SIZE, 8 * SIZE))
    assert GROUPS * SIZE + 1 not in cross.source


def test_the_sentence_says_what_the_log_rules_out() -> None:
    group = np.array([0, 0, 1, 1, 1, 2])
    open_still = MovedShare(share=0.1, share_sd=0.05, measured=0.1, measured_sd=0.1)
    said = diversion_sentence(open_still, group)
    assert "5 items in 2 groups" in said
    assert said.endswith("the log alone says 10% (-6% to 26%), and does not rule out that it is nothing.")
    assert diversion_sentence(replace(open_still, measured_sd=0.01), group).endswith(
        "and rules out that it is nothing."
    )
    against = replace(open_still, measured=-0.5, measured_sd=0.1)
    assert "would have substitutes sell more, not less, so the prior decides" in diversion_sentence(against, group)
    assert "an assumption" in diversion_sentence(MovedShare(share=0.1, share_sd=0.1), group)
    assert "counts as none" in diversion_sentence(MovedShare(share=0.0, share_sd=1e-6), np.arange(6))


def test_without_titles_and_views_nothing_is_taken_and_that_is_said(
    quick: DemandConfig, caplog: pytest.LogCaptureFixture
) -> None:
    tables = replace(competing_shop(0.6, seed=4), items=make_items(GROUPS * SIZE))
    now = START + timedelta(days=DAYS)
    model = fit(tables, until=now, config=quick, rng=np.random.default_rng(0))
    assert "Neither titles nor views tell of any substitutes" in caplog.text
    assert model.diverted.share == 0.0
    assert model.diverted.interval is None
    assert model.diverted.draw(1_000, np.random.default_rng(0)).max() < 1e-4
    known = {"cost_assumed": pl.lit(False), "stock_assumed": pl.lit(False)}
    items = SaleItems.validate(tables.items.drop("attributes").with_columns(**known))
    assert len(model.draw(items, make_slots(now, 2), 50, rng=np.random.default_rng(1)).cross().source) == 0
