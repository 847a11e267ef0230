"""A choice of prices is valued from lots and sales as by hand; what was drawn by lot in a plan fits as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats
from tests.planning.draws import catalog, log_linear, slots_every

from flashlift.domain import Campaign
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import SupportRules, Valuation, exposure_log, value, value_prices
from flashlift.experiments.policy_table import PolicyTable
from flashlift.limits import Appearances
from flashlift.planning import explore, solve_certified
from flashlift.stats.off_policy import Estimator


def lots_of(rng: np.random.Generator, n: int = 200) -> tuple[pl.DataFrame, pl.DataFrame, float, float]:
    """Lots of 2 or 3 prices, what was sold at the drawn one, and the true value of the planned and the lowest price."""
    rows, sold, planned_truth, lowest_truth = [], [], 0.0, 0.0
    for k in range(n):
        prices = sorted(rng.choice(np.arange(60, 100), 2 + k % 2, replace=False) / 10)
        planned, drawn = rng.integers(len(prices)), rng.integers(len(prices))
        units = [200.0 * p**-1.8 * (1 + k % 3) for p in prices]  # mean, known here and misjudged by the plan
        for j, price in enumerate(prices):
            rows.append((f"i{k}", "s1", price, 1 / len(prices), bool(j == planned), bool(j == drawn), units[j] * 1.3))
        sold.append((f"i{k}", "s1", int(rng.poisson(units[drawn])), 3.0))
        planned_truth += units[planned] * (prices[planned] - 3.0) / n
        lowest_truth += units[0] * (prices[0] - 3.0) / n
    names = ["item_id", "slot_id", "price", "propensity", "planned", "drawn", "expected_units"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    return (
        table,
        pl.DataFrame(sold, schema=["item_id", "slot_id", "units", "unit_cost"], orient="row"),
        planned_truth,
        lowest_truth,
    )


def test_the_value_agrees_with_a_plain_loop() -> None:
    lots, sold, _, _ = lots_of(np.random.default_rng(1), 90)
    found = value_prices(lots, sold, "lowest")
    units = dict(zip(sold["item_id"], sold["units"], strict=True))
    ips = dr = model = 0.0
    for item in sold["item_id"]:
        prices = lots.filter(pl.col("item_id") == item).rows(named=True)
        drawn = next(one for one in prices if one["drawn"])
        chosen = min(prices, key=lambda one: one["price"])
        weight = len(prices) if drawn == chosen else 0
        reward = units[item] * (drawn["price"] - 3.0)
        ips += weight * reward / 90
        model += chosen["expected_units"] * (chosen["price"] - 3.0) / 90
        dr += weight * (reward - drawn["expected_units"] * (drawn["price"] - 3.0)) / 90
    assert found.estimates[Estimator.IPS].policy_value == pytest.approx(ips, abs=1e-9)
    assert found.estimates[Estimator.DM].policy_value == pytest.approx(model, abs=1e-9)
    assert found.estimates[Estimator.DR].policy_value == pytest.approx(model + dr, abs=1e-9)
    assert found.headline.estimator is Estimator.DR


def test_intervals_hold_the_truth_though_the_plan_expected_too_much() -> None:
    runs, rng, missed = 80, np.random.default_rng(2), {"planned": 0, "lowest": 0}
    all_lots = Valuation(rules=SupportRules(max_mean_weight_error=1.0))  # one in a hundred would be refused by chance
    for _ in range(runs):
        lots, sold, planned, lowest = lots_of(rng, 120)
        for choice, truth in (("planned", planned), ("lowest", lowest)):
            told = value_prices(lots, sold, choice, all_lots).estimates[Estimator.DR].interval  # type: ignore[arg-type]
            assert told is not None
            missed[choice] += not told.ci_lower <= truth <= told.ci_upper
    # the places are the same whatever is drawn, so an interval over places like these is wide: never too narrow
    assert max(missed.values()) <= scipy_stats.binom.ppf(0.999, runs, 0.05)


def test_a_choice_may_be_a_table_and_sales_are_told_apart() -> None:
    lots, sold, _, _ = lots_of(np.random.default_rng(3), 90)
    choice = lots.filter("planned").select("item_id", "slot_id", "price")
    assert value_prices(lots, sold, choice).estimates == value_prices(lots, sold, "planned").estimates
    twice = [pl.concat([t.with_columns(sale=pl.lit(name)) for name in ("may", "june")]) for t in (lots, sold)]
    assert value_prices(*twice).support.rounds == 180
    with pytest.raises(InputError, match="tell the sales apart"):
        value_prices(pl.concat([lots, lots]), sold)


def test_lots_that_cannot_tell_are_refused() -> None:
    lots, sold, _, _ = lots_of(np.random.default_rng(4), 90)
    with pytest.raises(InsufficientDataError, match="rounds of the policy"):
        value_prices(lots.filter(pl.col("item_id").is_in([f"i{k}" for k in range(9)])), sold)
    with pytest.raises(InputError, match="No units or no unit cost are given for 1 explored places, the first i5"):
        value_prices(lots, sold.filter(pl.col("item_id") != "i5"))
    with pytest.raises(InputError, match="lacks the column propensity"):
        value_prices(lots.drop("propensity"), sold)
    with pytest.raises(InputError, match="lacks the column unit_cost"):
        value_prices(lots, sold.drop("unit_cost"))
    with pytest.raises(InputError, match="1 explored places have no price of their lot chosen"):
        choice = lots.filter("planned").select("item_id", "slot_id", "price")
        value_prices(lots, sold, choice.with_columns(price=pl.when(item_id="i7").then(1.0).otherwise("price")))
    with pytest.raises(InputError, match="no choice 'dearest'"):
        value_prices(lots, sold, "dearest")  # type: ignore[arg-type]


def test_the_lots_of_a_plan_fit_as_they_are_and_one_sale_is_too_few() -> None:
    rng = np.random.default_rng(0)
    slots = slots_every(10, positions=10)
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.3, 0.4), limits=(Appearances(),))
    items = catalog(rng, 150)
    plan, proof = solve_certified(campaign, items, log_linear(rng, 150, slots, 10))
    sales, bought = [], []
    for k in range(32):
        lots = explore(plan, campaign, items, proof, share=0.03, rng=np.random.default_rng(k)).lots
        drawn = lots.filter("drawn").join(items.select("item_id", "unit_cost"), on="item_id", maintain_order="left")
        units = pl.Series(rng.poisson(drawn["expected_units"].to_numpy()))
        sales.append(lots.with_columns(sale=pl.lit(k)))
        bought.append(drawn.select("item_id", "slot_id", "unit_cost", units=units, sale=pl.lit(k)))
    assert value_prices(pl.concat(sales), pl.concat(bought)).support.rounds == 96
    with pytest.raises(InsufficientDataError, match="The log's 3 rounds are worth"):
        value_prices(sales[0], bought[0])


def exposures(n: int, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    start = datetime(2024, 5, 1, tzinfo=UTC)
    item = rng.integers(3, size=n)
    shown = pl.DataFrame(
        {
            "exposure_id": [f"e{k}" for k in range(n)],
            "customer_id": [f"c{k % 40}" for k in range(n)],
            "item_id": [f"i{k}" for k in item],
            "slot": None,
            "at": [start + timedelta(minutes=k) for k in range(n)],
            "position": 1 + np.arange(n) % 2,
            "propensity": np.array([0.5, 0.3, 0.2])[item],
        },
        schema_overrides={"slot": pl.String, "at": pl.Datetime("us", "UTC")},
    )
    clicked = shown.filter(pl.Series(rng.random(n) < np.array([0.1, 0.5, 0.3])[item]))
    events = clicked.select("exposure_id", event=pl.lit("click"), at=pl.col("at") + timedelta(seconds=9))
    return shown, pl.concat([events, events])  # a second click on the same exposure is no second reward


def test_a_log_of_exposures_values_a_recommendation() -> None:
    rng = np.random.default_rng(5)
    item = rng.choice(3, 4000, p=[0.5, 0.3, 0.2])
    shown, events = exposures(4000, rng)
    shown = shown.with_columns(item_id=pl.Series([f"i{k}" for k in item]), propensity=np.array([0.5, 0.3, 0.2])[item])
    events = shown.filter(pl.Series(rng.random(4000) < np.array([0.1, 0.5, 0.3])[item])).select(
        "exposure_id", "at", event=pl.lit("click")
    )
    log = exposure_log(shown, events)
    assert log["reward"].sum() == events.height
    best = PolicyTable(table=log.select("exposure_id", action=pl.lit("i1"), probability=pl.lit(1.0)))
    found = value(log, best)
    told = found.headline.interval
    assert told is not None
    assert told.ci_lower <= 0.5 <= told.ci_upper
    assert told.value == pytest.approx(
        shown.filter(item_id="i1").join(events, on="exposure_id").height / (item == 1).sum()
    )


def test_clicks_before_their_exposure_are_refused() -> None:
    shown, events = exposures(50, np.random.default_rng(6))
    assert exposure_log(shown, events)["reward"].sum() == events["exposure_id"].n_unique()
    with pytest.raises(InputError, match="have a click before they were shown"):
        exposure_log(shown, events.with_columns(pl.col("at") - timedelta(minutes=1)))
    with pytest.raises(InputError, match="no event 'buy'"):
        exposure_log(shown, events, event="buy")
