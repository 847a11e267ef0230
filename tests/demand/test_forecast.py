"""Sales that are already decided: their days, their depth, their place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.demand.conftest import make_events, make_slots, steady_shop

from flashlift.demand import DemandConfig, FittedDemand, fit
from flashlift.errors import InputError
from flashlift.market import SimulatedShop
from flashlift.schema import Promotions, Tables

NOW = datetime(2025, 4, 1, tzinfo=UTC)
BEST, WORST = 1, 8


def decided(item_id: str, start: datetime, *, position: int | None, depth: float = 0.2) -> pl.DataFrame:
    return pl.DataFrame(
        {"item_id": [item_id], "start": [start], "end": [start + timedelta(days=1)], "depth": [depth]}
        | {"position": [position]},
        schema_overrides={"position": pl.Int64, "start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC")},
    )


def advertised_shop() -> Tables:
    """Three purchases a day; on days on sale 20 % off, 12 in the best place and 4 in the worst."""
    tables, rng = steady_shop(40, 90), np.random.default_rng(7)
    first = NOW - timedelta(days=90)
    chosen = [(k, 20 + 10 * n + int(rng.integers(0, 8))) for k in range(40) for n in range(6)]
    place = np.where(rng.random(len(chosen)) < 0.5, BEST, WORST)
    count = rng.poisson(np.where(place == BEST, 12.0, 4.0))
    days = {(f"i{k:03d}", (first + timedelta(days=d)).date()) for k, d in chosen}
    rest = tables.events.collect().filter(
        ~pl.struct("item_id", pl.col("at").dt.date()).map_elements(
            lambda row: (row["item_id"], row["at"]) in days, return_dtype=pl.Boolean
        )
    )
    lines = [sale for sale, n in zip(chosen, count, strict=True) for _ in range(n)]
    at = [first + timedelta(days=d, hours=float(rng.uniform(8, 20))) for _, d in lines]
    extra = make_events([f"i{k:03d}" for k, _ in lines], at, [8.0] * len(lines), [1] * len(lines))
    extra = extra.with_columns(pl.format("sale {}", "event_id").alias("event_id"))
    sales = pl.DataFrame(
        {
            "item_id": [f"i{k:03d}" for k, _ in chosen],
            "start": [first + timedelta(days=d) for _, d in chosen],
            "end": [first + timedelta(days=d + 1) for _, d in chosen],
            "price": [8.0] * len(chosen),
            "position": place,
            "randomized": [False] * len(chosen),
        },
        schema_overrides={"start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC")},
    )
    events = pl.concat([rest, extra]).sort("at", "event_id")
    return replace(tables, events=events.lazy(), promotions=Promotions.validate(sales))


@pytest.fixture(scope="module")
def advertised(quick: DemandConfig) -> FittedDemand:
    return fit(advertised_shop(), until=NOW, config=quick, rng=np.random.default_rng(0))


def told(model: FittedDemand, start: datetime, sale: pl.DataFrame | None) -> np.ndarray:
    frame = model.forecast(start.date(), 2, n_draws=300, rng=np.random.default_rng(3), promotions=sale)
    return frame["mean"].to_numpy()


def test_a_coming_sale_is_forecast_by_its_place(advertised: FittedDemand) -> None:
    """Truth: 12 units in the best place, 4 in the worst; 240 past sales leave a pooled slope near it."""
    best, usual, worst = (
        told(advertised, NOW, decided("i000", NOW, position=place))[0] for place in (BEST, None, WORST)
    )
    assert best == pytest.approx(12.0, rel=0.15)
    assert worst == pytest.approx(4.0, rel=0.15)
    assert worst < usual < best
    # The usual past sale lies between the two by its log position, so its log lift does too.
    assert advertised.log_position is not None
    weight = advertised.log_position / np.log(WORST)
    assert usual == pytest.approx(best ** (1 - weight) * worst**weight, rel=0.05)


def test_without_a_place_nothing_changes(model: FittedDemand, shop: SimulatedShop) -> None:
    sale = decided(model.item_ids[3], shop.now, position=None)
    np.testing.assert_array_equal(told(model, shop.now, sale), told(model, shop.now, sale.drop("position")))


def test_where_past_sales_have_no_place_a_coming_one_is_not_used(shop: SimulatedShop, quick: DemandConfig) -> None:
    assert shop.tables.promotions is not None
    blind = replace(
        shop.tables,
        promotions=Promotions.validate(shop.tables.promotions.with_columns(position=pl.lit(None, pl.Int64))),
    )
    model = fit(blind, until=shop.now, config=quick, rng=np.random.default_rng(1))
    assert model.log_position is None
    known, none = (told(model, shop.now, decided(model.item_ids[3], shop.now, position=p)) for p in (1, None))
    np.testing.assert_array_equal(known, none)


def test_a_saved_model_knows_the_usual_place(advertised: FittedDemand, tmp_path: Path) -> None:
    advertised.save(tmp_path / "demand", inputs="digest")
    sale = decided("i000", NOW, position=BEST)
    np.testing.assert_array_equal(told(FittedDemand.load(tmp_path / "demand"), NOW, sale), told(advertised, NOW, sale))


@given(place=st.floats(-3, 3), lower=st.floats(0, 2), discount=st.floats(0.01, 0.7))
@settings(max_examples=25, deadline=None)
def test_a_better_place_never_sells_less_and_no_place_less_than_none(
    advertised: FittedDemand, place: float, lower: float, discount: float
) -> None:
    items = pl.DataFrame(
        {"item_id": ["i000"], "category": ["a"], "title": [None], "brand": [None]},
        schema_overrides={"title": pl.String, "brand": pl.String},
    )
    draws = advertised.draw(items, make_slots(NOW, 1), 50, rng=np.random.default_rng(0))
    draws = replace(draws, position=-np.abs(draws.position))  # the better place has the smaller number
    one, depth = np.zeros(1, dtype=np.int64), np.array([discount])
    better, worse = (draws.units(one, one, depth, place=np.array([p])) for p in (place, place + lower))
    assert (better >= worse).all()
    assert (worse >= draws.units(one, one, np.zeros(1))).all()


@pytest.mark.parametrize(("depth", "position"), [(1.0, 1), (-0.1, 1), (0.2, 0), (0.2, -3)])
def test_a_sale_that_cannot_be_is_refused(advertised: FittedDemand, depth: float, position: int) -> None:
    with pytest.raises(InputError, match=r"position 1 or more"):
        told(advertised, NOW, decided("i000", NOW, position=position, depth=depth))


def test_of_two_sales_of_a_day_the_deepest_and_the_best_placed_counts(advertised: FittedDemand) -> None:
    both = pl.concat([decided("i000", NOW, position=WORST, depth=0.3), decided("i000", NOW, position=BEST, depth=0.1)])
    np.testing.assert_array_equal(
        told(advertised, NOW, both), told(advertised, NOW, decided("i000", NOW, position=BEST, depth=0.3))
    )
