"""The past is confounded on purpose: what naive regressions make of it, and what the hidden state would repair."""

from __future__ import annotations

import numpy as np
import pytest

from flashlift.market import MarketConfig, SimulatedShop, simulate


@pytest.fixture(scope="module")
def confounded() -> list[SimulatedShop]:
    """Shops whose law a regression can state exactly, so that only the merchant leads it astray."""
    return [simulate(MarketConfig.sized(1_000_000, world="log_linear"), seed=seed) for seed in range(4)]


@pytest.fixture(scope="module")
def usual() -> list[SimulatedShop]:
    return [simulate(MarketConfig.sized(1_000_000), seed=seed) for seed in range(2)]


def within_item_poisson(
    units: np.ndarray, features: list[np.ndarray], offset: np.ndarray, use: np.ndarray
) -> np.ndarray:
    """Coefficients of a Poisson regression with item fixed effects (Hausman, Hall and Griliches 1984), by Newton."""
    x, y, base = np.stack(features), units * use, np.where(use, np.exp(offset), 0.0)
    total, beta = y.sum(axis=0), np.zeros(len(features))
    for _ in range(40):
        weight = base * np.exp(np.tensordot(beta, x, 1))
        share = weight / np.maximum(weight.sum(axis=0), 1e-300)
        gradient = (y * x).sum(axis=(1, 2)) - (total * share * x).sum(axis=(1, 2))
        mean = (share * x).sum(axis=1)
        hessian = np.einsum("adi,bdi,di,i->ab", x, x, share, total) - np.einsum("ai,bi,i->ab", mean, mean, total)
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            return beta
    raise AssertionError("Newton did not converge")


def within_item_log_log(units: np.ndarray, log_price: np.ndarray, use: np.ndarray) -> float:
    """The usual slope: ordinary least squares of ln units on ln price, days without sales left out."""
    use = use & (units > 0)
    days = np.maximum(use.sum(axis=0), 1)
    log_units = np.log(np.where(use, units, 1.0))
    x = np.where(use, log_price - (log_price * use).sum(axis=0) / days, 0.0)
    y = np.where(use, log_units - log_units.sum(axis=0) / days, 0.0)
    return float((x * y).sum() / (x * x).sum())


def weighted_truth(shop: SimulatedShop, log_price: np.ndarray) -> float:
    """Mean true elasticity, each item weighed by the information its promotions carry."""
    elasticity = shop.law.price.elasticity
    weight = (shop.past.rate * np.exp(elasticity * log_price) * log_price**2).sum(axis=0)
    return float((elasticity * weight).sum() / weight.sum())


def usable(shop: SimulatedShop) -> np.ndarray:
    """Days that began with ample stock: chosen by what was known before, so that no demand is selected away."""
    return shop.past.on_hand[:-1] > 5 + 15 * shop.items.rate


def test_naive_regressions_are_biased_and_the_hidden_state_repairs_them(confounded: list[SimulatedShop]) -> None:
    log_log, flagged, repaired = [], [], []
    for shop in confounded:
        past, use = shop.past, usable(shop)
        units, log_price, shown = past.sold.astype(float), np.log1p(-past.discount), (past.discount > 0).astype(float)
        truth = weighted_truth(shop, log_price)
        state = np.log(np.maximum(past.rate, 1e-9)).astype(float) + shown * np.log(shop.law.lift)
        log_log.append(within_item_log_log(units, log_price, use) - truth)
        flagged.append(within_item_poisson(units, [log_price, shown], np.zeros_like(state), use)[0] - truth)
        right = shop.law.price.elasticity * log_price
        repaired.append(within_item_poisson(units, [right], state, use)[0])
    assert min(log_log) > 1.0, log_log
    # Over 20 shops 1.08 with a standard deviation of 0.48 from shop to shop, so 2.8 standard errors to the bound.
    assert np.mean(flagged) > 0.4, flagged
    # Multiple of the true response that fits best: 1, with a standard error of about 0.03 in each shop.
    assert abs(np.mean(repaired) - 1.0) < 0.06, repaired


