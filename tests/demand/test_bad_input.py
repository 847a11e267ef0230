"""Logs that no model can learn much from: each has a defined answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.demand.conftest import QUICK, make_slots, steady_shop

from flashlift.demand import FittedDemand, examine, fit, offer_basis
from flashlift.errors import InsufficientDataError
from flashlift.schema import Promotions, Tables

START, DAYS, N = datetime(2025, 1, 1, tzinfo=UTC), 90, 20
NOW = START + timedelta(days=DAYS)
ITEMS = [f"i{k:03d}" for k in range(N)]


def on_sale(items: list[str], start: datetime, end: datetime, price: float = 8.0) -> pl.DataFrame:
    n = len(items)
    frame = pl.DataFrame({"item_id": items, "start": [start] * n, "end": [end] * n, "price": [price] * n})
    return Promotions.validate(
        frame.with_columns(
            pl.col("start", "end").cast(pl.Datetime("us", "UTC")),
            pl.lit(None, dtype=pl.Int64).alias("position"),
            pl.lit(False).alias("randomized"),
        )
    )


def fitted(tables: Tables) -> FittedDemand:
    return fit(tables, until=NOW, config=QUICK, rng=np.random.default_rng(0))


def with_promotions(*promotions: pl.DataFrame) -> Tables:
    return replace(steady_shop(N, DAYS), promotions=pl.concat(promotions))


def test_a_sale_longer_than_the_history_is_no_evidence_and_no_normal_day() -> None:
    some = ITEMS[:5]
    always = on_sale(some, START - timedelta(days=400), NOW + timedelta(days=100))
    tables = with_promotions(always)
    model = fitted(tables)
    assert model.response.n_sales == 0  # nothing to compare it with
    assert not model.identified
    draws = model.draw(tables.items, make_slots(NOW, 1, hours=24), 50, rng=np.random.default_rng(0))
    assert (draws.slot_units[:, 0] > 0).all()  # the five are expected to sell like their category
    assert offer_basis(draws, np.array([0]), np.array([0.2]))["basis"].item() == "not identifiable from these logs"
    found = examine(tables, until=NOW, config=QUICK, rng=np.random.default_rng(0))
    assert set(found.placebo["verdict"].drop_nulls()) == {"not testable"}


@pytest.mark.parametrize("weeks_apart", [True, False])
def test_all_weeks_on_sale_leave_nothing_to_compare_with(weeks_apart: bool) -> None:
    """One sale over everything, or a new one every week: there is no day without a sale, and that is said."""
    if weeks_apart:
        weeks = [START + timedelta(days=7 * k) for k in range(13)]
        tables = with_promotions(*(on_sale(ITEMS, week, week + timedelta(days=7)) for week in weeks))
    else:
        tables = with_promotions(on_sale(ITEMS, START, NOW))
    with pytest.raises(InsufficientDataError, match="on sale, or out of stock, all the time"):
        fitted(tables)
    with pytest.raises(InsufficientDataError, match="on sale, or out of stock, all the time"):
        examine(tables, until=NOW, config=QUICK, rng=np.random.default_rng(0))


def test_a_sale_in_every_week_still_has_days_between() -> None:
    weeks = [START + timedelta(days=7 * k) for k in range(13)]
    tables = with_promotions(*(on_sale(ITEMS, week, week + timedelta(days=3)) for week in weeks))
    model = fitted(tables)
    assert model.response.n_sales > 100
    assert not model.identified  # one discount, always the same: the depth tells nothing
    assert (model.elasticities()["elasticity"] < 0).all()


def test_an_item_never_sold_sells_like_its_category(model: FittedDemand) -> None:
    category = model.categories[1]
    items = pl.DataFrame(
        {
            "item_id": ["never sold", model.item_ids[0]],
            "category": [category] * 2,
            "brand": [None, None],
            "title": ["Lamp", "Tent"],
        }
    )
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=model.origin_day)
    draws = model.draw(items, make_slots(start, 1, hours=24), 200, rng=np.random.default_rng(0))
    assert draws.slot_units[0, 0] > 0
    told = offer_basis(draws, np.array([0, 0]), np.array([0.01, 0.94]))
    assert told["basis"][0] == "within past sales"  # of its category
    assert told["basis"][1].endswith("points deeper than any past sale")
    assert draws.elasticity[0].std() > 0.9 * draws.elasticity[1].std()  # it knows no more than an item that was sold


def test_a_promotion_priced_in_another_currency_is_no_negative_discount() -> None:
    """Prices a hundred times too large (yen for euros) count as shown without a discount, never as a dearer sale."""
    day = START + timedelta(days=60)
    model = fitted(with_promotions(on_sale(ITEMS, day, day + timedelta(days=2), price=800.0)))
    assert model.response.n_sales == N
    assert model.deepest.max() == 0.0
    assert not model.identified
