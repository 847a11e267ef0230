"""From files to the value of a policy, of prices by lot, and to uplift; what a file lacks is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flashlift import experiments
from flashlift.errors import InputError, InsufficientDataError
from flashlift.pipeline.off_policy import AskedValue, value_policy, value_prices
from flashlift.pipeline.uplift import AskedUplift, uplift
from flashlift.stats.off_policy import Estimator


def write(folder: Path, rng: np.random.Generator, n: int = 1500) -> tuple[Path, Path]:
    action = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    log = pl.DataFrame(
        {
            "item": [f"i{k}" for k in action],
            "click": (rng.random(n) < np.array([0.1, 0.3, 0.6])[action]).astype(int),
            "p": np.array([0.5, 0.3, 0.2])[action],
            "customer": [f"c{k % 300}" for k in range(n)],
            "age": rng.integers(18, 80, n),
        }
    )
    policy = pl.DataFrame({"item": ["i1", "i2"], "probability": [0.5, 0.5]})
    log.write_parquet(folder / "log.parquet")
    policy.write_csv(folder / "policy.csv")
    return folder / "log.parquet", folder / "policy.csv"


ASKED = AskedValue(action="item", reward="click", propensity="p", unit="customer", context=("age",))


def test_a_policy_is_valued_from_files(tmp_path: Path) -> None:
    log, policy = write(tmp_path, np.random.default_rng(1))
    found = value_policy(log, policy, ASKED)
    assert list(found.estimates) == list(Estimator)
    told = found.headline.interval
    assert told is not None
    assert told.ci_lower <= 0.45 <= told.ci_upper
    assert value_policy(log, policy, ASKED) == found
    plain = value_policy(log, policy, AskedValue(action="item", reward="click", propensity="p", model="none"))
    table = pl.read_parquet(log).rename({"item": "action", "click": "reward", "p": "propensity"})
    same = experiments.PolicyTable(table=pl.read_csv(policy).rename({"item": "action"}))
    assert plain == experiments.value(table, same)


def test_what_a_file_lacks_is_named(tmp_path: Path) -> None:
    log, policy = write(tmp_path, np.random.default_rng(2))
    with pytest.raises(InputError, match=r"log\.parquet has no column action, only item, click"):
        value_policy(log, policy)
    with pytest.raises(InputError, match=r"policy\.csv has no column probability|has no column p"):
        value_policy(log, log, ASKED)
    with pytest.raises(InputError, match=r"none\.csv cannot be read"):
        value_policy(tmp_path / "none.csv", policy, ASKED)
    pl.read_parquet(log).with_columns(reward=0).write_parquet(tmp_path / "two.parquet")
    with pytest.raises(InputError, match="a column reward beside click"):
        value_policy(tmp_path / "two.parquet", policy, ASKED)
    pl.read_parquet(log).with_columns(p=0.0).write_parquet(tmp_path / "zero.parquet")
    with pytest.raises(InputError, match=r"outside \(0, 1\]"):
        value_policy(tmp_path / "zero.parquet", policy, ASKED)
    pl.DataFrame({"item": ["i9"], "probability": [1.0]}).write_csv(tmp_path / "other.csv")
    with pytest.raises(InsufficientDataError, match=r"100\.0% of the policy's choices are actions that the log never"):
        value_policy(log, tmp_path / "other.csv", ASKED)
    with pytest.raises(InputError, match="no model 'forest'"):
        value_policy(log, policy, AskedValue(model="forest"))  # type: ignore[arg-type]


def test_prices_by_lot_are_valued_from_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    drawn = rng.integers(2, size=100)
    places = pl.DataFrame({"item_id": [f"i{k}" for k in range(100)], "slot_id": "s"})
    lots = pl.concat(
        [
            places.with_columns(
                price=pl.lit(price),
                propensity=0.5,
                planned=pl.lit(k == 0),
                drawn=pl.Series(drawn == k),
                expected_units=9.0,
            )
            for k, price in enumerate((8.0, 6.0))
        ]
    )
    lots.write_csv(tmp_path / "exploration.csv")
    places.with_columns(units=pl.Series(rng.poisson(10, 100)), unit_cost=5.0).write_csv(tmp_path / "sold.csv")
    files = tmp_path / "exploration.csv", tmp_path / "sold.csv"
    planned, lowest = value_prices(*files).headline, value_prices(*files, choice="lowest").headline
    assert planned.policy_value == pytest.approx(30.0, rel=0.1)  # 10 units at 8 - 5; 4 standard errors
    assert lowest.policy_value == pytest.approx(10.0, rel=0.1)
    places.with_columns(price=8.0).write_csv(tmp_path / "choice.csv")
    assert value_prices(*files, choice=str(tmp_path / "choice.csv")).headline == planned


def test_models_are_compared_and_customers_scored_from_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    n = 1200
    kind, treated = rng.integers(2, size=n), rng.random(n) < 0.5
    test = pl.DataFrame(
        {
            "id": [f"c{k}" for k in range(n)],
            "mail": np.where(treated, "yes", "no"),
            "visit": (rng.random(n) < 0.1 + 0.4 * (treated & (kind == 1))).astype(int),
            "channel": np.where(kind == 1, "web", "store"),
        }
    )
    test.write_csv(tmp_path / "test.csv")
    test.head(50).select("id", "channel").write_parquet(tmp_path / "people.parquet")
    asked = AskedUplift(
        metric="visit", unit="id", variant="mail", treatment="yes", control="no", splits=experiments.Splits(n_splits=3)
    )
    found = uplift(tmp_path / "test.csv", asked, customers=tmp_path / "people.parquet")
    assert set(found.comparison.to_polars()["model"]) > {"response model", "T", "X", "DR"}
    assert found.scores is not None
    best = found.scores.join(test, left_on="unit_id", right_on="id").group_by("channel").agg(pl.col("score").mean())
    scores = dict(best.rows())
    assert scores["web"] > scores["store"] + 0.2
    pl.concat([test, test.head(1)]).write_csv(tmp_path / "twice.csv")
    with pytest.raises(InputError, match=r"1 rows of .* repeat a customer"):
        uplift(tmp_path / "twice.csv", asked)
    test.with_columns(street=pl.col("id") + " road").write_csv(tmp_path / "streets.csv")
    with pytest.raises(InputError, match="column street has 1,200 different values"):
        uplift(tmp_path / "streets.csv", asked)
    with pytest.raises(InputError, match=r"test\.csv has no column unit_id"):
        uplift(tmp_path / "test.csv")
