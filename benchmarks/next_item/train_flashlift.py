"""flashlift's row: the library's own network, trained by the library's own loop, on the sequences as an event log."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.next_item.judge import Scorer
from benchmarks.next_item.log import SPLIT, customer_ids, item_ids, moment, tables
from benchmarks.next_item.results import OUT
from benchmarks.next_item.sequences import LeaveOneOut, Sequences
from flashlift.behavior import BehaviorConfig, BehaviorModel, fit
from flashlift.behavior.batches import Windows, by_length
from flashlift.behavior.language import LanguageModel, item_vectors
from flashlift.errors import InputError
from flashlift.protocols import FloatArray, IntArray, Progress, silent
from flashlift.schema import Events, Tables

__all__ = ["RECIPE", "Texts", "Trained", "scorer", "text_vectors", "train"]

Texts = tuple[list[str], FloatArray]  # item ids and a vector of length 1 for each, (n_items, d)

# Chosen on the last item but one of Beauty; other sets are given as many passes over their data.
RECIPE = BehaviorConfig(
    max_length=50,
    dropout=0.3,
    temperature=0.1,
    negatives=1024,
    uniform_frac=0.5,
    tokens_per_batch=4096,
    questions=4096,
    trend_days=0.0,
    learning_rate=3e-3,
    weight_decay=0.01,
    max_minutes=60.0,
)
PASSES = 30
LOOKS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model and what its training cost.

    Args:
        model: ready to rank.
        facts: seconds of wall clock, CPU seconds per pass over the data (looks at the validation items included),
            passes.
    """

    model: BehaviorModel
    facts: dict[str, float]


def train(shop: Tables, split: LeaveOneOut, *, seed: int, texts: Texts | None, progress: Progress = silent) -> Trained:
    """Train on all but the last two items of each customer; the last but one chooses among six looks.

    Args:
        shop: the log, or a part of it.
        split: what may be learned from.
        seed: of weights and batches.
        texts: where item vectors begin; None trains on ids alone.
        progress: told while it trains.
    """
    offsets = split.train.offsets
    windows = Windows(customer=np.arange(split.train.n_users), start=offsets[:-1], stop=offsets[1:])
    steps = len(by_length(windows, RECIPE.tokens_per_batch))  # of a pass
    config = replace(RECIPE, max_steps=PASSES * steps, eval_every=PASSES * steps // LOOKS, patience=LOOKS)
    wall, cpu = time.monotonic(), time.process_time()
    model = fit(shop, split=SPLIT, config=config, texts=texts, seed=seed, progress=progress)
    seconds, spent = time.monotonic() - wall, time.process_time() - cpu
    return Trained(model=model, facts={"seconds": seconds, "cpu_seconds_per_epoch": spent / PASSES, "epochs": PASSES})


def scorer(model: BehaviorModel, sequences: Sequences, shop: Tables, split: LeaveOneOut) -> Scorer:
    """The model's ranking of the whole catalog by what the split knows."""
    at = moment(split)
    known = shop.events.filter(Events.at.col < at).collect()
    people, goods = np.array(customer_ids(sequences)), item_ids(sequences)

    def score(users: IntArray) -> FloatArray:
        return model.score(known, people[users].tolist(), at, goods)

    return score


def text_vectors(sequences: Sequences) -> Texts:
    """Language-model vector of each title; encoded once.

    Raises:
        InputError: the set has no titles.
    """
    if sequences.titles is None:
        raise InputError(f"{sequences.name} has no titles. Choose a set with a *_item_titles.parquet.")
    ids, vectors = item_vectors(tables(sequences).items, LanguageModel.load(), OUT / "language")
    return ids, vectors.astype(np.float64)
