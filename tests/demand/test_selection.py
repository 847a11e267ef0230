"""Which sales were drawn by lot, and what the merchant is believed to have known."""

from __future__ import annotations

import numpy as np
import pytest

from flashlift.demand.selection import MerchantRule, drawn_by_lot


def test_a_mark_is_believed_unless_depth_follows_demand(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    marked = np.arange(200) % 4 == 0
    state = rng.normal(0, 0.3, 200)
    by_lot, steered = rng.uniform(0.05, 0.5, 200), 0.25 - 0.3 * state + rng.normal(0, 0.03, 200)
    np.testing.assert_array_equal(drawn_by_lot(marked, state, by_lot), marked)
    assert not caplog.records
    assert not drawn_by_lot(marked, state, steered).any()
    assert "read as chosen" in caplog.text
    few = np.arange(200) < 5
    np.testing.assert_array_equal(drawn_by_lot(few, state, steered), few)


def test_chance_that_nobody_could_foresee_is_no_state_that_was_acted_on() -> None:
    rng = np.random.default_rng(0)
    state, others = rng.normal(0, 0.1, 400), rng.normal(0, 0.1, 4000)
    x = 0.3 - 0.5 * state + rng.normal(0, 0.05, 400)
    chosen = np.ones(400, dtype=bool)
    rules = [MerchantRule.learn(state, x, chosen, others, hidden) for hidden in (0.05, 1.0, 2.0)]
    assert rules[0].hidden == 0.05
    assert rules[1] == rules[2]
    assert rules[1].hidden == pytest.approx(10 * others.var())
