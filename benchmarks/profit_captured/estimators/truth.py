"""The world's own parameters and present state, not its future shocks."""

from __future__ import annotations

import numpy as np

from benchmarks.profit_captured.case import Case, Estimated

__all__ = ["NAME", "estimate"]

NAME = "truth"
MORE_DRAWS = 4  # with as many draws as the others, choosing on the noise of its own draws cost the oracle 3 to 5 %


def estimate(case: Case) -> Estimated:
    """Draw from the truth; there is no elasticity to estimate."""
    rng = np.random.default_rng(case.seed)
    return Estimated(draws=case.shop.truth.draw(case.items, case.campaign.slots, MORE_DRAWS * case.n_draws, rng=rng))
