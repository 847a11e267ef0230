"""The panel: counts, stock, censored sales."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.demand.conftest import make_events, make_items

from flashlift.demand import DemandConfig, fit
from flashlift.demand.panel import build_panel
from flashlift.demand.state import History
from flashlift.market import SimulatedShop
from flashlift.schema import ItemHistory, Promotions, Tables

START = datetime(2025, 1, 1, tzinfo=UTC)


def test_counts_equal_a_plain_count(shop: SimulatedShop) -> None:
    panel = build_panel(shop.tables, shop.now, DemandConfig())
    bought = shop.tables.events.filter(pl.col("event") == "purchase").collect()
    row = {item_id: k for k, item_id in enumerate(panel.item_ids)}
    plain = np.zeros(panel.units.shape)
    cap = bought["quantity"].quantile(0.999, "higher")
    for item_id, at, quantity in bought.select("item_id", "at", "quantity").iter_rows():
        plain[row[item_id], (at.date() - START.date()).days + 20089 - panel.first_day] += min(quantity, cap)
    np.testing.assert_array_equal(panel.units, plain)
    assert panel.interest is not None
    looks = shop.tables.events.filter(pl.col("event").is_in(["view", "click", "favorite", "cart"]))
    sold = looks.filter(pl.col("item_id").is_in(panel.item_ids)).collect()
    late = sold.filter((pl.col("at").dt.epoch("d") - panel.first_day) >= 0)
    assert panel.interest.sum() == len(late)


def test_running_sums_equal_slices(shop: SimulatedShop) -> None:
    panel = build_panel(shop.tables, shop.now, DemandConfig())
    history = History(panel)
    rng = np.random.default_rng(0)
    item, origin = rng.integers(0, len(panel.item_ids), 50), rng.integers(0, panel.n_days + 1, 50)
    state = history.state(item, origin)
    for k in range(50):
        for column, width in enumerate((3, 7, 14, 28, 84, 10_000)):
            days = slice(max(origin[k] - width, 0), origin[k])
            normal = panel.normal[item[k], days]
            units = np.where(normal > 0, panel.units[item[k], days], 0.0).sum()
            assert state.days[k, column] == pytest.approx(normal.sum(), abs=1e-3)  # single precision sums
            assert state.units[k, column] == pytest.approx(units, abs=1e-3)
    assert np.isfinite(state.levels()).all()
    assert (state.levels() > 0).all()


def sold_out_shop() -> Tables:
    """One item, an order every two hours between 8 and 20; a sale on day 40 that is sold out at noon."""
    at = [START + timedelta(days=d, hours=h) for d in range(60) for h in range(8, 20, 2) if not (d == 40 and h >= 12)]
    n = len(at)
    events = make_events(
        ["i000"] * n, at, [8.0 if a.date() == at[0].date() + timedelta(days=40) else 10.0 for a in at], [1] * n
    )
    sale = START + timedelta(days=40)
    promotions = Promotions.validate(
        pl.DataFrame(
            {
                "item_id": ["i000"],
                "start": [sale],
                "end": [sale + timedelta(days=1)],
                "price": [8.0],
                "position": pl.Series([None], dtype=pl.Int64),
                "randomized": [False],
            }
        ).with_columns(pl.col("start", "end").cast(pl.Datetime("us", "UTC")))
    )
    history = ItemHistory.validate(
        pl.DataFrame(
            {
                "item_id": ["i000"] * 3,
                "at": [START, sale + timedelta(hours=12), sale + timedelta(days=2)],
                "price": pl.Series([None] * 3, dtype=pl.Float64),
                "unit_cost": pl.Series([None] * 3, dtype=pl.Float64),
                "on_hand": [500, 0, 500],
            }
        ).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    )
    return Tables(events=events.lazy(), items=make_items(1), promotions=promotions, history=history)


def test_a_sold_out_sale_counts_until_it_is_sold_out() -> None:
    panel = build_panel(sold_out_shop(), START + timedelta(days=60), DemandConfig())
    sale = panel.sales.row(0, named=True)
    assert sale["end"] == START + timedelta(days=40, hours=12)
    assert sale["units"] == 2
    assert sale["depth"] == pytest.approx(0.2)
    assert panel.stock[0, 41] == 0
    assert 0.2 < panel.stock[0, 40] < 0.5  # the morning is a third of the orders
    assert panel.touched[0].nonzero()[0].tolist() == [40]
    assert panel.normal[0, 40:55].sum() == 0  # the sale and the days after it


def shelf_shop() -> Tables:
    """Thirty items that sell once a day and, all 60 days on the shelf, ten that never do; i040 arrives on day 50."""
    rng = np.random.default_rng(0)
    sellers = [(f"i{k:03d}", day) for k in range(30) for day in range(60) if rng.random() < 0.63]
    sellers += [("i040", 55), ("i040", 58)]
    events = make_events(
        [item_id for item_id, _ in sellers],
        [START + timedelta(days=day, hours=12) for _, day in sellers],
        [10.0] * len(sellers),
        [1] * len(sellers),
    )
    arrival = {f"i{k:03d}": 0 for k in range(40)} | {"i040": 50}
    history = pl.DataFrame(
        {"item_id": list(arrival), "at": [START + timedelta(days=day) for day in arrival.values()]},
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    ).with_columns(
        pl.lit(None, dtype=pl.Float64).alias("price"),
        pl.lit(None, dtype=pl.Float64).alias("unit_cost"),
        pl.lit(50, dtype=pl.Int64).alias("on_hand"),
    )
    return Tables(events=events.lazy(), items=make_items(41), history=ItemHistory.validate(history))


def test_an_item_on_the_shelf_counts_from_its_first_day_there() -> None:
    panel = build_panel(shelf_shop(), START + timedelta(days=60), DemandConfig())
    assert len(panel.item_ids) == 41
    row = {item_id: k for k, item_id in enumerate(panel.item_ids)}
    assert (panel.normal[row["i035"]] > 0).all()
    assert panel.units[row["i035"]].sum() == 0
    open_days = np.flatnonzero(panel.normal[row["i040"]] > 0)
    assert open_days.tolist() == list(range(50, 60))
    unknown = build_panel(replace(shelf_shop(), history=None), START + timedelta(days=60), DemandConfig())
    assert len(unknown.item_ids) == 31
    late = unknown.item_ids.index("i040")
    assert np.flatnonzero(unknown.normal[late] > 0).tolist() == list(range(56, 60))


def test_an_item_that_never_sold_is_not_expected_to_sell_like_the_others(quick: DemandConfig) -> None:
    now = START + timedelta(days=60)
    model = fit(shelf_shop(), until=now, config=quick, rng=np.random.default_rng(0))
    frame = model.forecast(now.date(), 28, n_draws=50, rng=np.random.default_rng(1))
    dead = frame.filter(pl.col("item_id").is_between(pl.lit("i030"), pl.lit("i039")))["mean"].mean()
    alive = frame.filter(pl.col("item_id") < "i030")["mean"].mean()
    assert dead < 0.05 * alive
