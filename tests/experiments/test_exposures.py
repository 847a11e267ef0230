"""The exposure log: whole batches, once each, and assignments that can be computed again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from flashlift.errors import InputError
from flashlift.experiments import ExposureLog, HashAssigner, recompute
from flashlift.schema import Exposures

START = datetime(2024, 11, 29, tzinfo=UTC)
RULE = HashAssigner(experiment="spring", key=bytes(16), weights={"control": 1, "treatment": 1})


def shown(n: int, first: int = 0) -> pl.DataFrame:
    people = [f"c{k}" for k in range(first, first + n)]
    return pl.DataFrame(
        {
            "customer_id": people,
            "item_id": ["i1"] * n,
            "slot": ["evening"] * n,
            "price": [9.99] * n,
            "at": [START + timedelta(seconds=first + k) for k in range(n)],
            "position": [1] * n,
            "experiment": ["spring"] * n,
            "variant": RULE.assign(people),
            "propensity": [0.5] * n,
            "stock_left": list(range(n, 0, -1)),
            "model_version": ["ranker-3"] * n,
        }
    )


def test_batches_come_back_in_order_and_whole(tmp_path: Path) -> None:
    log = ExposureLog(folder=tmp_path / "log")
    assert log.read().collect().is_empty()
    log.append(shown(5, first=10))
    log.append(shown(10))
    found = Exposures.validate(log.read().collect())
    assert found["customer_id"].to_list() == [f"c{k}" for k in range(15)]
    assert found["model_version"].unique().to_list() == ["ranker-3"]
    assert found["exposure_id"].n_unique() == 15


def test_the_same_batch_twice_is_one(tmp_path: Path) -> None:
    log = ExposureLog(folder=tmp_path)
    assert log.append(shown(5)) == log.append(shown(5))
    log.append(shown(8))  # overlaps: the five are told again
    assert log.read().collect().height == 8
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".parquet"]


def test_a_batch_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    log = ExposureLog(folder=tmp_path)
    path = log.append(shown(5))
    (tmp_path / f".{path.name}-half").write_bytes(path.read_bytes()[:100])  # what a crash leaves
    assert log.read().collect().height == 5


def test_assignments_are_computed_again() -> None:
    log = shown(50)
    found = recompute(log, {"spring": RULE})
    assert found.sound
    assert found.checked == {"spring": 50}
    assert "50 customers computed again" in str(found)
    other = HashAssigner(experiment="spring", key=bytes(15) + b"!", weights={"control": 1, "treatment": 1})
    moved = sum(a != b for a, b in zip(RULE.assign([f"c{k}" for k in range(50)]), log["variant"], strict=True))
    assert moved == 0
    changed = recompute(log, {"spring": other})
    assert not changed.sound
    assert changed.changed.height == sum(
        a != b for a, b in zip(other.assign(log["customer_id"].to_list()), log["variant"], strict=True)
    )
    assert "shown another variant" in str(changed)
    assert recompute(log, {}).unknown == ("spring",)


def test_one_changed_assignment_in_mid_test_is_found() -> None:
    log = shown(50)
    flipped = "control" if log["variant"][7] == "treatment" else "treatment"
    later = log[7].with_columns(variant=pl.lit(flipped), at=pl.col("at") + timedelta(hours=1))
    found = recompute(pl.concat([log, later]), {"spring": RULE})
    assert found.changed.rows() == [("c7", "spring", flipped, log["variant"][7])]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (shown(3).with_columns(color=pl.lit("red")), "no column 'color'"),
        (shown(3).drop("propensity"), "lack their variant or propensity"),
        (shown(3).with_columns(propensity=pl.lit(0.0)), "break their schema"),
        (shown(3).with_columns(stock_left=pl.lit(-1)), "break their schema"),
        (shown(3).drop("customer_id"), "break their schema"),
    ],
)
def test_refusals(tmp_path: Path, rows: pl.DataFrame, told: str) -> None:
    with pytest.raises(InputError, match=told):
        ExposureLog(folder=tmp_path).append(rows)
    assert not list(tmp_path.glob("*.parquet"))
