"""How long does one customer take? Score 10,000 candidates after a new event, on one core.

    python -m benchmarks.serving_latency

A simulated shop gives the log; the weights are those of a short training, which changes no time. Each round adds an
event to a customer's history in memory and scores all candidates; histories as long as the network reads, and longer.
`event` reads the new event alone, but for the rounds in which the window begins anew; `history` forgets what was read,
as for a customer who comes back. After a warm-up; processor time stands beside the wall clock, because it depends less
on what else the machine does. `frames` is `BehaviorModel.score` on the whole log for comparison.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift import market
from flashlift.behavior import BehaviorConfig, Live, fit
from flashlift.behavior.histories import COLUMNS
from flashlift.behavior.serving import Candidates
from flashlift.domain import Split
from flashlift.protocols import FloatArray
from flashlift.schema import Events

N_CANDIDATES, ROUNDS = 10_000, 500


def main() -> None:
    """Measure and print."""
    config = market.MarketConfig().sized(400_000)
    shop = market.simulate(replace(config, n_items=N_CANDIDATES), seed=0)
    tables, end = shop.tables, shop.now
    split = Split(train_end=end - timedelta(days=28), valid_end=end - timedelta(days=14), test_end=end)
    model = fit(tables, split=split, config=BehaviorConfig(max_steps=10, eval_every=10), seed=0)
    log = tables.events.select(COLUMNS).collect()
    live = Live.prepare(model, log, end)
    candidates = live.candidates(list(live.codes)[:N_CANDIDATES])
    sizes = log.group_by(Events.customer_id.name).len().sort("len", Events.customer_id.name)
    people = [sizes.row(min(int(share * sizes.height), sizes.height - 1)) for share in (0.5, 0.9, 1.0)]
    rows = [
        (length, reads, *_times(live, log, customer, candidates, end, anew=reads == "history"))
        for customer, length in people
        for reads in ("event", "history")
    ]
    customer, length = people[-1]
    ids, spent = list(live.codes), []
    for _ in range(5):
        begin = _clocks()
        model.score(log, [customer], end, ids)
        spent.append(_clocks() - begin)
    rows.append((length, "frames", *_quantiles(spent)))
    clocks = [f"{clock}_{q}_ms" for clock in ("wall", "cpu") for q in ("p50", "p90", "p99")]
    with pl.Config(tbl_cols=-1, tbl_width_chars=120, float_precision=2):
        print(f"{len(candidates.codes)} candidates, {ROUNDS} rounds")
        print(pl.DataFrame(rows, schema=["events", "reads", *clocks], orient="row"))


def _times(
    live: Live, log: pl.DataFrame, customer: str, candidates: Candidates, end: datetime, *, anew: bool
) -> list[float]:
    history = live.history(log, customer, end)
    rng, spent, ids = np.random.default_rng(0), [], list(live.codes)
    for k in range(ROUNDS + 20):
        item, at = ids[rng.integers(len(ids))], end + timedelta(seconds=60 * k)
        if anew:
            history.memories.clear()
        begin = _clocks()
        live.add(history, "view", item, at, price=10.0)
        live.score(history, candidates, at + timedelta(seconds=1))
        spent.append(_clocks() - begin)
    return _quantiles(spent[20:])


def _clocks() -> FloatArray:
    return np.array([time.perf_counter(), time.process_time()])


def _quantiles(spent: list[FloatArray]) -> list[float]:
    """Of the wall clock, then of the processor, in ms."""
    values: list[float] = (np.quantile(spent, [0.5, 0.9, 0.99], axis=0) * 1000).T.ravel().tolist()
    return values


if __name__ == "__main__":
    main()
