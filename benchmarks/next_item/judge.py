"""Judge a ranking of the whole catalog: what the user had before is left out, equal scores rank in order of items."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from benchmarks.next_item.sequences import LeaveOneOut, Sequences
from flashlift.protocols import FloatArray, IntArray
from flashlift.recommend.evaluate import ranking_metrics

__all__ = ["CUT", "METRICS", "Scorer", "judge", "summary"]

Scorer = Callable[[IntArray], FloatArray]  # users (n,) -> scores of all items (n, n_items)

CUT = 10
METRICS = (f"ndcg@{CUT}", f"recall@{CUT}", "mrr")
CELLS = 4_000_000  # scores held at a time, to bound memory
DRAWS = 1000


def judge(
    split: LeaveOneOut, score: Scorer, *, users: IntArray | None = None, allowed: np.ndarray | None = None
) -> pl.DataFrame:
    """NDCG@10, recall@10 and reciprocal rank of the item held out, user by user.

    Args:
        split: what was known, and the right answers.
        score: the ranking.
        users: whom to judge; default everybody.
        allowed: items that may be ranked, boolean (n_items,); default all.

    Returns:
        user, ndcg@10, recall@10, mrr.
    """
    users = np.arange(len(split.target)) if users is None else users
    size = max(CELLS // split.known.n_items, 1)
    parts = []
    for begin in range(0, len(users), size):
        some = users[begin : begin + size]
        scores = np.array(score(some), dtype=np.float64)
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        _leave_out_known(scores, split.known, some)
        found = ranking_metrics(scores, np.arange(len(some)), split.target[some], [CUT])
        parts.append(pl.DataFrame({"user": some, **{metric: found[metric] for metric in METRICS}}))
    return pl.concat(parts)


def summary(seeds: Sequence[pl.DataFrame], *, level: float = 0.9) -> pl.DataFrame:
    """Mean over users and seeds, with what the draw of users and the draw of seeds leave open.

    Args:
        seeds: a table of `judge` per seed, of the same users in the same order.
        level: probability that the intervals claim.

    Returns:
        metric, value, ci_lower, ci_upper (bootstrap over users of the mean over seeds), lowest, highest (seed).
    """
    rng = np.random.default_rng(0)
    n = seeds[0].height
    weights = rng.multinomial(n, np.full(n, 1 / n), size=DRAWS) / n
    rows = []
    for metric in [name for name in METRICS if seeds[0][name].null_count() == 0]:
        values = np.stack([one[metric].to_numpy() for one in seeds])  # (n_seeds, n_users)
        lower, upper = np.quantile(weights @ values.mean(axis=0), [(1 - level) / 2, (1 + level) / 2])
        means = values.mean(axis=1)
        rows.append((metric, means.mean(), lower, upper, means.min(), means.max()))
    names = ("value", "ci_lower", "ci_upper", "lowest", "highest")
    return pl.DataFrame(rows, schema={"metric": pl.String, **dict.fromkeys(names, pl.Float64)}, orient="row")


def _leave_out_known(scores: FloatArray, known: Sequences, users: IntArray) -> None:
    length = np.diff(known.offsets)[users]
    row = np.repeat(np.arange(len(users)), length)
    index = np.arange(len(row)) + np.repeat(known.offsets[users] - np.cumsum(length) + length, length)
    scores[row, known.items[index]] = -np.inf
