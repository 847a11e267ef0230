"""The whole way in very small shops."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from benchmarks.profit_captured import __main__ as command
from benchmarks.profit_captured import estimators
from benchmarks.profit_captured.case import Case
from benchmarks.profit_captured.estimators import true_response, truth
from benchmarks.profit_captured.planners import oracle
from benchmarks.profit_captured.play import Judge, Task, play_shop
from benchmarks.profit_captured.result import load, place
from benchmarks.profit_captured.rows import ORACLE
from benchmarks.profit_captured.run import missing, run
from benchmarks.profit_captured.settings import Settings
from benchmarks.profit_captured.shops import make_case
from typer.testing import CliRunner

from flashlift import planning

TINY = Settings(n_events=4_000, n_draws=60, n_futures=100)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case("log_linear", 0, n_events=8_000, n_draws=400, randomized_frac=0.0)


def test_a_board_is_played_resumed(tmp_path: Path) -> None:
    keys = ["none+no_sale", ORACLE]
    told: list[int] = []
    run(missing(["mixture"], [0], keys, tmp_path), TINY, tmp_path, workers=2, told=lambda n, now: told.append(n))
    assert sum(told) == 2
    nothing, best = (load(tmp_path, "mixture", 0, key) for key in keys)
    assert nothing is not None
    assert best is not None
    assert (nothing.error, nothing.value, nothing.n_offers) == (None, 0.0, 0)
    assert best.error is None
    assert best.value is not None
    assert best.forecast_wape is not None
    assert best.forecast_wape < 0.2  # two samples of the same truth
    gone, kept = (place(tmp_path, "mixture", 0, key) for key in keys)
    gone.unlink()
    written = kept.stat().st_mtime_ns
    run(missing(["mixture"], [0], keys, tmp_path), TINY, tmp_path, workers=2, told=lambda *_: None)
    assert gone.exists()
    assert kept.stat().st_mtime_ns == written


def test_a_row_that_fails_is_recorded_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_to_fail.py").write_text('NAME = "fails"\ndef estimate(case):\n    raise ValueError("no idea")\n')
    monkeypatch.setattr(estimators, "__path__", [*estimators.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    heard: list[tuple[str, str]] = []
    task = Task(world="log_linear", seed=0, rows=("made_to_fail+optimal", "none+no_sale"))
    play_shop(task, TINY, tmp_path, lambda what, row: heard.append((what, row)))
    failed, fine = load(tmp_path, "log_linear", 0, task.rows[0]), load(tmp_path, "log_linear", 0, task.rows[1])
    assert failed is not None
    assert failed.error == "ValueError in made_to_fail.py, line 3: no idea"
    assert failed.value is None
    assert fine is not None
    assert fine.error is None
    assert {row for what, row in heard if what == "end"} == set(task.rows)


def test_a_plan_that_breaks_a_limit_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.profit_captured.planners import no_sale

    def twice(case: Case, estimated: object) -> tuple[object, ...]:
        draws = truth.estimate(case).draws
        return planning.best_sellers(case.campaign, case.items, draws).offers[:1] * 2

    monkeypatch.setattr(no_sale, "plan", twice)
    play_shop(Task(world="log_linear", seed=0, rows=("none+no_sale",)), TINY, tmp_path, lambda *_: None)
    result = load(tmp_path, "log_linear", 0, "none+no_sale")
    assert result is not None
    assert result.value is None
    assert "the plan breaks limits" in str(result.error)


def test_a_world_that_does_not_exist_fails_all_its_rows(tmp_path: Path) -> None:
    play_shop(Task(world="no such", seed=0, rows=("none+no_sale", ORACLE)), TINY, tmp_path, lambda *_: None)
    assert all(str(load(tmp_path, "no such", 0, key).error) for key in ("none+no_sale", ORACLE))  # type: ignore[union-attr]


def test_the_oracle_beats_every_rule_and_stays_below_its_bound(case: Case) -> None:
    told = truth.estimate(case)
    judge = Judge.of(case, 400)
    offers = oracle.plan(case, told)
    worth = judge.futures.play(offers, case.campaign.costs).estimate()
    for rule in (planning.best_sellers, planning.fair_rule):
        other = rule(case.campaign, case.items, told.draws).offers
        gain = worth.value - judge.futures.play(other, case.campaign.costs).estimate().value
        assert gain > 0.0
    assert offers.bound is not None
    assert offers.bound > worth.ci_lower


def test_there_is_no_bound_where_offers_touch_each_other() -> None:
    case = make_case("attention", 0, n_events=4_000, n_draws=40, randomized_frac=0.0)
    assert oracle.plan(case, truth.estimate(case)).bound is None


def test_true_response_multiplies_the_forecast_as_the_truth_does(case: Case) -> None:
    draws = true_response.estimate(case).draws
    assert isinstance(draws, true_response.TrueResponse)
    item = np.arange(0, case.items.height, 3)
    slot = item % len(case.campaign.slots)
    cut = np.full(len(item), 0.3)
    base = draws.units(item, slot, np.zeros(len(item)))
    sale = draws.units(item, slot, cut)
    assert (base == draws.forecast.units(item, slot, np.zeros(len(item)))).all()
    expected = base.mean(axis=1) * draws.truth.multiplier(item, slot, cut).mean(axis=1)
    error = (sale - base).std(axis=1, ddof=1) / np.sqrt(draws.n_draws)
    off = np.abs(sale.mean(axis=1) - expected) > 4.5 * np.maximum(error, 1e-9)  # each one false in 1e-5
    assert off.sum() <= 1
    total = float(np.sqrt((error**2).sum()))
    assert abs(float((sale.mean(axis=1) - expected).sum())) < 6.0 * total + 0.01 * float(expected.sum())
    assert (draws.without_sale(item) == draws.forecast.without_sale(item)).all()


def test_the_command_names_what_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    monkeypatch.setattr(Settings, "folder", lambda self: tmp_path)
    assert "no world 'mars'" in runner.invoke(command.app, ["--worlds", "mars"], env={"COLUMNS": "200"}).output
    assert "no row matches" in runner.invoke(command.app, ["--rows", "nobody*"], env={"COLUMNS": "200"}).output
    nothing = runner.invoke(command.app, ["--report"])
    assert nothing.exit_code == 1
    assert "No results" in nothing.output
