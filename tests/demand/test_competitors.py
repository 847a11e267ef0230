"""Prices of competitors: what was known when, how units answer to it, and forecasts that get better by it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom
from tests.demand.conftest import QUICK, make_events, make_items, make_slots

from flashlift.demand import FittedDemand, fit
from flashlift.demand.competitors import gap_changes, price_gaps
from flashlift.demand.gap_response import measure_gap_response
from flashlift.demand.origin import at_origin
from flashlift.demand.panel import build_panel
from flashlift.demand.state import History
from flashlift.market import SimulatedShop
from flashlift.schema import Competitors, Tables

START = datetime(2024, 1, 1, tzinfo=UTC)
EPOCH = date(1970, 1, 1)
FIRST_DAY = (START.date() - EPOCH).days


def looked_up(item: list[str], day: list[float], seller: list[str], price: list[float]) -> pl.DataFrame:
    at = pl.Series([START + timedelta(days=d) for d in day], dtype=pl.Datetime("us", "UTC"))
    return Competitors.validate(pl.DataFrame({"item_id": item, "at": at, "seller": seller, "price": price}))


def held(n: int, days: int, hazard: float, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Logs of prices that are drawn anew with a probability per day, (n, days)."""
    new = rng.random((n, days)) < hazard
    new[:, 0] = True
    source = np.maximum.accumulate(np.where(new, np.arange(days), 0), axis=1)
    return np.take_along_axis(rng.normal(0.0, sd, (n, days)), source, axis=1)


def contested(
    response: float, seed: int, *, n: int = 60, days: int = 250, own: bool = True
) -> tuple[Tables, np.ndarray]:
    """Items of which three in four have two competitors, looked up every evening; units follow the price gap.

    Demand of items and of the shop wanders; our own prices move too, with an elasticity of -1 beside the gap.
    """
    rng = np.random.default_rng(seed)
    price = held(n, days, 1 / 90, 0.1, rng) if own else np.zeros((n, days))
    theirs = np.stack([0.05 + held(n, days, 1 / 30, 0.15, rng) for _ in range(2)])
    has = np.arange(n) % 4 > 0
    gap = np.where(has[:, None], price - theirs.min(0), 0.0)
    level = rng.normal(0.3, 0.6, (n, 1)) + np.cumsum(rng.normal(0.0, 0.01, (n + 1, days)), axis=1)[1:]
    rate = np.exp(level + np.cumsum(rng.normal(0.0, 0.01, days)) + response * gap - price)
    counts = rng.poisson(rate)
    item, day = (a.repeat(counts.ravel()) for a in (b.ravel() for b in np.indices(counts.shape)))
    at = [START + timedelta(days=int(d), hours=12) for d in day]
    paid = (10 * np.exp(price))[item, day].round(4).tolist()
    events = make_events([f"i{k:03d}" for k in item], at, paid, [1] * len(at))
    seller, which, evening = (
        a.ravel() for a in np.meshgrid([0, 1], np.flatnonzero(has), np.arange(days), indexing="ij")
    )
    known = looked_up(
        [f"i{k:03d}" for k in which],
        (evening - 0.1).tolist(),
        [f"s{k}" for k in seller],
        (10 * np.exp(theirs[seller, which, evening])).tolist(),
    )
    return Tables(events=events.lazy(), items=make_items(n), competitors=known), rate


def deviance(model: FittedDemand, rate: np.ndarray, days: int) -> float:
    """Poisson deviance of the true rates of the days after the model's origin, per item and day."""
    rows = np.array([int(item_id[1:]) for item_id in model.item_ids])
    true = rate[rows, model.origin_day - FIRST_DAY :][:, :days]
    n = len(rows)
    told = np.stack(
        [
            model.baseline.predict(model.state, np.full(n, model.origin_day), np.full(n, ahead))
            for ahead in range(1, days + 1)
        ],
        axis=1,
    )
    return float(np.mean(2.0 * (true * np.log(true / told) - true + told)))


def numbered(n: int) -> pl.DataFrame:
    return pl.DataFrame({"item_id": [f"i{k:03d}" for k in range(n)], "item": np.arange(n)})


