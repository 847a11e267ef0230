"""Expected traffic: counted as it is defined, learned where it is true, left alone where it is noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom
from tests.demand.conftest import make_events, make_items, make_slots

from flashlift.demand import DemandConfig, FittedDemand, TrafficEffect, backtest, expect_traffic, fit, traffic_origins
from flashlift.demand.traffic import SCHEMA
from flashlift.demand.traffic_effect import learn_traffic
from flashlift.domain import Split
from flashlift.errors import InputError
from flashlift.protocols import FloatArray
from flashlift.schema import Events, Tables

START = datetime(2025, 1, 1, tzinfo=UTC)
FIRST_DAY = (START.date() - datetime(1970, 1, 1).date()).days


def day(k: int) -> datetime:
    return START + timedelta(days=k)


def frame(traffic: FloatArray, first: int) -> pl.DataFrame:
    """Traffic (n_items, weeks) as of days `first`, `first` + 7 ..."""
    n, weeks = traffic.shape
    ids = [f"i{k:03d}" for k in range(n)]
    return pl.concat(
        pl.DataFrame({"item_id": ids, "at": [day(first + 7 * k)] * n, "traffic": traffic[:, k]}, schema=SCHEMA)
        for k in range(weeks)
    )


# What is expected


@dataclass
class MadeUp:
    """Keeps both promises: customer c buys with probability c / 10 and likes item i by weight; knows what it read."""

    weight: FloatArray
    latest: datetime = START

    def _read(self, events: pl.DataFrame, at: datetime) -> None:
        self.latest = max(self.latest, events["at"].max())  # type: ignore[type-var, assignment]
        assert self.latest < at

    def purchase_probability(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, horizons_hours: Sequence[float]
    ) -> FloatArray:
        self._read(events, at)
        assert list(horizons_hours) == [168.0]
        return np.array([[int(name) / 10] for name in customers])

    def score(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, item_ids: Sequence[str]
    ) -> FloatArray:
        self._read(events, at)
        taste = np.array([[self.weight[int(item[1:])] * (1 + int(c) % 2 * (item == "i000")) for item in item_ids]
                          for c in customers])  # fmt: skip
        return np.log(taste) + 7.0  # up to a constant of the customer


def small_log(visits: Sequence[tuple[int, str]]) -> Tables:
    """An event of a customer on a day, each."""
    at = [day(when) for when, _ in visits]
    events = make_events(["i000"] * len(at), at, [1.0] * len(at), [1] * len(at))
    events = events.with_columns(customer_id=pl.Series([name for _, name in visits]))
    return Tables(events=Events.validate(events.sort("at", "event_id")).lazy(), items=make_items(3))


def test_traffic_is_the_sum_over_customers_of_whether_times_what() -> None:
    tables = small_log([(0, "9"), (200, "1"), (290, "2"), (295, "3"), (300, "8")])
    model = MadeUp(np.array([1.0, 2.0, 5.0]))
    found = expect_traffic(model, model, tables, [day(296), day(300)], rng=np.random.default_rng(0))
    assert found.schema == SCHEMA
    odd, even = np.array([2, 2, 5]) / 9, np.array([1, 2, 5]) / 8
    expected = 0.1 * odd + 0.2 * even + 0.3 * odd  # customer 9 was away too long, 8 comes later
    assert found["item_id"].to_list() == ["i000", "i001", "i002"] * 2
    np.testing.assert_allclose(found["traffic"].to_numpy(), np.tile(expected, 2), rtol=1e-12)
    assert model.latest == day(295)


def test_a_sample_of_customers_is_scaled_up_to_all() -> None:
    tables = small_log([(k % 50, str(1 + k % 9)) for k in range(9)])
    model = MadeUp(np.ones(3))
    every = expect_traffic(model, model, tables, [day(60)], rng=np.random.default_rng(0))["traffic"].sum()
    some = [
        expect_traffic(model, model, tables, [day(60)], most_customers=4, rng=np.random.default_rng(k))["traffic"].sum()
        for k in range(200)
    ]
    assert every == pytest.approx(4.5)
    # Four of nine without return: the sd of the scaled sum is 9 x 0.274 x sqrt((1 - 4/9) / 4) = 0.92.
    assert np.mean(some) == pytest.approx(4.5, abs=4 * 0.92 / np.sqrt(200))
    assert np.std(some) > 0.1


def test_traffic_is_told_in_units_as_items_are_usually_bought() -> None:
    """Item 0 is bought by tens, item 1 by ones, item 2 never: it gets the shop's usual quantity."""
    tables = small_log([(k % 50, "1") for k in range(80)])
    item = [f"i00{k % 2}" for k in range(80)]
    at = [day(k % 50) for k in range(80)]
    bought = make_events(item, at, [1.0] * 80, [10 if name == "i000" else 1 for name in item])
    later = make_events(["i002"] * 5, [day(60)] * 5, [1.0] * 5, [1000] * 5)
    log = pl.concat([bought, later]).with_columns(customer_id=pl.lit("1"))
    model = MadeUp(np.ones(3))
    found = expect_traffic(model, model, replace(tables, events=log.lazy()), [day(55)], rng=np.random.default_rng(0))[
        "traffic"
    ].to_numpy()
    taste = np.array([2.0, 1.0, 1.0]) / 4  # customer 1 likes item 0 twice
    usual = np.array([(400 + 20 * 5.5) / 60, (40 + 20 * 5.5) / 60, 5.5])
    np.testing.assert_allclose(found, 0.1 * taste * usual, rtol=1e-12)


