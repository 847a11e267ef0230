"""What is different between two plans: offers, value, categories, and the rules they were made for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from flashlift.planning.store import SavedPlan, campaign_to_json
from flashlift.planning.table import plan_table

__all__ = ["Differences", "differences"]

ITEM = ["item_id", "title", "category"]
OFFER = ["slot_id", "price", "discount_frac", "quota", "per_customer", "expected_units", "expected_value"]
ERROR = "standard error of its mean"
TERMS = [
    "slot_id",
    "price",
    "quota",
    "per_customer",
]  # what an offer promises: a change of any of them is a change of the offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Two plans side by side: `before` and `after`. Money in shop currency.

    Args:
        offers: one row for each offer that is only in one plan or has another price, slot, quota or limit per customer:
            `change` (`added`, `removed` or `changed`), `item_id`, `title`, `category`, and of the offer in each plan,
            null where it is not there, `slot_id`, `price`, `discount_frac`, `quota`, `per_customer`, `expected_units`
            and `expected_value`, each with `_before` and `_after`.
        unchanged: offers with the same terms in both.
        figures: one row for each figure of the verdicts: `figure`, `before`, `after`, `difference`, and `error`, the
            standard error of the difference of incremental profit if the two were valued on independent draws; plans
            that one model valued with one seed share their draws, and the error is smaller.
        categories: one row for each category: `category`, `offers_before`, `offers_after`, `value_before`,
            `value_after`, `value_difference`, from the expected values of the offers.
        campaign: one row for each rule that only one of the campaigns has: `rule`, `plan` (`before` or `after`).
    """

    offers: pl.DataFrame
    unchanged: int
    figures: pl.DataFrame
    categories: pl.DataFrame
    campaign: pl.DataFrame


def differences(before: SavedPlan, after: SavedPlan) -> Differences:
    """Compare two plans. Each is valued by its own verdict: nothing is solved or drawn again.

    An offer of one plan is the same as one of the other if item and slot are the same; what is left is paired by item,
    in order of the slots' starts, so that an offer that moved is `changed`, and not removed and added.

    Args:
        before: the plan to start from.
        after: the plan to compare with it.
    """
    tables = [_table(before), _table(after)]
    change = (
        pl.when(pl.col("slot_id_before").is_null())
        .then(pl.lit("added"))
        .when(pl.col("slot_id_after").is_null())
        .then(pl.lit("removed"))
        .when(pl.any_horizontal(pl.col(f"{name}_before").ne_missing(pl.col(f"{name}_after")) for name in TERMS))
        .then(pl.lit("changed"))
    )
    paired = _paired(*tables).select(change.alias("change"), pl.all())
    offers = paired.drop_nulls("change").sort("change", "item_id", "slot_id_before", "slot_id_after")
    return Differences(
        offers=offers,
        unchanged=paired.height - offers.height,
        figures=_figures(before, after),
        categories=_categories(*tables),
        campaign=_campaign(before, after),
    )


def _table(saved: SavedPlan) -> pl.DataFrame:
    """The offers with titles; units per customer are stated only where an offer limits them."""
    table = plan_table(saved.plan, saved.campaign, saved.items)
    missing = [pl.lit(None, pl.Int64).alias(name) for name in OFFER if name not in table.columns]
    return table.with_columns(missing)


def _paired(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Every offer, beside its like: first of the same item and slot, then of the same item."""
    nth, same = pl.int_range(pl.len()), ["item_id", "slot_id", "nth"]
    old, new = (
        table.sort("start", maintain_order=True).with_columns(nth=nth.over("item_id", "slot_id"))
        for table in (before, after)
    )
    kept = old.join(new, on=same, how="semi"), new.join(old, on=same, how="semi")
    alone = old.join(new, on=same, how="anti"), new.join(old, on=same, how="anti")
    moved = (table.with_columns(nth=nth.over("item_id")) for table in alone)
    return pl.concat([_beside(*kept, on=same), _beside(*moved, on=["item_id", "nth"])])


def _beside(before: pl.DataFrame, after: pl.DataFrame, *, on: list[str]) -> pl.DataFrame:
    """Rows of two plans joined by a key."""
    keys = [f"on_{name}" for name in on]
    old, new = (
        table.select(
            *(pl.col(name).alias(key) for name, key in zip(on, keys, strict=True)),
            *(pl.col(name).alias(f"{name}_{side}") for name in ITEM + OFFER),
        )
        for side, table in (("before", before), ("after", after))
    )
    return old.join(new, on=keys, how="full", coalesce=True).select(
        *(pl.coalesce(f"{name}_after", f"{name}_before").alias(name) for name in ITEM),
        *(f"{name}_{side}" for name in OFFER for side in ("before", "after")),
    )


def _figures(before: SavedPlan, after: SavedPlan) -> pl.DataFrame:
    old, new = (
        pl.DataFrame({"figure": ["offers"], "value": [float(len(one.plan.offers))]}).vstack(
            one.verdict.to_polars().select("figure", "value").filter(pl.col("figure") != ERROR)
        )
        for one in (before, after)
    )
    errors = [one.verdict.mean_error for one in (before, after)]
    error = None if None in errors else math.hypot(*(e for e in errors if e is not None))
    return old.select("figure", before="value").with_columns(
        after=new["value"],
        difference=new["value"] - old["value"],
        error=pl.when(pl.col("figure") == "incremental profit").then(pl.lit(error, pl.Float64)),
    )


def _categories(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    old, new = (
        table.group_by(pl.col("category").fill_null("")).agg(
            pl.len().alias(f"offers_{side}"), pl.col("expected_value").sum().alias(f"value_{side}")
        )
        for side, table in (("before", before), ("after", after))
    )
    both = old.join(new, on="category", how="full", coalesce=True)
    return (
        both.with_columns(pl.exclude("category").fill_null(0))
        .with_columns(value_difference=pl.col("value_after") - pl.col("value_before"))
        .select("category", "offers_before", "offers_after", "value_before", "value_after", "value_difference")
        .sort(pl.col("value_difference").abs(), "category", descending=[True, False])
    )


def _campaign(before: SavedPlan, after: SavedPlan) -> pl.DataFrame:
    old, new = (dict.fromkeys(_rules(one)) for one in (before, after))
    rows = [(rule, "before") for rule in old if rule not in new] + [(rule, "after") for rule in new if rule not in old]
    return pl.DataFrame(rows, schema={"rule": pl.String, "plan": pl.String}, orient="row")


def _rules(saved: SavedPlan) -> list[str]:
    """What a campaign sets, a short text each."""
    whole = campaign_to_json(saved.campaign)
    limits = [" ".join([limit.pop("limit"), *_pairs(limit)]) for limit in _single(whole.pop("limits"))]
    slots = [" ".join(["slot", slot.pop("slot_id"), *_pairs(slot)]) for slot in whole.pop("slots")]
    return [*limits, *slots, *_pairs(whole)]


def _single(limits: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each nomination as a rule of its own."""
    for limit in limits:
        nominations = limit.pop("offers", [])
        yield limit
        yield from ({"limit": "Nomination", **one} for one in nominations)


def _pairs(fields: dict[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in fields.items() if value is not None]