def test_a_price_is_known_from_the_next_day_until_the_sellers_next_one_or_for_four_weeks() -> None:
    own = np.full((2, 60), np.log(10.0), dtype=np.float32)
    seen = looked_up(
        ["i000"] * 5,
        [3.5, 10.2, 10.9, 5.0, -20.0],
        ["a", "a", "a", "b", "c"],
        [9.0, 5.0, 12.0, 11.0, 8.0],
    )
    gap = price_gaps(seen, numbered(2), own, FIRST_DAY)
    assert gap is not None
    assert gap.shape == (2, 61)
    assert np.isnan(gap[1]).all()
    lowest = 10.0 / np.exp(gap[0])
    assert np.isnan(lowest[0])  # our own price is not known before the first day
    # c until day 8, four weeks after it was looked up; a's 12 of the evening of day 10, not its 5 of that morning.
    assert lowest[1:9] == pytest.approx([8.0] * 8)
    assert lowest[9:11] == pytest.approx([9.0] * 2)
    assert lowest[11:34] == pytest.approx([11.0] * 23)
    assert lowest[34:39] == pytest.approx([12.0] * 5)
    assert np.isnan(lowest[39:]).all()


def test_what_comes_later_changes_nothing_known_before() -> None:
    tables, _ = contested(-1.0, 0, n=8, days=60)
    assert tables.competitors is not None
    until = START + timedelta(days=40)
    cut = replace(tables, competitors=tables.competitors.filter(pl.col("at") < until))
    whole, part = (build_panel(t, until, QUICK).gap for t in (tables, cut))
    assert whole is not None
    np.testing.assert_array_equal(whole, part)


def test_another_pack_and_unknown_items_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    own = np.full((1, 30), np.log(10.0), dtype=np.float32)
    seen = looked_up(["i000"] * 2 + ["other"], [1.0] * 3, ["a", "b", "a"], [9.0, 0.9, 5.0])
    with caplog.at_level(logging.WARNING):
        gap = price_gaps(seen, numbered(1), own, FIRST_DAY)
    assert gap is not None
    assert np.nanmin(10.0 / np.exp(gap)) == pytest.approx(9.0)
    assert "prices of 1 items that the log does not know" in caplog.text
    assert "1 of 2 prices of competitors are more than 2.7 times ours" in caplog.text
    yen = seen.with_columns(price=pl.lit(1000.0))
    assert price_gaps(yen, numbered(1), own, FIRST_DAY) is None
    assert price_gaps(Competitors.create_empty(), numbered(1), own, FIRST_DAY) is None


def test_gaps_are_told_from_the_items_own_past() -> None:
    nan = np.nan
    change, usual = gap_changes(np.array([[nan, 0.2, 0.4, nan, 0.0], [nan] * 5], dtype=np.float32))
    np.testing.assert_allclose(change[0], [0.0, 0.0, 0.2, 0.1, -0.2], atol=1e-6)
    np.testing.assert_allclose(usual[0], [0.0, 0.0, 0.1, 0.1, 0.0], atol=1e-6)
    assert not change[1].any()
    assert not usual[1].any()


@pytest.mark.parametrize("response", [-1.2, 0.0])
def test_the_interval_holds_the_truth_as_often_as_it_says(response: float) -> None:
    seeds = 20
    found = []
    for seed in range(seeds):
        tables, rate = contested(response, seed)
        estimate = measure_gap_response(build_panel(tables, START + timedelta(days=rate.shape[1]), QUICK))
        assert estimate is not None
        found.append((estimate.value, estimate.ci_lower <= response <= estimate.ci_upper))
    values, inside = np.array(found).T
    assert inside.sum() >= binom.ppf(0.005, seeds, 0.9)
    assert abs(values.mean() - response) < 0.08  # three standard errors of the mean of 20 are 0.06


def test_a_gap_that_units_follow_makes_forecasts_better_and_one_they_do_not_does_no_harm() -> None:
    until = START + timedelta(days=222)
    for response, low, high in ((-1.2, 0.0, 0.75), (0.0, 0.9, 1.1)):
        blind, told = np.zeros(2), np.zeros(2)
        for seed in range(2):
            tables, rate = contested(response, seed)
            for out, shop in ((blind, replace(tables, competitors=None)), (told, tables)):
                model = fit(shop, until=until, config=QUICK, rng=np.random.default_rng(0))
                out[seed] = deviance(model, rate, 7)
        assert low <= told.sum() / blind.sum() < high


