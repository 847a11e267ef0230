"""What is to be judged: a job per set, row and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from benchmarks.next_item.baselines import BASELINES, Ranking
from benchmarks.next_item.cold import ColdStart, by_chance, cold_start, nearest_texts, without
from benchmarks.next_item.judge import Scorer, judge
from benchmarks.next_item.log import item_ids, tables
from benchmarks.next_item.rectools_peer import train_and_judge
from benchmarks.next_item.sequences import LeaveOneOut, Sequences, leave_one_out
from benchmarks.next_item.train_flashlift import scorer, text_vectors, train
from flashlift.protocols import Progress

__all__ = ["COLD_ITEMS", "OTHER_ITEMS", "WHOLE_CATALOG", "Job", "Judged", "catalog_jobs", "cold_jobs"]

Judged = tuple[pl.DataFrame, dict[str, float]]  # of `judge`, with the column `among`; and whatever else was measured

WHOLE_CATALOG, COLD_ITEMS, OTHER_ITEMS = "the whole catalog", "cold items", "the other items"
COLD_SEED = 0  # which items are cold


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training, or one simple ranking, and its judgment.

    Args:
        row: its name in the table.
        seed: of the training.
        run: does it.
    """

    row: str
    seed: int
    run: Callable[[Progress], Judged]


def catalog_jobs(
    sequences: Sequences, part: str, *, seeds: int, rectools: Path | None, rectools_epochs: int
) -> Iterator[Job]:
    """Rank the whole catalog by ids alone."""
    split = leave_one_out(sequences, part)
    for name, ranking in BASELINES.items():
        yield Job(row=name, seed=0, run=partial(_simple, split, ranking))
    for seed in range(seeds):
        yield Job(row="flashlift", seed=seed, run=partial(_flashlift, sequences, split, seed))
    if rectools is not None:
        name = f"RecTools SASRec, {rectools_epochs} epoch{'s' if rectools_epochs > 1 else ''}"
        yield Job(row=name, seed=0, run=partial(_peer, split, rectools, rectools_epochs))


def cold_jobs(sequences: Sequences, part: str, *, seeds: int) -> Iterator[Job]:
    """Rank cold items among themselves by their texts, and the others among themselves with and without texts."""
    start = cold_start(leave_one_out(sequences, part), seed=COLD_SEED)
    yield Job(row="by chance", seed=0, run=partial(_chance, start))
    for last in (1, 3):
        row = "texts nearest to the last item" if last == 1 else f"texts nearest to the last {last} items"
        yield Job(row=row, seed=0, run=partial(_nearest, sequences, start, last))
    for seed in range(seeds):
        yield Job(row="flashlift with texts", seed=seed, run=partial(_cold, sequences, start, seed, texts=True))
        yield Job(row="flashlift, ids alone", seed=seed, run=partial(_cold, sequences, start, seed, texts=False))


def _simple(split: LeaveOneOut, ranking: Ranking, progress: Progress) -> Judged:
    return _whole(split, ranking(split)), {}


def _flashlift(sequences: Sequences, split: LeaveOneOut, seed: int, progress: Progress) -> Judged:
    shop = tables(sequences)
    trained = train(shop, split, seed=seed, texts=None, progress=progress)
    return _whole(split, scorer(trained.model, sequences, shop, split)), trained.facts


def _peer(split: LeaveOneOut, python: Path, epochs: int, progress: Progress) -> Judged:
    judged, facts = train_and_judge(split, python, epochs=epochs, seed=0)
    return judged.with_columns(among=pl.lit(WHOLE_CATALOG)), facts


def _chance(start: ColdStart, progress: Progress) -> Judged:
    return _groups(start, by_chance(start.split, seed=0)), {}


def _nearest(sequences: Sequences, start: ColdStart, last: int, progress: Progress) -> Judged:
    return _groups(start, nearest_texts(start.split, text_vectors(sequences)[1], last=last)), {}


def _cold(sequences: Sequences, start: ColdStart, seed: int, progress: Progress, *, texts: bool) -> Judged:
    whole = tables(sequences)
    dropped = [name for name, gone in zip(item_ids(sequences), start.cold, strict=True) if gone]
    shop = replace(whole, events=without(whole, dropped))
    vectors = text_vectors(sequences) if texts else None
    trained = train(shop, start.split, seed=seed, texts=vectors, progress=progress)
    return _groups(start, scorer(trained.model, sequences, shop, start.split)), trained.facts


def _whole(split: LeaveOneOut, score: Scorer) -> pl.DataFrame:
    return judge(split, score).with_columns(among=pl.lit(WHOLE_CATALOG))


def _groups(start: ColdStart, score: Scorer) -> pl.DataFrame:
    """Cold targets ranked among cold items, the others among the others."""
    cold = judge(start.split, score, users=start.cold_users, allowed=start.cold)
    others = judge(start.split, score, users=start.warm_users, allowed=~start.cold)
    return pl.concat([cold.with_columns(among=pl.lit(COLD_ITEMS)), others.with_columns(among=pl.lit(OTHER_ITEMS))])