def test_nobody_seen_lately_means_no_traffic_and_an_empty_catalog_is_refused() -> None:
    model, tables = MadeUp(np.ones(3)), small_log([(0, "9")])
    found = expect_traffic(model, model, tables, [day(0), day(200)], rng=np.random.default_rng(0))
    assert found["traffic"].to_list() == [0.0] * 6
    with pytest.raises(InputError, match="catalog has no items"):
        expect_traffic(
            model, model, replace(tables, items=tables.items.head(0)), [day(9)], rng=np.random.default_rng(0)
        )


def test_origins_are_weeks_from_the_end_of_validation_and_never_before_the_end_of_training() -> None:
    split = Split(train_end=day(100), valid_end=day(130), test_end=day(146))
    assert traffic_origins(split) == [day(k) for k in (102, 109, 116, 123, 130, 137, 144, 146)]


# What it is worth: a baseline that is right on average, units made from it and the traffic

N, WEEKS = 120, 8


def made_up_cross(rate: FloatArray, units: FloatArray) -> Any:
    """What `learn_traffic` asks of a cross-fit, around a baseline (n, weeks) and units by day (n, days)."""
    n, days = units.shape
    panel = SimpleNamespace(
        item_ids=[f"i{k:03d}" for k in range(n)],
        first_day=FIRST_DAY,
        n_days=days,
        units=units,
        normal=np.ones_like(units),
        lump=np.ones(n),
    )
    return SimpleNamespace(
        panel=panel,
        forecast=lambda item, origin, horizon: rate[item, origin // 7],
        history=SimpleNamespace(state=lambda item, origin: SimpleNamespace(days=np.ones((n, 6)))),
    )


def known_truth(coefficient: float, seed: int) -> TrafficEffect:
    """Units follow z with the coefficient, beside a level of the week that all items share."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(-0.5, 1.0, (N, 1)) + rng.normal(0.0, 0.2, (N, WEEKS)))
    traffic = 7 * rate * np.exp(rng.normal(0.0, 0.6, (N, WEEKS)))
    scaled = traffic * (7 * rate).sum(0) / traffic.sum(0)
    z = np.log((scaled + 1.0) / (7 * rate + 1.0))
    mean = rate * np.exp(coefficient * z + rng.normal(0.0, 0.2, WEEKS))
    return learn_traffic(made_up_cross(rate, rng.poisson(mean.repeat(7, 1)).astype(float)), frame(traffic, 0))


def test_a_true_effect_is_found_within_its_interval_and_used() -> None:
    found = [known_truth(0.7, seed) for seed in range(60)]
    assert all(effect.used for effect in found)
    assert all(effect.weeks == WEEKS and effect.rows == N * WEEKS for effect in found)
    inside = sum(abs(effect.estimate - 0.7) <= 1.645 * effect.sd for effect in found)
    assert binom.ppf(0.001, 60, 0.9) <= inside <= binom.ppf(0.999, 60, 0.9)
    assert np.mean([effect.estimate for effect in found]) == pytest.approx(0.7, abs=0.03)
    assert np.mean([effect.deviance for effect in found]) < -0.05


def test_noise_is_left_alone_in_nearly_all_shops() -> None:
    used = sum(known_truth(0.0, seed).used for seed in range(100))
    assert used <= binom.ppf(0.999, 100, 0.05)


def test_traffic_that_means_the_opposite_is_not_used() -> None:
    effect = known_truth(-0.7, 0)
    assert effect.score > 2
    assert effect.coefficient == 0.0
    assert "more traffic meant fewer units" in effect.sentence


def test_weeks_that_end_after_the_log_teach_nothing() -> None:
    rng = np.random.default_rng(0)
    rate, units = np.ones((N, 2)), rng.poisson(1.0, (N, 13)).astype(float)
    traffic = rng.gamma(5.0, 1.0, (N, 2))
    effect = learn_traffic(made_up_cross(rate, units), frame(traffic, 0))
    assert effect.weeks == 1
    assert effect.coefficient == 0.0
    assert "takes two weeks" in effect.sentence
    nothing = learn_traffic(made_up_cross(rate, units), frame(traffic, 7))
    assert (nothing.weeks, nothing.rows, nothing.used) == (0, 0, False)


# In the fitted model: weekly fashions that only the traffic knows

DAYS, TOLD, ITEMS = 140, 84, 40


@pytest.fixture(scope="module")
def fashions() -> tuple[Tables, pl.DataFrame, FloatArray]:
    """Units of the last eight weeks follow what the frame tells of the weeks from day 84 on; and the true rates."""
    rng = np.random.default_rng(3)
    fashion = rng.normal(0.0, 0.7, (ITEMS, 10))
    rate = 3.0 * np.exp(
        np.where(np.arange(DAYS + 14) < TOLD, 0.0, fashion[:, np.maximum(np.arange(DAYS + 14) - TOLD, 0) // 7])
    )
    counts = rng.poisson(rate)
    item, when = (a.repeat(counts.ravel()) for a in (b.ravel() for b in np.indices(counts.shape)))
    seconds = rng.integers(8 * 3600, 20 * 3600, len(item))
    at = [START + timedelta(days=int(d), seconds=int(s)) for d, s in zip(when, seconds, strict=True)]
    events = make_events([f"i{k:03d}" for k in item], at, [10.0] * len(item), [1] * len(item))
    return Tables(events=events.lazy(), items=make_items(ITEMS)), frame(21.0 * np.exp(fashion), TOLD), rate


def answers(model: FittedDemand) -> FloatArray:
    draws = model.draw(make_items(ITEMS + 2), make_slots(day(DAYS), 3), 8, rng=np.random.default_rng(4))
    return np.concatenate([draws.slot_units, draws.rest_units[:, None]], axis=1)


def test_forecasts_follow_traffic_that_is_true(
    fashions: tuple[Tables, pl.DataFrame, FloatArray], quick: DemandConfig, tmp_path: Path
) -> None:
    tables, traffic, rate = fashions
    told = fit(tables, until=day(DAYS), config=quick, rng=np.random.default_rng(0), traffic=traffic)
    plain = fit(tables, until=day(DAYS), config=quick, rng=np.random.default_rng(0))
    assert told.traffic is not None and told.traffic.used
    assert plain.traffic is None
    truth = rate[:, DAYS]
    errors = [
        float(
            np.abs(
                np.log(
                    model.forecast(day(DAYS).date(), 1, n_draws=400, rng=np.random.default_rng(1))["mean"].to_numpy()
                    / truth
                )
            ).mean()
        )
        for model in (told, plain)
    ]
    assert errors[0] < 0.5 * errors[1]
    np.testing.assert_array_equal(answers(told)[-2:], answers(plain)[-2:])  # items that were never sold
    told.save(tmp_path / "demand", inputs="digest")
    loaded = FittedDemand.load(tmp_path / "demand")
    assert loaded.traffic == told.traffic
    np.testing.assert_array_equal(answers(loaded), answers(told))
    plain.save(tmp_path / "plain", inputs="digest")
    assert FittedDemand.load(tmp_path / "plain").traffic is None


def test_the_correction_keeps_the_sum_of_the_shop_and_fades_after_its_week(
    fashions: tuple[Tables, pl.DataFrame, FloatArray], quick: DemandConfig
) -> None:
    tables, traffic, _ = fashions
    told = fit(tables, until=day(DAYS), config=quick, rng=np.random.default_rng(0), traffic=traffic)
    flat = replace(told, lean=np.zeros_like(told.lean))

    def by_week(model: FittedDemand) -> FloatArray:
        items = make_items(ITEMS)
        slots = make_slots(day(DAYS), 28, hours=24.0, after_hours=0.0)
        return model.draw(items, slots, 2, rng=np.random.default_rng(0)).slot_units.reshape(ITEMS, 4, 7).sum(2)

    change = np.log(by_week(told) / by_week(flat))
    np.testing.assert_allclose(change[:, 0], told.lean, atol=1e-5)  # draws are rounded
    assert by_week(told)[:, 0].sum() == pytest.approx(by_week(flat)[:, 0].sum(), rel=1e-5)
    left = (change[:, 1:] / change[:, :1]).mean(0)
    np.testing.assert_allclose(left, np.exp(-(np.arange(3) * 7 + 4) / 20.0), rtol=0.02)


def test_traffic_after_the_origin_and_traffic_that_is_noise_change_nothing(
    fashions: tuple[Tables, pl.DataFrame, FloatArray], quick: DemandConfig
) -> None:
    tables, traffic, _ = fashions

    def fitted(given: pl.DataFrame | None) -> FittedDemand:
        return fit(tables, until=day(DAYS), config=quick, rng=np.random.default_rng(0), traffic=given)

    later = traffic.with_columns(traffic=pl.when(pl.col("at") > day(DAYS)).then(1e6).otherwise("traffic"))
    assert later["traffic"].max() == 1e6
    np.testing.assert_array_equal(answers(fitted(later)), answers(fitted(traffic)))
    noise = traffic.with_columns(traffic=pl.Series(np.random.default_rng(1).gamma(3.0, 7.0, len(traffic))))
    shut = fitted(noise)
    assert shut.traffic is not None and not shut.traffic.used
    np.testing.assert_array_equal(answers(shut), answers(fitted(None)))


def test_a_backtest_shows_forecasts_with_and_without_traffic(
    fashions: tuple[Tables, pl.DataFrame, FloatArray], quick: DemandConfig
) -> None:
    tables, traffic, _ = fashions
    split = Split(train_end=day(TOLD), valid_end=day(DAYS - 14), test_end=day(DAYS))
    judged = backtest(tables, split=split, config=quick, rng=np.random.default_rng(0), traffic=traffic)
    assert judged.traffic is not None and judged.traffic.used
    assert judged.traffic.weeks == 6
    wape = dict(judged.metrics.filter(level="item_week", metric="wape").select("model", "value").iter_rows())
    assert wape["flashlift"] < 0.8 * wape["flashlift without traffic"]
    plain = backtest(tables, split=split, config=quick, rng=np.random.default_rng(0))
    first = judged.origins.filter(origin=day(DAYS - 14).date(), model="flashlift without traffic")["value"]
    assert first.equals(plain.origins.filter(origin=day(DAYS - 14).date(), model="flashlift")["value"])


def test_traffic_that_is_not_what_it_should_be_is_refused(
    fashions: tuple[Tables, pl.DataFrame, FloatArray], quick: DemandConfig
) -> None:
    tables, traffic, _ = fashions
    wrong = {
        "has the columns": traffic.drop("at"),
        "holds nothing as of 2025-05-21": traffic.filter(pl.col("at") < day(DAYS)),
        "one finite number": traffic.with_columns(traffic=-pl.col("traffic")),
        r"\(2 such in all\)": pl.concat([traffic, traffic.head(1)]),
        "midnight": traffic.with_columns(pl.col("at") + timedelta(hours=1)),
    }
    for message, given in wrong.items():
        with pytest.raises(InputError, match=message):
            fit(tables, until=day(DAYS), config=quick, rng=np.random.default_rng(0), traffic=given)
