"""A simulated shop with its plan, and what happens to it in sales whose truth is known."""

from __future__ import annotations

import pytest
from benchmarks.debrief_truth.case import Case, make_case


@pytest.fixture(scope="session")
def case() -> Case:
    return make_case("substitution", 2, n_events=600_000)
