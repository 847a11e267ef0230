"""What the next plan should learn, with the evidence: what chance over all rows does not explain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl
from scipy.stats import beta, binom

from flashlift.experiments.debrief.demand import Known
from flashlift.experiments.debrief.happened import NOT_RUN
from flashlift.experiments.debrief.level import measure, posterior
from flashlift.protocols import FloatArray

__all__ = ["Judged", "by_category", "lessons"]

_CHANCE = 0.1  # of a wrong lesson among all rows of one kind
_EDGES = (0.05, 0.95)
_QUOTA = 0.9  # quantile of what was wanted, told as the quota that would have served it
CATEGORY_SD = 0.2  # of the log factor of a category beside that of the sale
SHARED_SD = 0.3
_SCHEMA = {
    "kind": pl.String,
    "subject": pl.String,
    "value": pl.Float64,
    "ci_lower": pl.Float64,
    "ci_upper": pl.Float64,
    "says": pl.String,
}
Lesson = tuple[str, str, float, float, float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What lessons are drawn from.

    Args:
        offers: from `by_offer`.
        slots: from `by_slot`.
        categories: from `by_category`.
        traffic: draws of the factor on the traffic of each slot judged, (n_slots, n_draws).
        response: draws of the factor on the response of all offers, (n_draws,).
        wanted: draws of units wanted, (n_offers, n_draws).
        gain: draws of what each offer earned in its slot against no sale, same shape.
        return_frac: planned share of returns.
        currency: of money.
    """

    offers: pl.DataFrame
    slots: pl.DataFrame
    categories: pl.DataFrame
    traffic: FloatArray
    response: FloatArray
    wanted: FloatArray
    gain: FloatArray
    return_frac: float
    currency: str


def by_category(
    known: Known, category: list[str], wanted: FloatArray, traffic: FloatArray, rng: np.random.Generator
) -> pl.DataFrame:
    """Factor of each category's response on its forecast, given the traffic.

    Returns:
        category, offers, expected_units (at the traffic), units, value, ci_lower, ci_upper (90 %), low and high (at a
        level corrected for the number of categories).
    """
    names = sorted({c for c, ran in zip(category, known.ran, strict=True) if ran})
    of = np.array(category)
    given = wanted * known.elapsed[:, None] * traffic.mean(axis=1, keepdims=True)
    unsure = float(np.log(traffic[known.ran].mean(axis=0)).var()) if known.ran.any() else 0.0
    rows, found = [], []
    for name in names:
        mine = (of == name) & known.ran
        one = measure(known.units[mine], given[mine], rng, cluster=known.item[mine])
        found.append(one)
        rows.append((name, int(mine.sum()), one.expected, one.actual))
    frame = pl.DataFrame(rows, schema=["category", "offers", "expected_units", "units"], orient="row")
    if not rows:
        return frame.with_columns(
            *(pl.lit(None, pl.Float64).alias(n) for n in ("value", "ci_lower", "ci_upper", "low", "high"))
        )
    draws = posterior(found, wanted.shape[1], rng, shared_sd=SHARED_SD, own_sd=CATEGORY_SD)
    draws = draws * np.exp(np.sqrt(unsure) * rng.standard_normal(wanted.shape[1]))
    level = _CHANCE / len(names) / 2
    lower, upper, low, high = np.quantile(draws, [*_EDGES, level, 1 - level], axis=1)
    return frame.with_columns(value=np.median(draws, axis=1), ci_lower=lower, ci_upper=upper, low=low, high=high)


def lessons(judged: Judged) -> pl.DataFrame:
    """kind, subject, value, ci_lower, ci_upper, says; the kinds in order of what they ask for."""
    found = [
        *_whole(judged),
        *_quotas(judged),
        *_traffic(judged),
        *_responses(judged),
        *_in_vain(judged),
        *_returns(judged),
        *_idle(judged),
    ]
    return pl.DataFrame(found, schema=_SCHEMA, orient="row")


def _named(row: dict[str, object]) -> str:
    return f"{row['title'] or row['item_id']} ({row['item_id']}, {row['slot_id']})"


def _whole(judged: Judged) -> Iterator[Lesson]:
    """Traffic and response of the sale as a whole."""
    advice = {
        "traffic": "Ask what drew customers or kept them away; the demand model learns the level, not the cause.",
        "response": "Train the demand model with this sale before the next plan, and plan with the new response.",
    }
    told = {
        "traffic": "Customers bought {:.2f} times as much outside the sale as forecast",
        "response": "Given the traffic, the offers together sold {:.2f} times as much as forecast for their prices",
    }
    for kind, draws in (("traffic", np.exp(np.log(judged.traffic).mean(axis=0))), ("response", judged.response)):
        lower, upper = (float(edge) for edge in np.quantile(draws, _EDGES))
        if not lower <= 1.0 <= upper:
            value = float(np.median(draws))
            says = f"{told[kind].format(value)} (90%: {lower:.2f} to {upper:.2f}). {advice[kind]}"
            yield (kind, "the whole sale", value, lower, upper, says)


