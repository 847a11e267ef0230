"""Full-rank evaluation under a time split: as of `start`, rank every known item; judge by what happens until `end`.

Items seen before are *not* filtered: customers do buy again, and a sale may offer what they know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray, IntArray, Recommender
from flashlift.schema import Events

__all__ = ["evaluate", "ranking_metrics"]

CELLS = 2_000_000  # scores held at a time, to bound memory


def evaluate(
    models: Mapping[str, Recommender],
    events: pl.DataFrame,
    *,
    start: datetime,
    end: datetime,
    k: Sequence[int] = (10, 20),
    max_customers: int = 5000,
    n_bootstrap: int = 500,
    level: float = 0.9,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Rank all items known before `start` for customers who buy in [start, end), new customers included.

    Targets are the known items that a customer buys in the window (in a log without purchases in it: interacts
    with); customers without a target are left out. Equal scores rank in order of item id. Every model is judged on
    the same customers.

    Args:
        models: name -> recommender.
        events: the log; recommenders see what is before `start`.
        start: begin of the window, UTC; recommenders answer as of this moment.
        end: end of the window, not part of it.
        k: cut-offs of recall and NDCG.
        max_customers: judge a random sample of so many at most.
        n_bootstrap: bootstrap samples of customers behind the intervals; 0 gives null intervals.
        level: probability that the intervals claim.
        rng: draws the sample and the bootstrap.

    Returns:
        model, metric (recall@k, ndcg@k, mrr), value, ci_lower, ci_upper, n (customers).

    Raises:
        InsufficientDataError: nobody buys a known item in the window.
    """
    past = events.filter(Events.at.col < start)
    item_ids = past[Events.item_id.name].unique().sort().to_list()
    targets = _targets(events.filter(Events.at.col.is_between(start, end, closed="left")), item_ids)
    customers = targets[Events.customer_id.name].unique().sort().to_list()
    if not customers:
        raise InsufficientDataError(
            f"Nobody buys an item known before {start} until {end}, so there is nothing to judge by. "
            "Choose another window."
        )
    if len(customers) > max_customers:
        customers = sorted(rng.choice(customers, max_customers, replace=False).tolist())
    weights = rng.multinomial(len(customers), np.full(len(customers), 1 / len(customers)), size=n_bootstrap)
    rows = []
    for name, model in models.items():
        per_customer = _judge(model, past, customers, start, item_ids, targets, k)
        for metric, values in per_customer.items():
            draws = weights @ values / len(customers)
            lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) if n_bootstrap else (None, None)
            rows.append((name, metric, float(values.mean()), lower, upper, len(customers)))
    schema = {"model": pl.String, "metric": pl.String, "value": pl.Float64, "ci_lower": pl.Float64,
              "ci_upper": pl.Float64, "n": pl.Int64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def ranking_metrics(scores: FloatArray, owner: IntArray, target: IntArray, k: Sequence[int]) -> dict[str, FloatArray]:
    """Metrics per customer, name -> (n_customers,), from all scores and the pairs (owner, target) of what was right.

    recall@k is the share of a customer's targets in the first k; ndcg@k has binary gains and the ideal of
    min(k, targets); mrr is the reciprocal rank of the first target. Equal scores rank in order of columns.

    Args:
        scores: (n_customers, n_items).
        owner: row of each target, (n_targets,); every row has one at least.
        target: column of each target, (n_targets,), distinct within a row.
        k: cut-offs.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    rank = np.empty(scores.shape, dtype=np.int64)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(scores.shape[1]), scores.shape), axis=1)
    place = rank[owner, target]  # from 0
    n = len(scores)
    count = np.bincount(owner, minlength=n)
    metrics: dict[str, FloatArray] = {}
    for cut in k:
        hit = (place < cut).astype(np.float64)
        gain = np.bincount(owner, weights=hit / np.log2(place + 2), minlength=n)
        ideal: FloatArray = np.cumsum(1 / np.log2(np.arange(cut) + 2))[np.minimum(count, cut) - 1]
        found = np.bincount(owner, weights=hit, minlength=n)
        metrics[f"recall@{cut}"] = found / count
        metrics[f"ndcg@{cut}"] = gain / ideal
    first = np.full(n, scores.shape[1], dtype=np.int64)
    np.minimum.at(first, owner, place)
    metrics["mrr"] = (1.0 / (first + 1.0)).astype(np.float64)
    return metrics


def _targets(window: pl.DataFrame, item_ids: list[str]) -> pl.DataFrame:
    key, item = Events.customer_id.name, Events.item_id.name
    bought = window.filter(Events.event.col == "purchase")
    wanted = window.filter(Events.event.col.cast(pl.String).is_in(["uncart", "refund"]).not_())
    known = pl.DataFrame({item: item_ids, "column": range(len(item_ids))}, schema={item: pl.String, "column": pl.Int64})
    return (
        (wanted if bought.is_empty() else bought)
        .filter(Events.customer_id.col.is_not_null())
        .select(key, item)
        .unique()
        .join(known, on=item, how="inner")
    )


def _judge(
    model: Recommender,
    past: pl.DataFrame,
    customers: list[str],
    start: datetime,
    item_ids: list[str],
    targets: pl.DataFrame,
    k: Sequence[int],
) -> dict[str, FloatArray]:
    parts = []
    size = max(CELLS // len(item_ids), 1)
    for begin in range(0, len(customers), size):
        chunk = customers[begin : begin + size]
        people = pl.DataFrame({Events.customer_id.name: chunk, "row": range(len(chunk))})
        right = targets.join(people, on=Events.customer_id.name, how="inner")
        scores = model.score(past, chunk, start, item_ids)
        parts.append(ranking_metrics(scores, right["row"].to_numpy(), right["column"].to_numpy(), k))
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in parts[0]}
