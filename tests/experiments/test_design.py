"""The design refuses what would lie, can be run as it is, and has the power of simulated tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from flashlift.domain import Campaign, Offer, Plan, PlanStatus, Slot
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import Design, Facts, Kind, Lever, Rules, design, sell_out_probability
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.comparison import compare
from flashlift.stats.moments import Moments

START = datetime(2024, 11, 25, 9, tzinfo=UTC)
N = 4000


def spending(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Skewed like a shop's customers: most spend nothing, the past predicts half."""
    taste = rng.gamma(0.5, 20.0, n)
    return rng.poisson(0.3, n) * taste, taste * rng.gamma(4.0, 0.25, n)


def people(*, past: bool = True, regions: int = 12) -> pl.DataFrame:
    y, x = spending(N, np.random.default_rng(1))
    return pl.DataFrame(
        {
            "customer_id": [f"c{k}" for k in range(N)],
            "metric": y,
            "covariate": x if past else np.zeros(N),
            "region": [f"r{k % regions}" for k in range(N)],
        }
    )


def slots(n: int = 8) -> tuple[Slot, ...]:
    return tuple(
        Slot(slot_id=f"s{k}", start=start, end=start + timedelta(hours=2), positions=40)
        for k in range(n)
        for start in [START + timedelta(days=k // 4, hours=3 * (k % 4))]
    )


def offers(n_items: int = 24, n_slots: int = 8, quota: int = 6) -> pl.DataFrame:
    """Two items to a group; the first sells most."""
    return pl.DataFrame(
        [
            (f"i{i:02}", f"s{s}", quota, 60.0 / (i + 1) * (1 + s % 4), f"g{i // 2:02}")
            for i in range(n_items)
            for s in range(n_slots)
        ],
        schema=["item_id", "slot_id", "quota", "expected_units", "group"],
        orient="row",
    )


def past(weeks: int = 8) -> pl.DataFrame:
    rng, plan = np.random.default_rng(3), offers()
    return pl.concat(
        plan.select("item_id", "slot_id", metric=pl.Series(9.0 * rng.poisson(plan["expected_units"]))).with_columns(
            week=week + 1
        )
        for week in range(weeks)
    )


def facts(**changes: object) -> Facts:
    given = {"customers": people(), "metric": "contribution (GBP)", "window_days": 35.0, "sell_out_probability": 0.05}
    return Facts(**(given | changes))


def priced(**changes: object) -> Facts:
    given = {"lever": Lever.PRICE, "slots": slots(), "offers": offers(), "past": past()}
    return facts(**(given | changes))


def made(given: Facts, rules: Rules | None = None, wanted: Kind | None = None, seed: int = 0) -> Design:
    return design(given, rules or Rules(runs=0), wanted=wanted, rng=np.random.default_rng(seed))


def test_plentiful_stock_splits_customers_and_its_power_holds_in_simulated_tests() -> None:
    found = made(facts())
    assert found.kind is Kind.CUSTOMERS
    assert found.resolution is not None
    effect = found.resolution.minimum_effect / N
    rng, runs, rejected = np.random.default_rng(2), 600, 0
    for _ in range(runs):
        y, x = spending(N, rng)
        treated = rng.permutation(N) < N // 2
        y = y + effect * treated
        arms = (Moments.of(y[on], x[on]) for on in (~treated, treated))
        rejected += compare(*arms).pvalue < 0.05
    # the variance comes from one sample of 4,000 skewed values, so the true power may be off by some points
    low, high = scipy_stats.binom.ppf([0.001, 0.999], runs, [0.75, 0.85])
    assert low <= rejected <= high


@pytest.mark.parametrize("given", [facts(), priced(), priced(slots=slots(2), offers=offers(n_slots=2))])
def test_formula_and_simulation_on_the_shops_past_agree(given: Facts) -> None:
    """The formula of a test by window or item rests on one past week, so a half or double of it would still do."""
    found = made(given, Rules(runs=150)).resolution
    assert found is not None
    assert found.simulated_effect_frac is not None
    assert found.minimum_effect_frac is not None
    assert 0.5 < found.simulated_effect_frac / found.minimum_effect_frac < 2.0
    assert found.simulated_alpha is not None
    assert found.simulated_alpha <= scipy_stats.binom.ppf(0.999, 150, 0.05) / 150


def test_the_past_makes_the_test_sharper() -> None:
    sharp, blunt = made(facts()).resolution, made(facts(customers=people(past=False))).resolution
    assert sharp is not None
    assert blunt is not None
    assert sharp.variance_reduction_frac > 0.1
    ratio = sharp.minimum_effect / blunt.minimum_effect
    assert ratio == pytest.approx(np.sqrt(1 - sharp.variance_reduction_frac), rel=1e-6)


def test_forecast_effect_gives_customers_and_sales_needed() -> None:
    blind = made(facts()).resolution
    assert blind is not None
    exact = made(facts(expected_effect=blind.minimum_effect))
    assert exact.power_at_forecast == pytest.approx(0.8, abs=1e-4)
    assert exact.needed == N
    half = made(facts(expected_effect=blind.minimum_effect / 2))
    assert half.needed == pytest.approx(4 * N, rel=0.001)
    assert half.needed_sales == 4
    assert "about 4 such sales pooled (140 days)" in str(half)
    assert "no gain to be detected" in str(made(facts(expected_effect=-5.0)))
    assert "forecast change" not in str(made(facts()))


def test_scarce_stock_splits_the_stock_and_says_why_it_may_not_be_shared() -> None:
    found = made(facts(sell_out_probability=0.6, slots=slots(), offers=offers()), Rules(treatment_frac=0.3, runs=0))
    assert found.kind is Kind.STOCK_SPLIT
    assert found.rejected[0][0] is Kind.CUSTOMERS
    assert "what one arm buys is missing in the other" in str(found)
    assert found.quotas is not None
    whole = found.quotas["control"] + found.quotas["treatment"]
    assert (whole == 8 * 6).all()
    assert found.quotas["treatment"].to_list() == pytest.approx([14.4] * 24, abs=1.0)
    with pytest.raises(InputError, match=r"customer split is refused: 60% .* Use a stock-split instead"):
        made(facts(sell_out_probability=0.6), wanted=Kind.CUSTOMERS)


def test_quotas_are_pooled_before_the_end_where_asked_for() -> None:
    given = facts(sell_out_probability=0.6, slots=slots(), offers=offers())
    found = made(given, Rules(release_hours=3.0, runs=0))
    assert found.release == slots()[-1].end - timedelta(hours=3)
    assert "only sales before count" in str(found)
    assert "release" in found.estimand
    assert made(given).release is None


def test_a_price_switches_windows_and_never_shows_two_prices_at_once() -> None:
    found = made(priced(sell_out_probability=0.9))
    assert found.kind is Kind.SWITCHBACK
    assert found.windows is not None
    assert found.quotas is not None
    assert found.windows.group_by("slot_id", "cluster").len()["len"].max() == 1
    assert found.windows["cluster"].unique().to_list() == ["all"]
    assert found.windows["variant"].value_counts()["count"].to_list() == [4, 4]
    assert ((found.quotas["control"] + found.quotas["treatment"]) == 48).all()
    by_start = found.windows.sort("start")
    gaps = (by_start["start"].shift(-1) - by_start["end"]).drop_nulls()
    assert gaps.min() >= timedelta(hours=0.5)
    with pytest.raises(InputError, match=r"two prices for one item at the same moment\. Use a slot-split switchback"):
        made(priced(), wanted=Kind.STOCK_SPLIT)


def test_where_items_do_not_meet_each_group_has_an_order_of_its_own() -> None:
    found = made(priced(items_meet=False))
    assert found.windows is not None
    assert found.quotas is not None
    orders = found.windows.sort("cluster", "start").group_by("cluster").agg("variant")
    assert orders.height == 12
    assert orders["variant"].n_unique() > 3
    assert (found.quotas["cluster"] == found.quotas["group"]).all()


def test_the_order_is_drawn_again_with_another_seed() -> None:
    orders = {tuple(made(priced(), seed=seed).windows["variant"]) for seed in range(12)}  # type: ignore[index]
    assert len(orders) > 3


def test_windows_too_close_open_later() -> None:
    close = tuple(
        Slot(slot_id=f"s{k}", start=START + timedelta(hours=2 * k), end=START + timedelta(hours=2 * k + 2), positions=9)
        for k in range(8)
    )
    found = made(priced(slots=close), Rules(washout_hours=0.75, runs=0)).windows
    assert found is not None
    assert found["start"].to_list()[1:] == [slot.start + timedelta(hours=0.75) for slot in close[1:]]
    with pytest.raises(InputError, match="leaves nothing of slot s1"):
        made(priced(slots=close), Rules(washout_hours=2.0, runs=0))


def test_too_few_windows_split_the_items_by_group() -> None:
    found = made(priced(slots=slots(3), offers=offers(n_slots=3)))
    assert found.kind is Kind.ITEMS
    assert "it needs 4 windows, and the sale has 3" in str(found)
    assert found.units is not None
    assert found.units.height == 12
    assert found.units["variant"].value_counts()["count"].to_list() == [6, 6]
    alone = made(priced(slots=slots(3), offers=offers(n_slots=3), items_meet=False))
    assert alone.n_units == 24


def test_customers_who_meet_are_split_by_region() -> None:
    found = made(facts(customers_meet=True))
    assert found.kind is Kind.CLUSTERS
    assert found.units is not None
    assert sorted(found.units["region"]) == sorted({f"r{k}" for k in range(12)})
    with pytest.raises(InputError, match="Use a cluster-randomized test instead"):
        made(facts(customers_meet=True), wanted=Kind.CUSTOMERS)
    with pytest.raises(InsufficientDataError, match="no column 'province'"):
        made(facts(customers_meet=True, cluster="province"))
    with pytest.raises(InsufficientDataError, match="it needs 10 clusters, and 'region' has 4"):
        made(facts(customers_meet=True, customers=people(regions=4)))


def test_what_cannot_be_split_is_left_out_and_named() -> None:
    single = offers().with_columns(quota=pl.when(pl.col("item_id") == "i23").then(0).otherwise(pl.col("quota")))
    single = single.with_columns(
        quota=pl.when((pl.col("item_id") == "i23") & (pl.col("slot_id") == "s0")).then(1).otherwise(pl.col("quota"))
    )
    for given in (priced(offers=single), facts(sell_out_probability=0.6, offers=single)):
        found = made(given)
        assert found.left_out == ("i23",)
        assert found.quotas is not None
        assert "i23" not in found.quotas["item_id"]
    ones = offers(n_slots=1, quota=1)
    with pytest.raises(InputError, match="no offer has two units"):
        made(facts(sell_out_probability=0.6, offers=ones, slots=slots(1)), wanted=Kind.STOCK_SPLIT)


def test_no_design_at_all_is_said_with_every_reason() -> None:
    with pytest.raises(
        InsufficientDataError, match=r"4 windows, and the sale has 0.*10 items that do not meet, and there"
    ):
        made(priced(slots=(), offers=offers(n_items=4)))
    with pytest.raises(InsufficientDataError, match="4 windows, and the sale has 1"):
        made(priced(slots=slots(1), offers=offers(n_items=4, n_slots=1)))


def test_a_design_is_json_and_a_row_and_a_paragraph() -> None:
    found = made(priced(complaints=True, expected_effect=500.0), Rules(runs=20))
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["kind"] == "slot-split switchback"
    assert len(again["windows"]) == 8
    assert again["windows"][0]["start"].startswith("2024-11-25T09:00:00")
    assert found.to_polars().height == 1
    for told in ("complaints per order", "What is estimated", "It assumes that", "each arm sells from its own quota"):
        assert told in found.paragraph()


def test_impossible_facts_are_refused() -> None:
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        facts(sell_out_probability=1.2)
    with pytest.raises(InputError, match="holds no offers"):
        facts(offers=offers().clear())
    with pytest.raises(InputError, match="leaves an arm empty"):
        Rules(treatment_frac=1.0)
    with pytest.raises(InputError, match="hours of 0 or more"):
        Rules(washout_hours=-1.0)
    with pytest.raises(InputError, match="no column 'covariate'"):
        facts(customers=people().drop("covariate"))
    with pytest.raises(InsufficientDataError, match="the log knows 1"):
        facts(customers=people().head(1))
    with pytest.raises(InputError, match="no column 'expected_units'"):
        made(priced(offers=offers().drop("expected_units")))
    overlapping = (*slots(7), Slot(slot_id="s7", start=START, end=START + timedelta(hours=1), positions=1))
    with pytest.raises(InputError, match="overlap"):
        made(priced(slots=overlapping))


@pytest.mark.parametrize(
    ("sell_out", "least", "most"),
    [(0.05, -0.01, 0.03), (Rules().scarce_from, 0.02, 0.1), (0.5, 0.08, 0.3), (0.8, 0.2, 1.2)],
)
@pytest.mark.parametrize("demand", [5, 20, 50])
def test_where_stock_counts_as_scarce(demand: int, sell_out: float, least: float, most: float) -> None:
    """Overstatement of a doubled demand when both arms buy from one quota, first come, first served."""
    rng, n = np.random.default_rng(1), 100_000
    quota = int(scipy_stats.poisson.isf(sell_out, 2 * demand))
    everybody, nobody = (np.minimum(rng.poisson(mean, n), quota).mean() for mean in (2 * demand, demand))
    treated, control = rng.poisson(demand, n), rng.poisson(demand / 2, n)
    sold = np.minimum(treated + control, quota)
    to_treated = rng.hypergeometric(treated, control, sold)
    split = 2 * (2 * to_treated - sold).mean()
    assert least <= split / (everybody - nobody) - 1 <= most


class TwoItems:
    """Demand of 10 in every draw for item 0; 20 in three draws of four for item 1, else none."""

    n_draws = 4

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        return np.array([[10.0] * 4, [20.0, 20.0, 20.0, 0.0]])[item]


def offer(item: str, quota: int, units: float) -> Offer:
    return Offer(
        item_id=item, slot_id="s", discount_frac=0.2, price=1.0, quota=quota, expected_units=units, expected_value=0.0
    )


def test_sell_out_probability_is_weighted_by_units() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    campaign = Campaign(
        slots=(Slot(slot_id="s", start=start, end=start + timedelta(hours=2), positions=2),), ladder=(0.2,)
    )
    items = pl.DataFrame({"item_id": ["a", "b"]})

    def probability(*offers: Offer) -> float:
        plan = Plan(offers=offers, status=PlanStatus.OPTIMAL, objective=0.0, bound=0.0, gap_frac=0.0, limit_prices={})
        return sell_out_probability(plan, campaign, items, TwoItems())

    assert probability(offer("a", 10, 10.0)) == 0.0  # demand that just fits loses nothing
    assert probability(offer("b", 19, 15.0)) == 0.75
    assert probability(offer("b", 19, 30.0), offer("a", 10, 10.0)) == pytest.approx(0.75 * 0.75)
    with pytest.raises(InputError, match="no offers"):
        probability()
