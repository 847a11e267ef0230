"""The experiment scoreboard: the naive test lies on scarce stock, split ones do not, and figures are what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.experiment_truth import study
from benchmarks.experiment_truth.block import (
    CONTROL,
    TREATMENT,
    Block,
    Sale,
    Size,
    allotted,
    make_block,
    returned,
    sold,
)
from benchmarks.experiment_truth.customers import bought, split
from benchmarks.experiment_truth.designs import customer_shared, slot_split, stock_split, window_quotas
from benchmarks.experiment_truth.page import chart, markdown, table
from benchmarks.experiment_truth.study import STOCKS, Task, designs_found, folder_of, load, run
from benchmarks.experiment_truth.windows import assign, paired
from scipy import stats

from flashlift.domain import Costs, Offer

SMALL = Size(n_items=60, n_deals=30, n_customers=2_000, n_events=1_500_000, n_blocks=2, n_futures=8)


@pytest.fixture(scope="module")
def block() -> Block:
    return make_block("log_linear", 0, SMALL)


def sale(block: Block, stock: float, treatment: float = TREATMENT) -> Sale:
    return Sale(block=block, stock=allotted(block, stock), control=CONTROL, treatment=treatment)


def test_shelves_are_emptied_as_the_market_empties_them(block: Block) -> None:
    stock, price = allotted(block, 0.7), block.price(CONTROL)
    offers = [
        Offer(
            item_id=f"i{row}",
            slot_id=slot.slot_id,
            discount_frac=CONTROL,
            price=float(price[d]),
            quota=10**7,
            expected_units=0.0,
            expected_value=0.0,
        )
        for d, row in enumerate(block.deals)
        for slot in block.slots
    ]
    heap = np.zeros_like(block.stage.stock)
    heap[block.deals] = stock
    played = replace(block.stage, stock=heap).play(offers, Costs()).sold.reshape(len(stock), len(block.slots), -1)
    np.testing.assert_array_equal(sold(block.wanted[CONTROL], stock), played)


def test_the_naive_customer_split_has_the_wrong_sign_and_the_stock_split_does_not(block: Block) -> None:
    truth = study._truth(block, 0.5)
    effect = np.mean(truth["treatment"]) - np.mean(truth["control"])
    naive, own = (
        design.measure(sale(block, 0.5), rng=np.random.default_rng(1)) for design in (customer_shared, stock_split)
    )
    assert effect > 0
    assert (naive.effect < -effect).all()
    assert (naive.ci_upper < effect).all()
    assert abs(own.effect.mean() - effect) < 0.03 * np.mean(truth["control"])


def test_one_quota_for_all_windows_of_a_price_is_nearer_to_the_truth_than_one_for_each(block: Block) -> None:
    truth = study._truth(block, 0.5)
    effect, whole = np.mean(truth["treatment"]) - np.mean(truth["control"]), np.mean(truth["control"])
    arm, window = (
        design.measure(sale(block, 0.5), rng=np.random.default_rng(1)).effect.mean()
        for design in (slot_split, window_quotas)
    )
    assert abs(arm - effect) < 0.02 * whole
    assert window < effect - 0.01 * whole


def test_every_design_finds_nothing_where_arms_are_alike(block: Block) -> None:
    for name, design in designs_found().items():
        none = design.measure(sale(block, 1.0, treatment=CONTROL), rng=np.random.default_rng(2))
        assert ((none.ci_lower <= 0) & (none.ci_upper >= 0)).mean() >= 0.5, name


def test_every_unit_is_bought_by_a_customer_of_its_arm_and_some_come_back(block: Block) -> None:
    one = sale(block, 3.0)
    _, treated, wanted = next(split(one, np.random.default_rng(0)))
    units = [part.sum(axis=1) for part in wanted]
    trade = bought(one, units, treated, np.random.default_rng(1))
    for a, cut in enumerate(one.arms):
        mine = treated[trade.customer] == a
        gross = (mine & (trade.value > 0)).sum()
        assert gross == units[a].sum()
        np.testing.assert_allclose(trade.value[mine & (trade.value > 0)].sum(), units[a] @ block.price(cut))
        back = (mine & (trade.value < 0)).sum()
        assert stats.binomtest(int(back), int(gross), float(returned(cut))).pvalue > 1e-4


def test_pairs_of_windows_are_analyzed_as_paired_t() -> None:
    rng = np.random.default_rng(3)
    treated, revenue = assign(rng), rng.normal(100.0, 20.0, (16, 3))
    assert treated.sum() == 8
    found = paired(revenue, np.repeat(treated[:, None], 3, axis=1))
    days = treated.reshape(4, 4)
    assert (days[0] + days[1] == 1).all()
    assert (days[2] + days[3] == 1).all()
    one, other = revenue.reshape(4, 4, 3)[[0, 2]].reshape(8, 3), revenue.reshape(4, 4, 3)[[1, 3]].reshape(8, 3)
    first = days[[0, 2]].reshape(8) == 1
    with_t, without = np.where(first[:, None], one, other), np.where(first[:, None], other, one)
    known = stats.ttest_rel(with_t, without).confidence_interval(0.95)
    np.testing.assert_allclose(found.ci_lower, 16 * known.low)
    np.testing.assert_allclose(found.ci_upper, 16 * known.high)


def test_blocks_are_kept_and_a_new_design_adds_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = replace(SMALL, n_blocks=1, n_futures=2, n_events=400_000)
    folder, task = folder_of(tmp_path, size), Task(world="waiting", block=0)
    folder.mkdir(parents=True)
    designs = designs_found()
    monkeypatch.setattr(study, "designs_found", lambda: {"stock_split": designs["stock_split"]})
    study._work(task, size, folder)
    kept = load(task, folder)
    assert kept is not None
    assert set(kept) == {"truth", "stock_split"}
    monkeypatch.setattr(study, "designs_found", lambda: {n: designs[n] for n in ("stock_split", "switchback")})
    study._work(task, size, folder)
    more = load(task, folder)
    assert more is not None
    assert set(more) == {"truth", "stock_split", "switchback"}
    assert more["stock_split"] == kept["stock_split"]
    study._work(task, size, folder)
    assert load(task, folder) == more
    assert folder_of(tmp_path, replace(size, n_futures=3)) != folder


def test_the_table_counts_what_the_blocks_hold(tmp_path: Path) -> None:
    truth = {"control": [100.0, 100.0, 100.0, 100.0], "treatment": [110.0, 110.0, 110.0, 110.0]}
    ab = {
        "effect": [10.0, -20.0, 5.0, 12.0],
        "ci_lower": [5.0, -30.0, -5.0, 2.0],
        "ci_upper": [15.0, -10.0, 15.0, 22.0],
    }
    aa = {"effect": [0.0, 0.0, 3.0, 0.0], "ci_lower": [-1.0, -1.0, 1.0, -1.0], "ci_upper": [1.0, 1.0, 5.0, 1.0]}
    task = Task(world="waiting", block=0)
    kept = {"truth": {"0.5": truth}, "switchback": {"0.5": {"ab": ab, "aa": aa}}}
    task.path(tmp_path).write_text(json.dumps(kept))
    found = table(["waiting"], [0.5], [0, 1], tmp_path).row(0, named=True)
    assert found["replicates"] == 4
    assert found["truth"] == pytest.approx(0.10)
    assert found["bias"] == pytest.approx((10 - 20 + 5 + 12) / 4 / 100 - 0.10)
    assert found["coverage_own"] == 0.75
    assert found["half_width"] == pytest.approx((5 + 10 + 10 + 10) / 4 / 100)
    assert (found["coverage"], found["rejects"], found["wrong_sign"], found["aa_rejects"]) == (0.75, 0.75, 0.25, 0.25)


def test_a_small_study_runs_from_start_to_page(tmp_path: Path) -> None:
    size = replace(SMALL, n_blocks=1, n_futures=4, n_events=400_000)
    told: list[int] = []
    run([Task(world="mixture", block=0)], size, tmp_path, workers=1, told=lambda: told.append(1))
    assert len(told) == 1
    figures = table(["mixture"], STOCKS, [0], tmp_path)
    assert len(figures) == len(STOCKS) * len(designs_found())
    page = markdown(figures, size, "a command")
    for design in designs_found().values():
        assert page.count(f"| {design.NAME} |") >= 2 * len(STOCKS)
    assert "| price | slot-split switchback | 0.5, 1, 3 | 12 |" in page
    chart(figures).save(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 10_000
