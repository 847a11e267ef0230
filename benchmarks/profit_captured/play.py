"""All rows of one shop: learn, plan, judge by the truth, and keep each result as soon as it is known."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.meter import Metered, metered
from benchmarks.profit_captured.result import Result, save
from benchmarks.profit_captured.rows import Row, discover
from benchmarks.profit_captured.settings import Settings
from benchmarks.profit_captured.shops import make_case
from flashlift import planning
from flashlift.market import Stage
from flashlift.protocols import FloatArray

__all__ = ["JUDGE_SEED", "Judge", "Task", "play_shop"]

JUDGE_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Rows to be played in one shop."""

    world: str
    seed: int
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What is known of a shop but not told to the rows.

    Args:
        futures: common futures of the shop.
        expected_units: expected units of each item without a sale over the horizon, (n_items,).
        elasticities: true elasticities.
    """

    futures: Stage
    expected_units: FloatArray
    elasticities: pl.DataFrame

    @classmethod
    def of(cls, case: Case, n_futures: int) -> Judge:
        """Draws and futures that no row uses."""
        slots = case.campaign.slots
        rng = np.random.default_rng((case.seed, JUDGE_SEED))
        draws = case.shop.truth.draw(case.items, slots, n_futures, rng=rng)
        return cls(
            futures=case.shop.futures(slots, n_futures, seed=JUDGE_SEED),
            expected_units=draws.without_sale(np.arange(case.items.height)).mean(axis=1),
            elasticities=case.shop.elasticities(),
        )


def play_shop(task: Task, settings: Settings, folder: Path, tell: Callable[[str, str], None]) -> None:
    """Play the rows of the task and save their results; a row that fails is saved with its error.

    Args:
        task: world, seed and rows.
        settings: sizes.
        folder: where results are kept.
        tell: called with "begin" and "end", and the key of the row.
    """
    rows = [row for row in discover() if row.key in task.rows]

    def finish(row: Row, result: Result) -> None:
        save(result, folder)
        tell("end", row.key)

    try:
        case = make_case(
            task.world,
            task.seed,
            n_events=settings.n_events,
            n_draws=settings.n_draws,
            randomized_frac=settings.randomized_frac,
        )
        judge = Judge.of(case, settings.n_futures)
    except Exception as error:  # the board goes on without this shop, and says so
        for row in rows:
            finish(row, _failed(task, row, error))
        return
    for _, group in groupby(rows, key=lambda row: row.estimator):
        _play_group(task, list(group), case, judge, lambda row: tell("begin", row.key), finish)


def _play_group(
    task: Task,
    rows: Sequence[Row],
    case: Case,
    judge: Judge,
    begin: Callable[[Row], None],
    finish: Callable[[Row, Result], None],
) -> None:
    """Rows of one estimator, which learns once."""
    begin(rows[0])
    learned: Metered[Estimated] | None = None
    estimate = rows[0].estimate
    if estimate is not None:
        try:
            learned = metered(lambda: estimate.estimate(case))
        except Exception as error:
            for row in rows:
                finish(row, _failed(task, row, error))
            return
    for row in rows:
        begin(row)
        try:
            result = _play(task, row, case, judge, learned)
            finish(row, result)
        except Exception as error:
            finish(row, _failed(task, row, error))


def _play(task: Task, row: Row, case: Case, judge: Judge, learned: Metered[Estimated] | None) -> Result:
    estimated = learned.result if learned else None
    planned = metered(lambda: row.planner.plan(case, estimated))  # type: ignore[arg-type]
    offers = planned.result
    verdict = planning.check(offers, case.campaign, case.items)
    if verdict.broken:
        raise ValueError(
            "the plan breaks limits: " + "; ".join(f"{one.limit}, {one.where}" for one in verdict.broken[:3])
        )
    value = judge.futures.play(offers, case.campaign.costs).value
    peaks = [one.peak_mb for one in (learned, planned) if one is not None and one.peak_mb is not None]
    result = Result(
        world=task.world,
        seed=task.seed,
        row=row.key,
        value=float(value.mean()),
        value_se=float(value.std(ddof=1) / len(value) ** 0.5),
        bound=getattr(offers, "bound", None),
        estimate_seconds=learned.seconds if learned else None,
        plan_seconds=planned.seconds,
        peak_mb=max(peaks, default=None),
        n_offers=len(offers),
    )
    return replace(result, **_errors(case, judge, estimated)) if estimated else result


def _errors(case: Case, judge: Judge, estimated: Estimated) -> dict[str, Any]:
    """How far the estimate is from the truth."""
    expected = estimated.draws.without_sale(np.arange(case.items.height)).mean(axis=1)
    total = float(judge.expected_units.sum())
    found = {
        "forecast_wape": float(np.abs(expected - judge.expected_units).sum()) / total,
        "forecast_bias": float((expected - judge.expected_units).sum()) / total,
    }
    if estimated.elasticities is None:
        return found
    both = estimated.elasticities.join(judge.elasticities, on="item_id", suffix="_true")
    error = pl.col("elasticity") - pl.col("elasticity_true")
    inside = pl.col("elasticity_true").is_between("ci_lower", "ci_upper")
    figures = both.select(
        elasticity_bias=error.mean(),
        elasticity_rmse=(error**2).mean().sqrt(),
        elasticity_coverage=inside.mean(),
        elasticity_items=pl.len() / case.items.height,
    )
    return found | figures.row(0, named=True)


def _failed(task: Task, row: Row, error: Exception) -> Result:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}"
    return Result(world=task.world, seed=task.seed, row=row.key, error=f"{type(error).__name__} in {place}: {error}")