def test_plans_stand_at_the_gap_of_now_and_a_saved_model_too(tmp_path: Path) -> None:
    tables, rate = contested(-1.5, 3, own=False)
    until = START + timedelta(days=rate.shape[1])
    assert tables.competitors is not None
    model = fit(tables, until=until, config=QUICK, rng=np.random.default_rng(0))
    assert model.gap_response is not None
    contested_items = tables.competitors["item_id"].unique(maintain_order=True).to_list()
    n = len(contested_items)
    cut = looked_up(contested_items, [rate.shape[1] - 0.05] * n, ["new"] * n, [7.0] * n)
    after = at_origin(model, replace(tables, competitors=pl.concat([tables.competitors, cut])), until)
    items = tables.items.filter(pl.col("item_id").is_in(model.item_ids))
    slots = make_slots(until, 1, hours=24, after_hours=0)
    before, now = (m.draw(items, slots, 20, rng=np.random.default_rng(0)).slot_units[:, 0] for m in (model, after))
    hit = items["item_id"].is_in(contested_items).to_numpy()
    np.testing.assert_allclose(now[~hit], before[~hit], rtol=1e-6)
    panel = build_panel(tables, until, QUICK)
    assert panel.gap is not None
    rows = [panel.item_ids.index(item_id) for item_id in items["item_id"].filter(pl.Series(hit))]
    further = np.maximum(np.log(10.0 / 7.0) - panel.gap[rows, -1], 0.0)
    np.testing.assert_allclose(np.log(now[hit] / before[hit]), model.gap_response.value * further, atol=0.02)
    after.save(tmp_path / "demand", inputs="x")
    again = FittedDemand.load(tmp_path / "demand")
    assert again.gap_response == model.gap_response
    np.testing.assert_array_equal(again.draw(items, slots, 20, rng=np.random.default_rng(0)).slot_units[:, 0], now)
    gone = at_origin(model, replace(tables, competitors=None), until)
    assert not gone.state.gap.any()  # type: ignore[union-attr]


def test_units_are_told_as_at_the_items_usual_gap() -> None:
    tables, _ = contested(-1.0, 1, n=8, days=60, own=False)
    panel = build_panel(tables, START + timedelta(days=60), QUICK)
    item, origin = np.arange(8), np.full(8, 60)
    plain, told = History(panel).state(item, origin), History(panel, -1.0).state(item, origin)
    assert plain.gap is None
    assert told.gap is not None
    assert panel.gap is not None
    change, usual = gap_changes(panel.gap)
    np.testing.assert_allclose(told.gap, usual[:, 60] - change[:, 60], atol=1e-6)
    month, factor = np.s_[:, 32:60], np.exp(usual[:, 60:] - change[:, :60])
    at_usual = panel.units[month].sum(1) * panel.normal[month].sum(1) / (panel.normal * factor)[month].sum(1)
    np.testing.assert_allclose(told.units[:, 3], at_usual, rtol=1e-5)
    np.testing.assert_array_equal(told.days, plain.days)
    assert (told.units[0] == plain.units[0]).all()  # no competitors


def test_in_a_shop_with_sales_and_empty_shelves_thinned_purchases_are_found_again(shop: SimulatedShop) -> None:
    """Competitors are up to 40 % cheaper, and the share 1 - exp(-1.5 gap) of the customers buys there."""
    rng = np.random.default_rng(0)
    items = shop.item_table
    n, days = len(items), shop.config.days
    gap = np.clip(0.2 + held(n, days, 1 / 30, 0.15, rng), 0.0, 0.5)
    number = pl.DataFrame({"item_id": items["item_id"], "row": np.arange(n)})
    events = shop.tables.events.collect().join(number, on="item_id", maintain_order="left")
    day = (events["at"] - shop.config.start).dt.total_days().to_numpy()
    stays = rng.random(len(events)) < np.exp(-1.5 * gap[events["row"].to_numpy(), np.clip(day, 0, days - 1)])
    bought = (events["event"] == "purchase").to_numpy()
    thinned = events.filter(pl.Series(stays | ~bought)).drop("row")
    which, evening = (a.ravel() for a in np.indices((n, days)))
    evenings = [shop.config.start + timedelta(days=d - 0.1) for d in range(days)]
    seen = pl.DataFrame(
        {
            "item_id": items["item_id"].gather(which),
            "at": pl.Series(evenings, dtype=pl.Datetime("us", "UTC")).gather(evening),
            "seller": ["rival"] * len(which),
            "price": items["list_price"].to_numpy()[which] * np.exp(-gap[which, evening]),
        }
    )
    tables = replace(shop.tables, events=thinned.lazy(), competitors=Competitors.validate(seen))
    estimate = measure_gap_response(build_panel(tables, shop.now, QUICK))
    assert estimate is not None
    assert estimate.ci_lower < -1.5 < estimate.ci_upper
    assert estimate.ci_upper - estimate.ci_lower < 0.8
