"""What customers brought in, against a plain loop over the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flashlift.domain import Slot
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import customer_history, window_history
from flashlift.experiments.history import COVARIATE_DAYS
from flashlift.schema import EVENT_KINDS

END = datetime(2020, 6, 1, tzinfo=UTC)
COSTS = pl.DataFrame({"item_id": [f"i{n}" for n in range(5)], "unit_cost": [1.0, 2.0, 3.0, 4.0, 5.0]})


def log(n: int = 3000, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    customer = [None if c == 0 else f"c{c}" for c in rng.integers(0, 60, n)]
    return pl.DataFrame(
        {
            "customer_id": customer,
            "item_id": [f"i{k}" for k in rng.integers(0, 5, n)],
            "event": rng.choice(EVENT_KINDS, n),
            "at": [END + timedelta(days=float(d)) for d in rng.uniform(-200, 10, n)],
            "price": [None if p < 1 else float(p) for p in rng.uniform(0, 20, n)],
            "quantity": rng.integers(1, 4, n),
        },
        schema_overrides={"event": pl.Enum(EVENT_KINDS), "at": pl.Datetime("us", "UTC")},
    )


def oracle(events: pl.DataFrame, window: float, costs: dict[str, float]) -> dict[str, tuple[float, float]]:
    start = END - timedelta(days=window)
    found: dict[str, list[float]] = {}
    for row in events.iter_rows(named=True):
        if row["customer_id"] is not None and row["at"] < start:
            found.setdefault(row["customer_id"], [0.0, 0.0])
    for row in events.iter_rows(named=True):
        money = {"purchase": 1.0, "refund": -1.0}.get(row["event"])
        if row["customer_id"] not in found or money is None or row["price"] is None or row["at"] >= END:
            continue
        money *= (row["price"] - costs.get(row["item_id"], 0.0)) * row["quantity"]
        if row["at"] >= start:
            found[row["customer_id"]][0] += money
        elif row["at"] >= start - timedelta(days=COVARIATE_DAYS):
            found[row["customer_id"]][1] += money
    return {name: (a, b) for name, (a, b) in found.items()}


@pytest.mark.parametrize("costs", [None, COSTS])
def test_agrees_with_a_plain_loop(costs: pl.DataFrame | None) -> None:
    events = log()
    found = customer_history(events.lazy(), end=END, window_days=30, unit_costs=costs)
    expected = oracle(events, 30, dict(costs.iter_rows()) if costs is not None else {})
    assert found.height == len(expected) > 50
    for name, metric, covariate in found.iter_rows():
        assert (metric, covariate) == pytest.approx(expected[name])


def test_nothing_after_the_end_is_read() -> None:
    events = log()
    later = events.with_columns(at=pl.lit(END + timedelta(days=1)), price=pl.lit(1e9), item_id=pl.lit("unknown"))
    found, again = (
        customer_history(e.lazy(), end=END, window_days=30, unit_costs=COSTS)
        for e in (events, pl.concat([events, later]))
    )
    assert_frame_equal(found, again)  # sums in another order differ in the last bits


def test_refusals() -> None:
    events = log()
    with pytest.raises(InputError, match="without a unit cost"):
        customer_history(events.lazy(), end=END, window_days=30, unit_costs=COSTS.head(3))
    with pytest.raises(InsufficientDataError, match="No customer is known before"):
        customer_history(events.lazy(), end=END, window_days=300)
    with pytest.raises(InsufficientDataError, match="known price"):
        customer_history(events.with_columns(price=pl.lit(None, pl.Float64)).lazy(), end=END, window_days=30)


def sale_slots() -> list[Slot]:
    """Two windows of four hours in the week after the log, of which one begins before its last day of the week."""
    starts = (END + timedelta(days=2, hours=20), END + timedelta(days=5, hours=8))
    return [
        Slot(slot_id=f"s{k}", start=start, end=start + timedelta(hours=40), positions=1)
        for k, start in enumerate(starts)
    ]


def test_windows_of_weeks_before_agree_with_a_plain_loop() -> None:
    events, slots = log(), sale_slots()
    found = window_history(events.lazy(), slots, end=END, weeks=5, unit_costs=COSTS)
    expected: dict[tuple[str, str, int], float] = {}
    costs = dict(COSTS.iter_rows())
    for row in events.iter_rows(named=True):
        money = {"purchase": 1.0, "refund": -1.0}.get(row["event"])
        if money is None or row["price"] is None:
            continue
        for slot in slots:
            for week in range(1, 6):
                back = timedelta(weeks=week)
                if slot.start - back <= row["at"] < slot.end - back and row["at"] < END:
                    key = (row["item_id"], slot.slot_id, week)
                    gain = money * (row["price"] - costs[row["item_id"]]) * row["quantity"]
                    expected[key] = expected.get(key, 0.0) + gain
    told = {(i, s, w): m for i, s, w, m in found.select("item_id", "slot_id", "week", "metric").iter_rows()}
    assert told.keys() == expected.keys()
    assert len(told) > 10
    for key, metric in told.items():
        assert metric == pytest.approx(expected[key])


def test_windows_that_cannot_be_looked_back_on() -> None:
    with pytest.raises(InputError, match="no slots"):
        window_history(log().lazy(), [], end=END)
    with pytest.raises(InsufficientDataError, match="Nothing was sold"):
        window_history(log().lazy(), sale_slots(), end=END - timedelta(days=3000))
    with pytest.raises(InputError, match="without a unit cost"):
        window_history(log().lazy(), sale_slots(), end=END, unit_costs=COSTS.head(1))
