"""Placebo tests of the promotion response: where nothing was discounted, the same comparison must find nothing.

Each test counts units against the baseline in windows that had no discount, pools them (`pooled`), and asks whether the
effect is surely small. That is a test of equivalence (Hartman and Hidalgo, "An equivalence approach to balance and
placebo tests", AJPS 2018): it passes only where the whole 90 % interval is within 10 % of nothing, fails where the
interval leaves out nothing, and is undecided otherwise. A short log is undecided; it does not pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from flashlift.demand.baseline import CrossFit
from flashlift.demand.pooled import PooledEffect, pooled_effect
from flashlift.demand.windows import Past, Windows, count_windows, on_other_days, on_twins, week_before
from flashlift.domain import Estimate

__all__ = ["SMALL", "TESTS", "placebo_tests", "room_for_error", "verdict"]

Verdict = Literal["passed", "failed", "undecided", "not testable"]

SMALL = 0.1
"""Relative change of units below which a placebo effect does not matter: a flash sale moves units by far more."""

_TEN_POINTS = -np.log1p(-0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What a test is called, what its figure is, and what follows from it."""

    test: str
    statistic: str
    passed: str
    above: str
    below: str


TESTS: Mapping[str, _Words] = {
    "other_days": _Words(
        test="sale days that were none",
        statistic="units on other days of the same items, against the baseline",
        passed="On days without a sale the comparison finds nothing: the baseline does not make sales look good.",
        above="The baseline is about {size} too low on ordinary days, so lifts are overstated by as much.",
        below="The baseline is about {size} too high on ordinary days, so lifts are understated by as much.",
    ),
    "twins": _Words(
        test="items that were not on sale",
        statistic="units of never-promoted items of the category on sale days, against the same items on other days",
        passed="Items that were not on sale sold as on other days: sale days are ordinary days.",
        above="Other items sold {size} more on sale days: these are good days anyway, or sales draw customers to the "
        "whole category. Up to so much of a lift is not the discount's.",
        below="Other items sold {size} less on sale days: sales take units from their neighbors, and a part of each "
        "lift is only moved within the shop; or they fall on slow days, and lifts are understated.",
    ),
    "before": _Words(
        test="future discounts: level",
        statistic="units in the week before a sale, against the baseline",
        passed="Before a sale units were as expected: customers do not wait, and sales do not follow special weeks.",
        above="Units were {size} higher in the week before a sale: what was rising anyway was put on sale. A part of "
        "each lift would have come without a discount.",
        below="Units were {size} lower in the week before a sale: customers wait for it, or the shop discounts what "
        "sells badly. Units that waited are no gain; only randomized discounts can tell the two apart.",
    ),
    "depth_before": _Words(
        test="future discounts: depth",
        statistic="units in the week before a sale, per 10 points that the coming discount is deeper",
        passed="The depth of the coming discount says nothing about the week before: demand did not choose it.",
        above="Deeper discounts follow better weeks ({size} more units per 10 points): the price elasticity is likely "
        "overstated. Randomize a few discounts.",
        below="Deeper discounts follow weaker weeks ({size} fewer units per 10 points): demand chose the depth, and "
        "the price elasticity is likely understated. Randomize a few discounts.",
    ),
}
"""The tests, in the order of the report."""


def placebo_tests(cross: CrossFit, past: Past, sales: Windows, rng: np.random.Generator) -> pl.DataFrame:
    """Run all tests. The first row is no test but the yardstick: what real sales sold against the same baseline.

    Args:
        cross: baselines that did not see the days they predict.
        past: past sales by day.
        sales: the same sales with their units.
        rng: draws the days and the twins.

    Returns:
        `test`, `statistic`, `value`, `ci_lower`, `ci_upper` (relative change of units; 90 %; null where not testable),
        `verdict` (null for the yardstick), `consequence`.
    """
    x0 = float(sales.x.mean()) if len(sales.x) else 0.0
    panel = cross.panel
    twins = on_twins(panel, past, rng)
    same_items = count_windows(cross, on_other_days(panel, twins, rng))
    beside = pooled_effect(count_windows(cross, twins).against(same_items), 0.0)
    before = pooled_effect(count_windows(cross, week_before(panel, past)), x0)
    found: dict[str, Estimate | None] = {
        "other_days": _level(pooled_effect(count_windows(cross, on_other_days(panel, past, rng)), x0)),
        "twins": None if beside is None else beside.slope(1.0),
        "before": _level(before),
        "depth_before": None if before is None else before.slope(_TEN_POINTS),
    }
    rows = [_yardstick(pooled_effect(sales, x0), x0)]
    rows += [_row(name, estimate) for name, estimate in found.items()]
    schema = {"test": pl.String, "statistic": pl.String, "value": pl.Float64, "ci_lower": pl.Float64}
    schema |= {"ci_upper": pl.Float64, "verdict": pl.String, "consequence": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def room_for_error(placebo: pl.DataFrame) -> float | None:
    """By how much lifts may be overstated for all that the tests on other days and other items know, at least 0.

    The largest upper end of their 90 % intervals; None where neither could be made. The tests on the week before are
    left out: the baseline of a sale knows that week.
    """
    names = [TESTS[name].test for name in ("other_days", "twins")]
    ends = placebo.filter(pl.col("test").is_in(names))["ci_upper"].drop_nulls().to_list()
    return max([0.0, *ends]) if ends else None


def verdict(found: Estimate | None) -> Verdict:
    """Whether a placebo effect is surely small (passed), surely there (failed), or neither."""
    if found is None:
        return "not testable"
    if found.ci_lower > -SMALL and found.ci_upper < SMALL:
        return "passed"
    return "undecided" if found.ci_lower <= 0.0 <= found.ci_upper else "failed"


def _level(effect: PooledEffect | None) -> Estimate | None:
    return None if effect is None else effect.level


def _yardstick(effect: PooledEffect | None, x0: float) -> tuple[object, ...]:
    found = _level(effect)
    statistic = f"units in sales of about {-np.expm1(-x0):.0%} off, against the baseline"
    says = "What the tests below are to be compared with."
    return ("real sales", statistic, *_figures(found), None, says)


def _row(name: str, found: Estimate | None) -> tuple[object, ...]:
    words, judged = TESTS[name], verdict(found)
    if found is None:
        says = "The log holds too few such days to test it, so nothing speaks for it or against it."
    elif judged == "undecided":
        says = f"The log cannot tell: anything from {found.ci_lower:+.0%} to {found.ci_upper:+.0%} is possible."
    elif judged == "passed":
        says = words.passed
    else:
        said = words.above if found.value > 0 else words.below
        says = said.format(size=f"{abs(found.value):.0%}")
    return (words.test, words.statistic, *_figures(found), judged, says)


def _figures(found: Estimate | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if found is None else (found.value, found.ci_lower, found.ci_upper)