def _quotas(judged: Judged) -> Iterator[Lesson]:
    """Offers whose stock ended while customers came, the largest loss first."""
    rows = judged.offers.with_row_index("row").filter(pl.col("sold_out"), pl.col("lost_units") >= 0.5)
    for row in rows.sort("lost_units", descending=True).iter_rows(named=True):
        draws = judged.wanted[row["row"]]
        needed = int(np.ceil(np.quantile(draws, _QUOTA)))
        why = {"quota": "its quota was sold", "empty shelf": "the shelf was empty"}.get(
            row["why_out"], "sales ceased, because stock ended or the offer was withdrawn; the log does not say which"
        )
        lower, upper = (float(e) for e in np.quantile(draws, _EDGES))
        says = (
            f"{row['units']:.0f} units were sold when {row['elapsed_frac']:.0%} of the demand had come ({why}); about "
            f"{draws.mean():.0f} were wanted (90%: {lower:.0f} to {upper:.0f}). A quota of {needed} would have served "
            "them with probability 90%."
        )
        yield ("stock", _named(row), float(draws.mean()), lower, upper, says)


def _traffic(judged: Judged) -> Iterator[Lesson]:
    for row in judged.slots.iter_rows(named=True):
        value, lower, upper = row["traffic"], row["traffic_ci_lower"], row["traffic_ci_upper"]
        if row["traffic_low"] <= 1.0 <= row["traffic_high"]:
            continue
        views = "" if row["views"] is None else f", with {row['views']:,.0f} views for {row['expected_views']:,.0f}"
        advice = "less traffic" if value < 1.0 else "more traffic"
        says = (
            f"Traffic was {value:.2f} times the forecast (90%: {lower:.2f} to {upper:.2f}): {row['controls']} items "
            f"outside the sale sold {row['control_units']:.0f} units for {row['control_expected']:.0f}{views}. "
            f"One sale does not tell the hour from the day; if it was the hour, plan it with {advice}."
        )
        yield ("traffic", row["slot_id"], value, lower, upper, says)


def _responses(judged: Judged) -> Iterator[Lesson]:
    for row in judged.categories.iter_rows(named=True):
        if row["value"] is None or row["low"] <= 1.0 <= row["high"]:
            continue
        says = (
            f"Offers sold {row['value']:.2f} times what was forecast for their prices and the traffic "
            f"(90%: {row['ci_lower']:.2f} to {row['ci_upper']:.2f}): {row['units']:.0f} units of {row['offers']} "
            f"offers where {row['expected_units']:.0f} were forecast. Train the demand model with this sale before the "
            "next plan."
        )
        yield ("response", row["category"], row["value"], row["ci_lower"], row["ci_upper"], says)


def _in_vain(judged: Judged) -> Iterator[Lesson]:
    """Offers that surely earned less in their slot than the item would have at list price."""
    ran = np.flatnonzero((judged.offers["status"] != NOT_RUN).to_numpy())
    level = _CHANCE / max(len(ran), 1)
    for k in ran:
        draws = judged.gain[k]
        upper = draws.mean() + NormalDist().inv_cdf(1.0 - level) * draws.std()  # beyond what so few draws can tell
        if max(upper, float(np.quantile(draws, 1.0 - level))) >= 0.0:
            continue
        row = judged.offers.row(int(k), named=True)
        lower, upper = (float(e) for e in np.quantile(draws, _EDGES))
        off = 1.0 - row["price"] / row["list_price"]
        says = (
            f"{off:.0%} off sold {row['units']:.0f} units, and in its slot the item earned {-draws.mean():,.2f} "
            f"{judged.currency} less than at list price (90%: {-upper:,.2f} to {-lower:,.2f}). Offer it less deep, or "
            "not at all."
        )
        yield ("discount in vain", _named(row), float(draws.mean()), lower, upper, says)


def _returns(judged: Judged) -> Iterator[Lesson]:
    """Categories of which more came back than planned, beyond chance."""
    rows = judged.offers.group_by("category").agg(pl.col("units", "returned").sum()).filter(pl.col("units") > 0)
    level = _CHANCE / max(rows.height, 1)
    for row in rows.sort("category").iter_rows(named=True):
        units, back = int(row["units"]), int(row["returned"])
        if float(binom.sf(back - 1, units, judged.return_frac)) >= level:
            continue
        share = back / units
        lower, upper = (float(edge) for edge in beta.ppf(_EDGES, back + 0.5, units - back + 0.5))  # Jeffreys'
        says = (
            f"{back} of {units} units came back so far, {share:.0%} (90%: {lower:.0%} to {upper:.0%}); "
            f"{judged.return_frac:.0%} were planned. Set assumptions.return_frac, or look at what was sent back."
        )
        yield ("returns", row["category"], share, lower, upper, says)


def _idle(judged: Judged) -> Iterator[Lesson]:
    """Offers that never ran."""
    for row in judged.offers.filter(pl.col("status") == NOT_RUN).iter_rows(named=True):
        says = (
            f"The offer at {row['planned_price']:.2f} never ran: in its slot the log knows the item only at "
            f"{row['price']:.2f}, if at all. Check how prices reach the shop."
        )
        lost = row["planned_contribution"]
        yield ("execution", _named(row), lost, lost, lost, says)
