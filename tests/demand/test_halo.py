"""Halo: which items go along with which, and what a sale of one brings to the other, from logs whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.elsewhere_truth import NOW, PAIRS, basket_shop
from scipy.stats import binom
from tests.demand.conftest import make_slots

from flashlift.demand import DemandConfig, FittedDemand, fit
from flashlift.demand.complements import Complements, find_complements
from flashlift.demand.event_study import MovedShare, Prior, measure_gained
from flashlift.demand.halo import halo_effects, halo_sentence
from flashlift.demand.panel import build_panel
from flashlift.market import SimulatedShop
from flashlift.schema import SaleItems, Tables


def sale_items(tables: Tables) -> pl.DataFrame:
    known = {"cost_assumed": pl.lit(False), "stock_assumed": pl.lit(False)}
    return SaleItems.validate(tables.items.drop("attributes").with_columns(**known))


@pytest.fixture(scope="module")
def lively(quick: DemandConfig) -> tuple[Tables, FittedDemand]:
    tables = basket_shop(0.2, seed=3)
    return tables, fit(tables, until=NOW, config=quick, rng=np.random.default_rng(0))


def test_a_halo_is_found_and_enters_the_draws(lively: tuple[Tables, FittedDemand]) -> None:
    tables, model = lively
    found = model.halo
    assert found.measured is not None
    assert found.measured_sd is not None
    assert found.measured_sd < 0.06
    assert abs(found.measured - 0.2) < 3 * found.measured_sd
    assert 0 < found.mean < found.measured + found.measured_sd
    cross = model.draw(sale_items(tables), make_slots(NOW, 2), 50, rng=np.random.default_rng(1)).cross()
    assert (cross.effect > 0).all()
    np.testing.assert_array_equal(cross.source // 2, cross.target // 2)
    from_promoted = cross.effect[cross.source % 2 == 0]
    assert len(from_promoted) == PAIRS
    assert from_promoted.mean() == pytest.approx(found.mean, rel=0.1)
    assert "adds 0." in model.spillover


def test_complements_are_saved_and_only_items_asked_for_gain(
    lively: tuple[Tables, FittedDemand], tmp_path: Path
) -> None:
    tables, model = lively
    model.save(tmp_path / "model", inputs="x")
    loaded = FittedDemand.load(tmp_path / "model")
    assert loaded.halo == model.halo
    assert loaded.spillover == model.spillover
    some = sale_items(tables)[[3, 2, 4, 9]]
    new = some[:1].with_columns(item_id=pl.lit("new"))
    cross = loaded.draw(pl.concat([some, new]), make_slots(NOW, 2), 50, rng=np.random.default_rng(1)).cross()
    assert sorted(zip(cross.source.tolist(), cross.target.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_complements_without_a_halo_are_rarely_read_as_one(quick: DemandConfig) -> None:
    trials = 8
    claimed = 0
    for seed in range(trials):
        tables = basket_shop(0.0, seed=seed)
        model = fit(tables, until=NOW, config=replace(quick, rounds=10), rng=np.random.default_rng(0))
        assert model.halo.measured is not None
        claimed += len(model.complements.source) > 0
        if not len(model.complements.source):
            assert model.halo.share == 0.0
            assert "counts as none" in model.spillover
    assert claimed <= binom.ppf(0.999, trials, 0.1)


def test_the_gate_errs_in_one_of_twenty_when_weeks_share_shocks() -> None:
    rng = np.random.default_rng(0)
    trials, n, claimed = 300, 200, 0
    for _ in range(trials):
        expected, week = rng.lognormal(2.0, 0.6, n), rng.integers(0, 26, n)
        extra = expected * rng.uniform(0.1, 0.6, n)
        actual = rng.poisson(np.exp(rng.normal(0.0, 0.15, 26))[week] * expected).astype(float)
        found = measure_gained(actual, expected, expected, extra, np.arange(n) % 60, week, Prior(mean=0.0, sd=0.1))
        assert found.interval is not None
        claimed += found.interval[0] > 0
    assert claimed <= binom.ppf(0.999, trials, 0.05)


def test_complements_come_from_orders_without_a_sale() -> None:
    tables = basket_shop(0.5, seed=1, attach=0.0)
    panel = build_panel(tables, NOW, DemandConfig())
    alone = np.arange(len(panel.item_ids))
    assert not len(find_complements(tables, panel, alone).source)
    tables = basket_shop(0.0, seed=1)
    panel = build_panel(tables, NOW, DemandConfig())
    found = find_complements(tables, panel, alone)
    np.testing.assert_array_equal(found.source, alone)
    np.testing.assert_array_equal(found.target, alone ^ 1)
    assert found.units[::2].mean() == pytest.approx(0.2, abs=0.02)
    assert not len(find_complements(tables, panel, alone // 2).source), "substitutes are no complements"


def test_without_complements_the_draws_are_those_of_diversion_alone(shop: SimulatedShop, model: FittedDemand) -> None:
    assert not len(model.complements.source), "orders of the simulated shop hold what customers like, one by one"
    assert model.halo.measured is None
    assert model.halo.draw(1_000, np.random.default_rng(0)).max() < 1e-4
    ask = shop.sale_items, make_slots(shop.now, 2), 50
    cross = model.draw(*ask, rng=np.random.default_rng(1)).cross()
    assert (cross.effect < 0).all()
    hopeful = replace(model, halo=MovedShare(share=0.5, share_sd=0.1))
    again = hopeful.draw(*ask, rng=np.random.default_rng(1)).cross()
    np.testing.assert_array_equal(again.effect, cross.effect)
    np.testing.assert_array_equal(again.target, cross.target)


def test_effects_are_gains_between_items_that_are_asked_for() -> None:
    complements = Complements(source=np.array([0, 0, 2]), target=np.array([1, 2, 0]), units=np.array([0.5, 0.25, 1.0]))
    effects = halo_effects(0.2, complements, np.array([2, -1, 0]), 3)
    np.testing.assert_array_equal(effects.source, [2, 0])
    np.testing.assert_array_equal(effects.target, [0, 2])
    np.testing.assert_allclose(effects.effect, [0.05, 0.2])


def test_the_sentence_says_whether_it_counts() -> None:
    shown = MovedShare(share=0.15, share_sd=0.04, measured=0.18, measured_sd=0.05)
    some = Complements(source=np.array([0, 0, 2]), target=np.array([1, 2, 0]), units=np.array([0.5, 0.25, 1.0]))
    assert halo_sentence(shown, some) == (
        "An extra unit of a sale adds 0.15 units of what is bought along with it (2 items have complements); the log "
        "alone says 0.18 (0.10 to 0.26)."
    )
    said = halo_sentence(MovedShare(share=0.0, share_sd=1e-6, measured=0.05, measured_sd=0.05), Complements.none())
    assert said.endswith("counts as none: units per extra unit, the log alone says 0.05 (-0.03 to 0.13).")
    assert "does not tell" in halo_sentence(MovedShare(share=0.0, share_sd=1e-6), Complements.none())
