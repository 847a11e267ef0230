"""Fed with the truth of a simulated shop, the planner beats the rules of thumb on that shop's own books."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from flashlift.domain import Campaign, Slot
from flashlift.limits import Appearances, CategoryCount, MarginFloor
from flashlift.market import MarketConfig, simulate
from flashlift.planning import best_sellers, check, fair_rule, random_plan, slow_movers, solve

CONFIG = MarketConfig(n_events=5_000, n_items=60, n_customers=200, days=60)


def test_the_clairvoyant_plan_beats_the_rules_of_thumb() -> None:
    shop = simulate(CONFIG, seed=4)
    items = shop.sale_items
    starts = [shop.now + timedelta(days=day, hours=18) for day in range(1, 5)]
    slots = tuple(
        Slot(slot_id=f"day-{k}", start=start, end=start + timedelta(hours=4), positions=4)
        for k, start in enumerate(starts)
    )
    category = items["category"][0]
    campaign = Campaign(
        slots=slots,
        ladder=(0.1, 0.2, 0.3, 0.4),
        limits=(Appearances(), MarginFloor(margin_frac=0.05), CategoryCount(category=category, maximum=8)),
    )
    draws = shop.truth.draw(items, slots, 200, rng=np.random.default_rng(1))
    plan = solve(campaign, items, draws)
    rules = [
        best_sellers(campaign, items, draws),
        slow_movers(campaign, items, draws),
        fair_rule(campaign, items, draws),
        random_plan(campaign, items, draws, rng=np.random.default_rng(2)),
    ]
    truth = [
        shop.run(p.offers, slots, campaign.costs, seed=9, n_futures=400, with_events=False).value
        for p in [plan, *rules]
    ]
    assert truth[0].ci_lower > 0.0
    assert all(truth[0].ci_lower > rule.ci_upper for rule in truth[1:])
    assert all(check(p, campaign, items, planned_on=draws).broken == () for p in [plan, *rules])

    # the checker on fresh draws says what the shop's books say: same demand, other draws
    fresh = shop.truth.draw(items, slots, 400, rng=np.random.default_rng(3))
    verdict = check(plan, campaign, items, fresh)
    assert verdict.broken == ()
    assert verdict.claims == "sampled"
    assert verdict.value is not None
    half = (truth[0].ci_upper - truth[0].ci_lower) / 2
    assert verdict.mean_error is not None
    assert abs(verdict.value.value - truth[0].value) < 4.0 * np.hypot(verdict.mean_error, half / 1.645)
