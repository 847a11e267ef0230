"""The experiment scoreboard: the naive test lies on scarce stock, split ones do not, and figures are what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.experiment_truth import study
from benchmarks.experiment_truth.block import CONTROL, TREATMENT, Block, Size, make_block
from benchmarks.experiment_truth.customers import _spent
from benchmarks.experiment_truth.designs import customer_shared, slot_split, stock_split
from benchmarks.experiment_truth.page import chart, markdown, table
from benchmarks.experiment_truth.study import Task, designs_found, folder_of, load, run
from benchmarks.experiment_truth.windows import assign, paired
from scipy import stats

from flashlift.domain import Costs
from flashlift.market import Arm

SMALL = Size(n_items=60, n_deals=30, n_customers=2_000, n_events=1_500_000, n_blocks=2, n_futures=4)


@pytest.fixture(scope="module")
def scarce() -> Block:
    return make_block("log_linear", 0.5, 0, SMALL)


def test_the_naive_customer_split_has_the_wrong_sign_and_the_stock_split_does_not(scarce: Block) -> None:
    truth = study._truth(scarce)
    effect = np.mean(truth["treatment"]) - np.mean(truth["control"])
    naive, split = (
        design.measure(scarce, CONTROL, TREATMENT, rng=np.random.default_rng(1))
        for design in (customer_shared, stock_split)
    )
    assert effect > 0
    assert (naive.effect < -effect).all()
    assert (naive.ci_upper < effect).all()
    # Four replicates, each with a standard error of about a quarter of its interval.
    error = (split.ci_upper - split.ci_lower).mean() / 4 / 2
    assert abs(split.effect.mean() - effect) < 4 * error


def test_both_splits_agree_where_stock_is_plentiful() -> None:
    block = make_block("log_linear", 30.0, 0, SMALL)
    shared, split = (
        design.measure(block, CONTROL, TREATMENT, rng=np.random.default_rng(1))
        for design in (customer_shared, stock_split)
    )
    np.testing.assert_allclose(shared.effect, split.effect, rtol=1e-9)


def test_every_design_finds_nothing_where_arms_are_alike(scarce: Block) -> None:
    for name, design in designs_found().items():
        none = design.measure(scarce, CONTROL, CONTROL, rng=np.random.default_rng(2))
        assert ((none.ci_lower <= 0) & (none.ci_upper >= 0)).mean() >= 0.5, name


def test_every_unit_is_bought_by_a_customer_of_its_arm(scarce: Block) -> None:
    arm = np.random.default_rng(0).integers(2, size=SMALL.n_customers)
    arms = [Arm(name=n, share=0.5, offers=tuple(scarce.offers(cut))) for n, cut in (("a", CONTROL), ("b", TREATMENT))]
    played = scarce.stage.play_arms(arms, Costs())
    spent = _spent(scarce, played, 1, arm, np.random.default_rng(1))
    for k in (0, 1):
        mine = played.arm == k
        assert spent[arm == k].sum() == pytest.approx((played.sold[mine, 1] * played.price[mine]).sum())


def test_slots_share_out_the_whole_stock(scarce: Block) -> None:
    parts = slot_split._parts(scarce)
    assert (parts >= 0).all()
    np.testing.assert_array_equal(parts.sum(axis=1), scarce.allotted)


def test_pairs_of_windows_are_analyzed_as_paired_t() -> None:
    rng = np.random.default_rng(3)
    treated, revenue = assign(rng), rng.normal(100.0, 20.0, (16, 3))
    assert treated.sum() == 8
    found = paired(revenue, treated)
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
    size = replace(SMALL, n_blocks=1, n_futures=2)
    folder, task = folder_of(tmp_path, size), Task(world="waiting", stock=1.0, block=0)
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
    task = Task(world="waiting", stock=0.5, block=0)
    task.path(tmp_path).write_text(json.dumps({"truth": truth, "switchback": {"ab": ab, "aa": aa}}))
    found = table(["waiting"], [0.5], [0, 1], tmp_path).row(0, named=True)
    assert found["replicates"] == 4
    assert found["truth"] == pytest.approx(0.10)
    assert found["bias"] == pytest.approx((10 - 20 + 5 + 12) / 4 / 100 - 0.10)
    assert (found["coverage"], found["rejects"], found["wrong_sign"], found["aa_rejects"]) == (0.75, 0.75, 0.25, 0.25)


def test_a_small_study_runs_from_start_to_page(tmp_path: Path) -> None:
    size = replace(SMALL, n_blocks=1, n_futures=2, n_events=400_000)
    tasks = [Task(world="mixture", stock=stock, block=0) for stock in (0.5, 3.0)]
    told: list[int] = []
    run(tasks, size, tmp_path, workers=1, told=lambda: told.append(1))
    assert len(told) == 2
    figures = table(["mixture"], [0.5, 3.0], [0], tmp_path)
    assert len(figures) == 2 * len(designs_found())
    page = markdown(figures, size, "a command")
    for design in designs_found().values():
        assert page.count(f"| {design.NAME} |") == 4
    chart(figures).save(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 10_000
