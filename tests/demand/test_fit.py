"""The whole fit: no leak, reproducible, saved and loaded, honest where the log says little."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom
from tests.demand.conftest import make_slots, steady_shop

from flashlift.demand import DemandConfig, FittedDemand, fit
from flashlift.errors import ArtifactError, InputError, InsufficientDataError, SettingsError
from flashlift.market import SimulatedShop
from flashlift.schema import ItemHistory, Tables


def answers(model: FittedDemand, items: pl.DataFrame, now: datetime) -> list[np.ndarray]:
    draws = model.draw(items, make_slots(now, 2), 8, rng=np.random.default_rng(4))
    every = np.arange(len(items))
    return [
        draws.units(every, every % 2, np.full(len(items), 0.2)),
        draws.without_sale(every),
        draws.aftermath(every, np.ones((len(items), 8))),
        model.elasticities()["elasticity"].to_numpy(),
    ]


def test_nothing_at_or_after_until_is_read(shop: SimulatedShop, quick: DemandConfig) -> None:
    until = shop.now - timedelta(days=30)
    tables = shop.tables
    assert tables.promotions is not None
    assert tables.history is not None
    past = replace(
        tables,
        events=tables.events.filter(pl.col("at") < until),
        promotions=tables.promotions.filter(pl.col("start") < until),
        history=tables.history.filter(pl.col("at") < until),
    )
    changed = replace(
        tables,
        events=pl.concat(
            [
                past.events,
                tables.events.filter(pl.col("at") >= until).with_columns(
                    quantity=pl.lit(99, dtype=pl.Int64), price=0.01
                ),
            ]
        ),
        promotions=tables.promotions.with_columns(
            end=pl.when(pl.col("end") > until).then(pl.col("end") + timedelta(days=9)).otherwise("end"),
            price=pl.when(pl.col("start") >= until).then(0.01).otherwise("price"),
        ),
        history=tables.history.with_columns(on_hand=pl.when(pl.col("at") >= until).then(0).otherwise("on_hand")),
    )
    a, b = (fit(t, until=until, config=quick, rng=np.random.default_rng(1)) for t in (past, changed))
    for left, right in zip(answers(a, shop.sale_items, until), answers(b, shop.sale_items, until), strict=True):
        np.testing.assert_array_equal(left, right)


def test_same_seed_same_model_and_loading_gives_it_back(
    shop: SimulatedShop, model: FittedDemand, quick: DemandConfig, tmp_path: Path
) -> None:
    model.save(tmp_path / "demand", inputs="digest")
    loaded = FittedDemand.load(tmp_path / "demand")
    again = fit(shop.tables, until=shop.now, config=quick, rng=np.random.default_rng(1))
    wanted = answers(model, shop.sale_items, shop.now)
    for other in (loaded, again):
        for left, right in zip(wanted, answers(other, shop.sale_items, shop.now), strict=True):
            np.testing.assert_array_equal(left, right)
    assert loaded.curves(loaded.item_ids[:2], [0.1]).equals(model.curves(model.item_ids[:2], [0.1]))
    with pytest.raises(ArtifactError):
        FittedDemand.load(tmp_path / "nothing")


def test_elasticities_of_the_simulated_shop(shop: SimulatedShop, model: FittedDemand) -> None:
    found = model.elasticities().join(shop.elasticities().rename({"elasticity": "truth"}), on="item_id")
    assert (found["identified"] == (found["n_promotions"] > 0)).all()
    assert 0 < found["identified"].sum() < found.height
    assert (found["elasticity"] < 0).all()
    inside = int(((found["truth"] >= found["ci_lower"]) & (found["truth"] <= found["ci_upper"])).sum())
    effective = len(found) // 10  # items share the doubt about their shop
    assert inside / len(found) >= binom.ppf(0.001, effective, 0.9) / effective
    # One shop of this size knows its mean elasticity to about 0.5.
    assert abs((found["elasticity"] - found["truth"]).mean()) < 1.0  # type: ignore[operator]
    promoted = shop.tables.promotions
    assert promoted is not None
    assert 0 < found["n_promotions"].sum() <= len(promoted)


def test_curves_rise_and_start_at_one(model: FittedDemand) -> None:
    curves = model.curves(model.item_ids[:20], [0.0, 0.05, 0.2, 0.4]).sort("item_id", "discount_frac")
    at_zero = curves.filter(pl.col("discount_frac") == 0)
    assert (at_zero["lift"] == 1).all()
    for _, curve in curves.group_by("item_id"):
        for column in ("lift", "ci_lower", "ci_upper"):
            assert curve[column].diff().drop_nulls().min() >= 0  # type: ignore[operator]
    with pytest.raises(InputError, match="was not sold"):
        model.curves(["nobody"], [0.1])
    with pytest.raises(InputError, match=r"not all in \[0, 1\)"):
        model.curves(model.item_ids[:1], [1.0])


def test_forecast_is_a_table_of_days(model: FittedDemand, shop: SimulatedShop) -> None:
    frame = model.forecast(shop.now.date(), 3, n_draws=40, rng=np.random.default_rng(0))
    assert frame.columns == ["item_id", "date", "mean", "ci_lower", "ci_upper"]
    assert len(frame) == 3 * len(model.item_ids)
    assert (frame["ci_lower"] <= frame["ci_upper"]).all()
    sale = pl.DataFrame(
        {"item_id": [model.item_ids[0]], "start": [shop.now], "end": [shop.now + timedelta(days=1)], "depth": [0.4]}
    ).with_columns(pl.col("start", "end").cast(pl.Datetime("us", "UTC")))
    told = model.forecast(shop.now.date(), 3, n_draws=40, rng=np.random.default_rng(0), promotions=sale)
    more = (told["mean"] - frame["mean"]).to_numpy()
    assert more[0] > 0
    np.testing.assert_array_equal(more[1:], 0.0)


def test_a_shop_with_one_price_gets_the_assumption_and_says_so(
    quick: DemandConfig, caplog: pytest.LogCaptureFixture
) -> None:
    tables = steady_shop(20, 60)
    now = datetime(2025, 3, 2, tzinfo=UTC)
    with caplog.at_level(logging.WARNING):
        model = fit(tables, until=now, config=quick, rng=np.random.default_rng(0))
    assert "too few price changes" in caplog.text
    table = model.elasticities()
    assert not table["identified"].any()
    assert (table["n_promotions"] == 0).all()
    assert table["elasticity"].mean() == pytest.approx(quick.assumed_elasticity, abs=0.3)  # cut at 0
    items = tables.items.select(pl.all())
    draws = model.draw(items, make_slots(now, 1), 4, rng=np.random.default_rng(0))
    assert np.isinf(draws.support(np.arange(20), np.full(20, 0.1))).all()
    day = draws.slot_units[:, 0]
    assert ((day > 0) & (day < 3)).all()


def test_steady_demand_is_forecast_as_it_is(quick: DemandConfig) -> None:
    model = fit(steady_shop(40, 90), until=datetime(2025, 4, 1, tzinfo=UTC), config=quick, rng=np.random.default_rng(0))
    frame = model.forecast(datetime(2025, 4, 1, tzinfo=UTC).date(), 14, n_draws=100, rng=np.random.default_rng(1))
    assert frame["mean"].mean() == pytest.approx(3.0, rel=0.06)


def test_days_without_stock_are_not_read_as_low_demand(quick: DemandConfig) -> None:
    """Half of the items are sold out two days in three; all of them want three units a day."""
    tables = steady_shop(40, 90)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    rows = [
        {"item_id": f"i{item:03d}", "at": start + timedelta(days=day), "on_hand": 0 if item < 20 and day % 3 else 50}
        for item in range(40)
        for day in range(90)
    ]
    history = ItemHistory.validate(
        pl.DataFrame(rows).select(
            "item_id",
            pl.col("at").cast(pl.Datetime("us", "UTC")),
            pl.lit(None, dtype=pl.Float64).alias("price"),
            pl.lit(None, dtype=pl.Float64).alias("unit_cost"),
            "on_hand",
        )
    )
    out = history.filter(pl.col("on_hand") == 0).select("item_id", pl.col("at").dt.date().alias("date"))
    events = tables.events.with_columns(pl.col("at").dt.date().alias("date")).join(
        out.lazy(), on=["item_id", "date"], how="anti"
    )
    short = replace(tables, events=events.drop("date"), history=history)
    now = start + timedelta(days=90)
    means = {}
    for name, given in {"known": short, "unknown": replace(short, history=None)}.items():
        frame = fit(given, until=now, config=quick, rng=np.random.default_rng(0)).forecast(
            now.date(), 7, n_draws=60, rng=np.random.default_rng(1)
        )
        means[name] = frame.filter(pl.col("item_id") < "i020")["mean"].mean()
    assert means["known"] == pytest.approx(3.0, rel=0.1)
    assert means["unknown"] < 2.0  # what would be believed without the stock history


def test_what_a_log_must_hold(quick: DemandConfig) -> None:
    now = datetime(2025, 3, 2, tzinfo=UTC)
    rng = np.random.default_rng(0)
    shop = steady_shop(5, 60)
    with pytest.raises(InsufficientDataError, match="no purchases"):
        fit(Tables(events=shop.events.head(0), items=shop.items), until=now, config=quick, rng=rng)
    with pytest.raises(InsufficientDataError, match="no purchases"):
        fit(shop, until=datetime(2024, 1, 1, tzinfo=UTC), config=quick, rng=rng)
    with pytest.raises(InsufficientDataError, match="have no prices"):
        fit(steady_shop(5, 60, price=None), until=now, config=quick, rng=rng)
    with pytest.raises(InsufficientDataError, match="at least 28 days"):
        fit(shop, until=datetime(2025, 1, 20, tzinfo=UTC), config=quick, rng=rng)


def test_impossible_settings_are_refused() -> None:
    for wrong in (
        {"assumed_elasticity": 0.5},
        {"folds": 1},
        {"rounds": 0},
        {"min_depth": 1.5},
        {"assumed_visibility_sd": 0.0},
    ):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            DemandConfig(**wrong)


def test_price_cuts_nobody_advertised_do_not_tell_the_lift_of_being_shown(
    shop: SimulatedShop, quick: DemandConfig
) -> None:
    """The promotions table taken away: the lift is the assumption; the price response still comes from the log."""
    silent = replace(shop.tables, promotions=None)
    model = fit(silent, until=shop.now, config=replace(quick, unrecorded_lift=1.3), rng=np.random.default_rng(0))
    assert model.detected
    item_ids = shop.sale_items["item_id"].to_list()[:20]
    shown = model.curves([i for i in item_ids if i in model.item_ids], [0.0001])["lift"]
    np.testing.assert_allclose(shown, 1.3, rtol=0.06)  # the mean of a log-normal with sd 0.25, cut at 1
    draws = model.draw(shop.sale_items, make_slots(shop.now, 2), 400, rng=np.random.default_rng(1))
    log_lift = draws.visibility
    assert np.ptp(log_lift, axis=0).max() == 0.0  # one unknown of the shop, the same for every item
    assert abs(log_lift[0].mean() - np.log(1.3)) < 4 * 0.25 / np.sqrt(400)
