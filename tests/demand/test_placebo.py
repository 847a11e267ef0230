"""Placebo tests: silent where nothing is wrong, loud where something is, and undecided where the log is short."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom
from tests.demand.conftest import QUICK, make_events, make_items

from flashlift.demand.examine import examine, examine_ground, fit_and_examine
from flashlift.demand.fit import fit
from flashlift.demand.groundwork import lay_groundwork
from flashlift.demand.placebo import SMALL, TESTS, verdict
from flashlift.demand.pooled import pooled_effect
from flashlift.demand.windows import Past, Windows, count_windows, on_other_days, on_twins, week_before
from flashlift.domain import Estimate
from flashlift.market import MarketConfig, SimulatedShop, simulate
from flashlift.protocols import silent
from flashlift.schema import Promotions, Tables

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS, N = 150, 60
SALE_DAYS = 3


def promoted_shop(
    *, lift: float = 2.0, before: float = 1.0, beside: float = 1.0, by_depth: float = 0.0, seed: int = 0
) -> Tables:
    """Six units an item and day; the first 40 of 60 items are on sale twice, on days that many share.

    Args:
        lift: factor in a sale.
        before: factor in the seven days before it.
        beside: factor on items never on sale while others are.
        by_depth: added to the log factor before a sale of 30 % off, taken off before one of 10 % off.
        seed: of the counts.
    """
    rng = np.random.default_rng(seed)
    rate = np.full((N, DAYS), 6.0)
    sales = []
    for item in range(40):
        for cohort in (item % 4, 3 + item % 4):
            first, depth = 30 + 17 * cohort, 0.3 if (item // 4 + cohort) % 2 else 0.1
            rate[item, first : first + SALE_DAYS] *= lift
            rate[item, first - 7 : first] *= before * np.exp(by_depth * np.sign(depth - 0.2))
            sales.append((f"i{item:03d}", first, depth))
    on_sale = np.zeros(DAYS, dtype=bool)
    for _, first, _ in sales:
        on_sale[first : first + SALE_DAYS] = True
    rate[40:, on_sale] *= beside
    counts = rng.poisson(rate)
    item, day = (a.repeat(counts.ravel()) for a in (b.ravel() for b in np.indices(counts.shape)))
    at = [START + timedelta(days=int(d), hours=int(h)) for d, h in zip(day, rng.integers(8, 20, len(day)), strict=True)]
    paid = {(int(i[1:]), first + k): 10 * (1 - d) for i, first, d in sales for k in range(SALE_DAYS)}
    prices = [paid.get((int(i), int(d)), 10.0) for i, d in zip(item, day, strict=True)]
    promotions = pl.DataFrame(
        {
            "item_id": [i for i, _, _ in sales],
            "start": [START + timedelta(days=first) for _, first, _ in sales],
            "end": [START + timedelta(days=first + SALE_DAYS) for _, first, _ in sales],
            "price": [10 * (1 - depth) for _, _, depth in sales],
            "position": pl.Series([None] * len(sales), dtype=pl.Int64),
            "randomized": [False] * len(sales),
        }
    ).with_columns(pl.col("start", "end").cast(pl.Datetime("us", "UTC")))
    events = make_events([f"i{k:03d}" for k in item], at, prices, [1] * len(item))
    return Tables(events=events.lazy(), items=make_items(N), promotions=Promotions.validate(promotions))


def outcome(tables: Tables) -> dict[str, dict[str, object]]:
    until = START + timedelta(days=DAYS)
    found = examine(tables, until=until, config=QUICK, rng=np.random.default_rng(1)).placebo
    return {row["test"]: row for row in found.iter_rows(named=True)}


def test_a_sound_shop_passes_and_its_sales_stand_out() -> None:
    found = outcome(promoted_shop())
    assert found["real sales"]["verdict"] is None
    assert found["real sales"]["value"] == pytest.approx(1.0, abs=0.1)  # twice the units
    assert [found[words.test]["verdict"] for words in TESTS.values()] == ["passed"] * 4
    assert [found[words.test]["consequence"] for words in TESTS.values()] == [w.passed for w in TESTS.values()]


@pytest.mark.parametrize(
    ("wrong", "failing", "size", "words"),
    [
        ({"before": 0.6}, "before", -0.4, "lower in the week before a sale: customers wait"),
        ({"before": 1.5}, "before", 0.5, "higher in the week before a sale: what was rising anyway"),
        ({"beside": 0.7}, "twins", -0.3, "sales take units from their neighbors"),
        ({"beside": 1.4}, "twins", 0.4, "good days anyway"),
        ({"by_depth": 0.4}, "depth_before", 0.37, "elasticity is likely overstated"),
        ({"by_depth": -0.4}, "depth_before", -0.27, "elasticity is likely understated"),
    ],
)
def test_what_is_wrong_is_found_and_said(wrong: dict[str, float], failing: str, size: float, words: str) -> None:
    found = outcome(promoted_shop(**wrong))[TESTS[failing].test]
    assert found["verdict"] == "failed"
    # The baseline learns a part of what happens on ordinary days, so the size is told to about a third.
    assert float(found["value"]) == pytest.approx(size, abs=0.14)  # type: ignore[arg-type]
    assert words in str(found["consequence"])


def test_a_verdict_is_about_equivalence() -> None:
    def of(low: float, high: float) -> str:
        return verdict(Estimate(value=(low + high) / 2, ci_lower=low, ci_upper=high))

    assert of(0.01, 0.5 * SMALL) == "passed"  # there, but too small to matter
    assert of(-0.5 * SMALL, 0.5 * SMALL) == "passed"
    assert of(-2 * SMALL, 2 * SMALL) == "undecided"  # a wide interval around nothing is no proof of nothing
    assert of(0.5 * SMALL, 2 * SMALL) == "failed"
    assert verdict(None) == "not testable"


def test_the_interval_covers_when_items_and_weeks_share_shocks() -> None:
    """400 data sets without an effect, with shocks of items and of weeks: the 90 % interval holds nothing in 90 %."""
    rng, inside, runs = np.random.default_rng(0), 0, 400
    for _ in range(runs):
        item, week = rng.integers(0, 60, 600), rng.integers(0, 40, 600)
        shock = rng.normal(0, 0.2, 60)[item] + rng.normal(0, 0.2, 40)[week]
        expected = rng.uniform(2, 20, 600)
        windows = Windows(
            item=item,
            first=7 * week,
            units=rng.poisson(expected * np.exp(shock - 0.04)).astype(float),
            expected=expected,
            x=rng.choice([0.1, 0.2, 0.4], 600),
            lump=np.ones(600),
        )
        effect = pooled_effect(windows, 0.2)
        assert effect is not None
        found = effect.level
        inside += found.ci_lower <= 0.0 <= found.ci_upper
    assert binom.ppf(0.001, runs, 0.9) <= inside + 12  # 40 clusters: the sandwich is known to be up to 3 % too narrow
    assert inside <= binom.ppf(0.999, runs, 0.9)


def test_windows_are_where_they_claim_to_be(shop: SimulatedShop) -> None:
    rng = np.random.default_rng(0)
    ground = lay_groundwork(shop.tables, shop.now, QUICK, rng=rng, progress=silent)
    panel, cross, rows, first, last = ground.panel, ground.cross, ground.sales, ground.first, ground.last
    past = Past(item=rows.item, first=first, last=last, x=rows.x)
    promoted = set(panel.sales["item"].to_list())
    for copy in (on_other_days(panel, past, rng), on_twins(panel, past, rng), week_before(panel, past)):
        assert len(copy.item) > 30
        for item, begin, end in zip(copy.item, copy.first, copy.last, strict=True):
            assert not panel.touched[item, begin : end + 1].any()
            assert panel.normal[item, begin] > 0
    twins = on_twins(panel, past, rng)
    assert not promoted & set(twins.item.tolist())
    assert set(zip(twins.first.tolist(), twins.last.tolist(), strict=True)) <= {
        (f, min(end, f + 6)) for f, end in zip(first.tolist(), last.tolist(), strict=True)
    }
    leads = set(zip(week_before(panel, past).item.tolist(), (week_before(panel, past).last + 1).tolist(), strict=True))
    assert leads <= set(zip(past.item.tolist(), past.first.tolist(), strict=True))
    counted = count_windows(cross, week_before(panel, past))
    plain = [panel.units[i, f : f + 7].sum() for i, f in zip(counted.item, counted.first, strict=True)]
    np.testing.assert_allclose(counted.units, plain)
    again = examine_ground(ground, np.random.default_rng(3)).placebo
    assert again.equals(examine_ground(ground, np.random.default_rng(3)).placebo)


def test_both_at_once_are_what_each_is_alone(shop: SimulatedShop) -> None:
    def same(run: Callable[..., Any]) -> Any:
        return run(shop.tables, until=shop.now, config=QUICK, rng=np.random.default_rng(0))

    model, tested = same(fit_and_examine)
    alone = same(fit)
    assert model.elasticities().equals(alone.elasticities())
    np.testing.assert_array_equal(model.baseline.coefficients, alone.baseline.coefficients)
    assert model.baseline.booster.model_to_string() == alone.baseline.booster.model_to_string()
    assert tested.placebo.equals(same(examine).placebo)


def test_a_log_without_sales_is_not_testable() -> None:
    quiet = promoted_shop(lift=1.0)
    nothing = Tables(events=quiet.events.with_columns(price=10.0), items=quiet.items)
    found = examine(nothing, until=START + timedelta(days=DAYS), config=QUICK, rng=np.random.default_rng(0))
    assert found.placebo["verdict"].drop_nulls().to_list() == ["not testable"] * 4
    assert found.placebo["value"].null_count() == 5
    assert found.lots.is_empty()
    assert found.robustness is None


def test_randomized_and_chosen_sales_side_by_side() -> None:
    shop = simulate(MarketConfig.sized(60_000, randomized_frac=0.3), seed=2)
    lots = examine(shop.tables, until=shop.now, config=QUICK, rng=np.random.default_rng(0)).lots
    assert lots["basis"].to_list() == ["by lot", "by choice", "both", "by choice against by lot"]
    assert (lots["ci_lower"] < lots["value"]).all() and (lots["value"] < lots["ci_upper"]).all()
    assert lots["n"][0] + lots["n"][1] == lots["n"][2]
    width = (lots["ci_upper"] - lots["ci_lower"]).to_list()
    assert width[2] <= min(width[0], width[1]) + 1e-9
    assert "sales drawn by lot" in lots["says"][3]


def test_sales_detected_from_prices_have_a_week_before_them(online_retail: Tables) -> None:
    until = datetime(2011, 12, 10, tzinfo=UTC)
    found = examine(online_retail, until=until, config=QUICK, rng=np.random.default_rng(0)).placebo
    assert found["value"].null_count() == 0
