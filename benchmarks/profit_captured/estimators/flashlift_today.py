"""flashlift's demand model as it is today."""

from __future__ import annotations

import numpy as np

from benchmarks.profit_captured.case import Case, Estimated
from flashlift import demand

__all__ = ["NAME", "estimate"]

NAME = "flashlift"


def estimate(case: Case) -> Estimated:
    """Fit with the settings every user gets."""
    rng = np.random.default_rng(case.seed)
    model = demand.fit(case.tables, until=case.now, rng=rng)
    draws = model.draw(case.items, case.campaign.slots, case.n_draws, rng=rng)
    names = ["item_id", "elasticity", "ci_lower", "ci_upper"]
    return Estimated(draws=draws, elasticities=model.elasticities().select(names))
