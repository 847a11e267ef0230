"""What a debrief teaches, from hand-made evidence: what is beyond chance is said, the rest is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from flashlift.experiments.debrief.demand import Known
from flashlift.experiments.debrief.lessons import Judged, by_category, lessons

DRAWS = 2_000
OFFER: dict[str, Any] = {
    "item_id": "a",
    "title": "Kettle",
    "category": "home",
    "slot_id": "s",
    "status": "ran",
    "planned_price": 8.0,
    "price": 8.0,
    "list_price": 10.0,
    "units": 20,
    "returned": 1,
    "sold_out": False,
    "why_out": None,
    "elapsed_frac": 1.0,
    "lost_units": 0.0,
    "planned_contribution": 40.0,
}
SLOT = {
    "slot_id": "s",
    "traffic": 1.0,
    "traffic_ci_lower": 0.9,
    "traffic_ci_upper": 1.1,
    "traffic_low": 0.8,
    "traffic_high": 1.2,
    "controls": 50,
    "control_units": 70.0,
    "control_expected": 100.0,
    "views": None,
    "expected_views": None,
}
CATEGORY = {"category": "home", "offers": 1, "expected_units": 20.0, "units": 20.0, "value": 1.0, "ci_lower": 0.9}


def taught(
    *,
    offer: dict[str, Any] | None = None,
    slot: dict[str, Any] | None = None,
    category: dict[str, float] | None = None,
    response: float = 1.0,
    gain: float = 50.0,
) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    limits = {"ci_upper": 1.1, "low": 0.8, "high": 1.2}
    text = {"why_out": pl.String, "views": pl.Float64, "expected_views": pl.Float64}
    offers = pl.DataFrame([OFFER | (offer or {})], schema_overrides={"why_out": text["why_out"]})
    slots = pl.DataFrame([SLOT | (slot or {})], schema_overrides={k: text[k] for k in ("views", "expected_views")})
    return lessons(
        Judged(
            offers=offers,
            slots=slots,
            categories=pl.DataFrame([CATEGORY | limits | (category or {})]),
            traffic=rng.lognormal(0.0, 0.1, (1, DRAWS)),
            response=response * rng.lognormal(0.0, 0.05, DRAWS),
            wanted=rng.poisson(30.0, (1, DRAWS)).astype(np.float64),
            gain=gain + 10.0 * rng.standard_normal((1, DRAWS)),
            return_frac=0.05,
            currency="EUR",
        )
    )


def test_a_sale_as_planned_teaches_nothing() -> None:
    assert taught().is_empty()


@pytest.mark.parametrize(
    ("changes", "kind", "subject", "said"),
    [
        (
            {"offer": {"sold_out": True, "why_out": "quota", "elapsed_frac": 0.6, "lost_units": 10.0}},
            "stock",
            "Kettle (a, s)",
            "A quota of 37 would have served",
        ),
        (
            {"slot": {"traffic": 0.7, "traffic_low": 0.5, "traffic_high": 0.9}},
            "traffic",
            "s",
            "0.70 times the forecast",
        ),
        ({"category": {"value": 0.5, "low": 0.3, "high": 0.8}}, "response", "home", "0.50 times what was forecast"),
        ({"response": 0.6}, "response", "the whole sale", "Given the traffic, the offers together sold 0.6"),
        ({"gain": -60.0}, "discount in vain", "Kettle (a, s)", "20% off sold 20 units"),
        ({"offer": {"returned": 8}}, "returns", "home", "8 of 20 units came back so far, 40%"),
        ({"offer": {"status": "not run", "price": 10.0, "units": 0}}, "execution", "Kettle (a, s)", "never ran"),
    ],
)
def test_each_lesson_is_told_with_its_evidence(changes: dict[str, Any], kind: str, subject: str, said: str) -> None:
    found = taught(**changes)
    assert found["kind"].to_list() == [kind]
    assert found["subject"].item() == subject
    assert said in found["says"].item()


def test_what_may_be_chance_is_not_told() -> None:
    assert taught(gain=-10.0).is_empty()
    assert taught(offer={"returned": 2}).is_empty()  # of 20 at 5 %: that or more in 26 % of sales
    assert taught(response=0.95).is_empty()


def test_a_category_of_flat_response_is_told_from_the_others() -> None:
    rng = np.random.default_rng(1)
    n = 120
    wanted = rng.poisson(20.0 * rng.gamma(20.0, 0.05, (n, 501))).astype(np.float64)
    name = ["flat" if k % 3 == 0 else "usual" if k % 3 == 1 else "other" for k in range(n)]
    factor = np.array([0.4 if one == "flat" else 1.0 for one in name])
    known = Known(
        item=np.arange(n),
        slot=np.zeros(n, dtype=np.int64),
        units=rng.binomial(wanted[:, 0].astype(np.int64), factor).astype(np.float64),
        sold_out=np.zeros(n, dtype=bool),
        elapsed=np.ones(n),
        lump=np.ones(n),
        ran=np.ones(n, dtype=bool),
    )
    found = by_category(known, name, wanted[:, 1:], np.ones((n, 500)), rng)
    told = {row["category"]: row for row in found.iter_rows(named=True)}
    assert told["flat"]["ci_lower"] <= 0.4 <= told["flat"]["ci_upper"]
    assert told["flat"]["high"] < 1.0
    for usual in ("usual", "other"):
        assert told[usual]["low"] < 1.0 < told[usual]["high"]