def test_without_endogeneity_the_flagged_regression_is_right() -> None:
    errors = []
    for seed in range(8):
        shop = simulate(MarketConfig.sized(1_000_000, world="log_linear", endogeneity=0.0), seed=seed)
        log_price, shown = np.log1p(-shop.past.discount), (shop.past.discount > 0).astype(float)
        units = shop.past.sold.astype(float)
        right = shop.law.price.elasticity * log_price
        errors.append(within_item_poisson(units, [right, shown], np.zeros_like(units), usable(shop))[0] - 1.0)
    # In multiples of the true response, whose standard deviation from shop to shop is 0.12: 3.5 standard errors.
    assert abs(np.mean(errors)) < 0.15, errors


def test_merchant_discounts_what_sells_badly_and_deeper_the_worse(usual: list[SimulatedShop]) -> None:
    for shop in usual:
        start, _, item, _, _ = shop.past.promotion.T
        state = shop.past.state[start, item]
        assert state.mean() < -0.8 * shop.config.state_sd
        assert np.corrcoef(state, shop.past.discount[start, item])[0, 1] < -0.15


def test_most_items_had_few_promotions(usual: list[SimulatedShop]) -> None:
    for shop in usual:
        count = np.bincount(shop.past.promotion[:, 2], minlength=len(shop.items))
        assert (count <= 4).mean() > 0.95
        assert 0.9 < count.mean() < 1.8
        assert 0.1 < (count == 0).mean() < 0.5


def test_randomized_promotions_are_flagged_and_know_nothing() -> None:
    config = MarketConfig.sized(250_000, randomized_frac=0.5)
    shop = simulate(config, seed=1)
    start, _, item, _, lot = shop.past.promotion.T
    state = shop.past.state[start, item]
    table = shop.tables.promotions
    assert table is not None
    assert table["randomized"].sum() == lot.sum() > 100
    # State of a fair lot: mean 0 with standard error sd / sqrt(n).
    assert abs(state[lot == 1].mean()) < 4 * config.state_sd / lot.sum() ** 0.5
    assert not simulate(MarketConfig.sized(4_000), seed=1).past.promotion[:, 4].any()


def test_shelves_run_empty_and_demand_is_lost(usual: list[SimulatedShop]) -> None:
    for shop in usual:
        past = shop.past
        arrived = np.arange(shop.config.days)[:, None] >= shop.items.arrival
        empty = (past.on_hand[:-1] == 0) & arrived
        assert 0.005 < empty.sum() / arrived.sum() < 0.08
        assert 0.05 < empty.any(axis=0).mean() < 0.5
        assert past.sold[empty].sum() == 0
        assert past.rate[empty].sum() > 0.01 * past.rate.sum()


def test_stock_is_never_created_by_selling(confounded: list[SimulatedShop]) -> None:
    for shop in confounded:
        past = shop.past
        assert (past.on_hand >= 0).all()
        delivered = np.diff(past.on_hand, axis=0) + past.sold
        assert (delivered >= 0).all()


def test_popularity_has_a_long_tail_and_new_items_arrive(confounded: list[SimulatedShop]) -> None:
    for shop in confounded:
        units = np.sort(shop.past.sold.sum(axis=0))[::-1]
        assert units[: len(units) // 5].sum() > 0.55 * units.sum()
        new = shop.items.arrival > 0
        assert 0.02 < new.mean() < 0.09
        before = np.arange(shop.config.days)[:, None] < shop.items.arrival
        assert shop.past.sold[before].sum() == 0


def test_pulled_forward_units_are_missing_after_a_promotion() -> None:
    config = MarketConfig.sized(
        250_000, world="waiting", state_sd=0.0, traffic_sd=0.0, pull_lower=1.0, pull_upper=1.0, promotions_per_item=6
    )
    shop = simulate(config, seed=2)
    normal = shop.items.rate * np.array([shop.calendar.day_factor(day)[shop.items.category] for day in _days(shop)])
    start, length, item, _, _ = shop.past.promotion.T
    early = (start + length < config.days - 30) & (normal[0, item] > 0.5)
    gone, extra = 0.0, 0.0
    for s, n, i in zip(start[early], length[early], item[early], strict=True):
        after = slice(s + n, s + n + 14)
        gone += (normal[after, i] - shop.past.rate[after, i]).sum()
        extra += (shop.past.sold[s : s + n, i] - shop.past.rate[s : s + n, i]).sum()
    assert early.sum() > 30
    assert 0.4 < gone / extra < 1.2  # most of it within two weeks; the rate cannot fall below zero


def _days(shop: SimulatedShop) -> list:
    from datetime import timedelta

    return [shop.config.start + timedelta(days=d) for d in range(shop.config.days)]
