"""What was wanted behind what was sold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from flashlift.experiments.debrief.demand import Known, response_factor, wanted_behind

N, DRAWS = 300, 400


def sale(rng: np.random.Generator, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draws of units wanted and replaced that share each item's level; what came of one more draw at `factor`."""
    mean = rng.lognormal(1.5, 0.5, N)
    level, lift = rng.gamma(4.0, 0.25, (N, DRAWS + 1)), rng.lognormal(0.7, 0.2, (N, DRAWS + 1))
    replaced = rng.poisson(mean[:, None] * level).astype(np.float64)
    wanted = replaced + rng.poisson(mean[:, None] * level * np.maximum(lift - 1.0, 0.0))
    came = replaced[:, 0] + rng.poisson(mean * level[:, 0] * np.maximum(factor * lift[:, 0] - 1.0, 0.0))
    return wanted[:, 1:], replaced[:, 1:], came, replaced[:, 0]


def known(units: np.ndarray, elapsed: np.ndarray | None = None) -> Known:
    every = np.arange(len(units))
    part = np.ones(len(units)) if elapsed is None else elapsed
    return Known(
        item=every,
        slot=np.zeros(len(units), dtype=np.int64),
        units=units,
        sold_out=part < 1.0,
        elapsed=part,
        lump=np.ones(len(units)),
        ran=np.ones(len(units), dtype=bool),
    )


def test_where_stock_lasted_what_was_sold_was_wanted() -> None:
    rng = np.random.default_rng(0)
    wanted, replaced, came, _ = sale(rng)
    one = np.ones((N, DRAWS))
    found = wanted_behind(known(came), wanted, replaced, one, np.ones(DRAWS), rng)
    assert (found.wanted == came[:, None]).all()
    assert (found.replaced >= 0.0).all()


def test_what_the_sale_replaced_lies_in_its_intervals() -> None:
    rng = np.random.default_rng(1)
    wanted, replaced, came, truth = sale(rng)
    found = wanted_behind(known(came), wanted, replaced, np.ones((N, DRAWS)), np.ones(DRAWS), rng)
    lower, upper = np.quantile(found.replaced, [0.05, 0.95], axis=1)
    hits = int(((lower <= truth + 0.5) & (truth - 0.5 <= upper)).sum())  # counts between draws that are none
    assert hits >= binom.ppf(0.001, N, 0.9)
    before = np.abs(replaced.mean(axis=1) - truth).mean()
    assert np.abs(found.replaced.mean(axis=1) - truth).mean() < 0.9 * before  # sales tell of the item's level


def test_demand_behind_an_empty_shelf_lies_in_its_intervals() -> None:
    rng = np.random.default_rng(2)
    wanted, replaced, came, _ = sale(rng)
    part = rng.uniform(0.2, 0.9, N)
    seen = rng.binomial(came.astype(np.int64), part).astype(np.float64)
    found = wanted_behind(known(seen, part), wanted, replaced, np.ones((N, DRAWS)), np.ones(DRAWS), rng)
    assert (found.wanted >= seen[:, None]).all()
    lower, upper = np.quantile(found.wanted, [0.05, 0.95], axis=1)
    hits = int(((lower <= came) & (came <= upper)).sum())
    assert binom.ppf(0.001, N, 0.9) <= hits
    assert found.wanted.mean() == pytest.approx(came.mean(), rel=0.08)  # the noise of 300 counts


@pytest.mark.parametrize("sold_out", [False, True])
def test_the_response_of_a_whole_sale(sold_out: bool) -> None:
    rng = np.random.default_rng(3)
    wanted, _, came, _ = sale(rng)
    part = rng.uniform(0.3, 1.0, N) if sold_out else np.ones(N)
    seen = rng.binomial(came.astype(np.int64), 0.6 * part).astype(np.float64)
    draws = response_factor(known(seen, part), wanted, np.ones((N, DRAWS)), rng)
    lower, upper = np.quantile(draws, [0.005, 0.995])
    assert lower < 0.6 < upper
    assert upper - lower < 0.3


def test_traffic_that_explains_all_leaves_no_response() -> None:
    rng = np.random.default_rng(4)
    wanted, _, came, _ = sale(rng)
    seen = rng.binomial(came.astype(np.int64), 0.6).astype(np.float64)
    draws = response_factor(known(seen), wanted, np.full((N, DRAWS), 0.6), rng)
    assert np.median(draws) == pytest.approx(1.0, abs=0.12)  # three standard errors of 300 offers
