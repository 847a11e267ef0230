"""Which sales were drawn by lot."""

from __future__ import annotations

import numpy as np
import pytest

from flashlift.demand.selection import drawn_by_lot


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
