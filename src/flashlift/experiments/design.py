"""Which test proves this plan: what may be split, in which arms and with which stock, and what that would see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Plan
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.allot import allot
from flashlift.experiments.deals import by_start, deals_of, items_of, splittable, too_few_windows
from flashlift.experiments.design_power import at_forecast, of_customers, of_units, of_windows, resolved
from flashlift.experiments.designed import Design, arms, guardrails
from flashlift.experiments.facts import Facts, Kind, Lever, Rules
from flashlift.experiments.paired_units import LEAST_UNITS, pair_by_size
from flashlift.experiments.planned_power import by_unit, usual_unit_test
from flashlift.experiments.switchback import arm_quotas, balanced_orders, washed
from flashlift.protocols import DemandDraws, FloatArray

__all__ = ["design", "refusals", "sell_out_probability"]


def design(facts: Facts, rules: Rules | None = None, *, wanted: Kind | None = None, rng: np.random.Generator) -> Design:
    """Choose the test and draw its lots.

    Where the lever is what customers see: a customer split, whose arms share the stock only where it is plentiful and
    each have their own quota otherwise; whole regions where customers meet. Where it is the price: a slot-split
    switchback, since nobody may see two prices for one item at a moment; by item where there are too few windows.

    When stock runs out, a unit sold to one arm is missing in the other. In simulated shops with stock at half of demand
    a customer split on shared stock found the wrong sign in four of five tests, and its interval never covered the
    truth, while its A/A test looked healthy (docs/experiments.md).

    Args:
        facts: of the sale.
        rules: of the test.
        wanted: a design that is asked for; None: the best one that is possible.
        rng: of the lots and of the simulated tests.

    Raises:
        InputError: the design that is asked for is refused; the message says which one to use instead. Or a fact that
            cannot be: see `Facts`, `washed`, and an unknown column for the clusters.
        InsufficientDataError: no design is possible; the message says why not, for each.
    """
    rules = rules or Rules()
    refused = refusals(facts, rules)
    order = _preference(facts, rules)
    possible = [kind for kind in order if kind not in refused]
    if not possible:
        why = "; ".join(f"{kind.value}: {refused[kind]}" for kind in order)
        raise InsufficientDataError(f"No test can prove this sale. {why}. Add slots, items or stock.")
    if wanted is not None and wanted in refused:
        raise InputError(f"{_one(wanted).capitalize()} is refused: {refused[wanted]}. Use {_one(possible[0])} instead.")
    kind = possible[0] if wanted is None else wanted
    makers = {
        Kind.CUSTOMERS: _customers,
        Kind.STOCK_SPLIT: _stock_split,
        Kind.SWITCHBACK: _switchback,
        Kind.ITEMS: _items,
        Kind.CLUSTERS: _clusters,
    }
    made = makers[kind](facts, rules, rng)
    before = order[: order.index(kind)] if kind in order else []
    return Design(
        kind=kind,
        metric=facts.metric,
        rejected=tuple((one, refused[one]) for one in before if one in refused),
        guardrails=guardrails(facts),
        alpha=rules.alpha,
        target_power=rules.target_power,
        window_days=facts.window_days,
        expected_effect=facts.expected_effect,
        **made,
        **at_forecast(made, facts, rules),
    )


def _one(kind: Kind) -> str:
    return f"{'an' if kind is Kind.ITEMS else 'a'} {kind.value}"


def refusals(facts: Facts, rules: Rules) -> dict[Kind, str]:
    """Designs that would lie, or cannot be run, and why."""
    found = {}
    scarce = facts.sell_out_probability >= rules.scarce_from
    if facts.lever is Lever.PRICE:
        prices = "it would show two prices for one item at the same moment"
        found = dict.fromkeys((Kind.CUSTOMERS, Kind.STOCK_SPLIT), prices)
    elif facts.customers_meet:
        found = dict.fromkeys((Kind.CUSTOMERS, Kind.STOCK_SPLIT), "what one customer sees changes what others buy")
    elif scarce:
        found[Kind.CUSTOMERS] = (
            f"{facts.sell_out_probability:.0%} of the planned units are in offers that run out, so on shared stock "
            "what one arm buys is missing in the other"
        )
    if Kind.STOCK_SPLIT not in found and facts.offers is not None and not len(splittable(facts.offers)):
        found[Kind.STOCK_SPLIT] = "no offer has two units, one for each arm"
    if why := too_few_windows(facts):
        found[Kind.SWITCHBACK] = why
    n_items = 0 if facts.offers is None else facts.offers["item_id"].n_unique()
    n_units = items_of(facts.offers)["group"].n_unique() if facts.offers is not None and facts.items_meet else n_items
    if n_units < LEAST_UNITS:
        found[Kind.ITEMS] = f"it needs {LEAST_UNITS} items that do not meet, and there are {n_units}"
    if facts.cluster not in facts.customers.columns:
        found[Kind.CLUSTERS] = f"the customers have no column {facts.cluster!r}"
    elif (count := facts.customers[facts.cluster].drop_nulls().n_unique()) < LEAST_UNITS:
        found[Kind.CLUSTERS] = f"it needs {LEAST_UNITS} clusters, and {facts.cluster!r} has {count}"
    if facts.lever is Lever.PRICE and facts.cluster in facts.customers.columns:
        found[Kind.CLUSTERS] = "one public price holds in all regions"
    if facts.customers_meet and scarce and Kind.CLUSTERS not in found:
        found[Kind.CLUSTERS] = "regions would share stock that runs out"
    return found


def _preference(facts: Facts, rules: Rules) -> list[Kind]:
    if facts.lever is Lever.PRICE:
        return [Kind.SWITCHBACK, Kind.ITEMS]
    if facts.customers_meet:
        return [Kind.CLUSTERS, Kind.SWITCHBACK, Kind.ITEMS]
    return [Kind.CUSTOMERS, Kind.STOCK_SPLIT, Kind.SWITCHBACK, Kind.ITEMS]


def _customers(facts: Facts, rules: Rules, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "reason": f"Split customers: {facts.sell_out_probability:.0%} of the planned units are in offers that run out, "
        "so a sale to one customer rarely takes stock from another. Treatment is shown the sale, control is not; "
        "prices are the same for all.",
        "arms": arms(rules, even=False),
        "unit": "customers",
        "n_units": facts.customers.height,
        "estimand": "the average difference that the sale makes to a customer in the test",
        "assumptions": (
            "customers were assigned by lot",
            "what one is shown does not change what another buys",
            "in the next sale items are asked for as they were in this one",
        ),
        "resolution": of_customers(facts, rules, rng),
    }


def _stock_split(facts: Facts, rules: Rules, rng: np.random.Generator) -> dict[str, Any]:
    made = _customers(facts, rules, rng)
    share = tuple(rules.arms.values())
    quotas, left_out = None, ()
    if facts.offers is not None:
        stock = items_of(facts.offers)
        whole = splittable(facts.offers)
        parts = allot(whole["stock"].to_numpy(), np.tile(share, (whole.height, 1)), rng=rng)
        quotas = whole.select(
            "item_id", pl.lit("all").alias("cluster"), "group", pl.col("expected").alias("size")
        ).with_columns(control=parts[:, 0], treatment=parts[:, 1])
        left_out = tuple(sorted(set(stock["item_id"]) - set(whole["item_id"])))
    end = max((slot.end for slot in facts.slots), default=None)
    release = end - timedelta(hours=rules.release_hours) if end and rules.release_hours > 0.0 else None
    return made | {
        "reason": f"Split customers, and the stock with them: {facts.sell_out_probability:.0%} of the units are "
        "in offers that run out, so each arm sells from its own quota, in proportion to its size.",
        "estimand": "the effect on the whole sale if everybody had one arm"
        + ("" if release is None else ", from its start to the release of the quotas"),
        "assumptions": (*made["assumptions"][:2], "each arm keeps to its quota until the release"),
        "quotas": quotas,
        "left_out": left_out,
        "release": release,
    }


def _switchback(facts: Facts, rules: Rules, rng: np.random.Generator) -> dict[str, Any]:
    deals = deals_of(facts)
    slots = washed(facts.slots, rules.washout_hours)
    names = [slot.slot_id for slot in slots]
    open_frac = np.array([new.hours / old.hours for new, old in zip(slots, by_start(facts.slots), strict=True)])
    expected = deals.expected * open_frac
    clusters = ["all"] * len(deals.item) if facts.items_meet else deals.group
    orders = balanced_orders(slots, expected.sum(axis=0), rng=rng)
    drawn = {one: orders[rng.integers(len(orders))] for one in sorted(set(clusters))}
    treated = np.stack([drawn[one] for one in clusters])
    parts = arm_quotas(deals.stock.astype(np.int64), expected, treated, rng=rng)
    windows = pl.DataFrame(
        [
            (slot.slot_id, slot.start, slot.end, one, "treatment" if on else "control")
            for one, order in drawn.items()
            for slot, on in zip(slots, order, strict=True)
        ],
        schema=["slot_id", "start", "end", "cluster", "variant"],
        orient="row",
    )
    quotas = pl.DataFrame(
        {
            "item_id": deals.item,
            "cluster": clusters,
            "group": deals.group,
            "size": expected.sum(axis=1),
            "control": parts[:, 0],
            "treatment": parts[:, 1],
        }
    )
    what = "price" if facts.lever is Lever.PRICE else "display"
    return {
        "reason": f"Switch windows between the two {what}s: nobody sees two of them for one item at once, and each arm "
        "sells from its own quota, so that one window cannot empty the shelf of another.",
        "arms": arms(rules, even=True),
        "unit": "windows",
        "n_units": len(slots),
        "estimand": f"what the whole sale earns with the one {what} less what it earns with the other, "
        "all stock in one heap",
        "assumptions": (
            f"customers do not wait for the other {what}",
            f"a {what} is forgotten {rules.washout_hours:g} hours after its window",
            "sales after the last window are left out alike",
        ),
        "windows": windows,
        "quotas": quotas,
        "washout_hours": rules.washout_hours,
        "left_out": deals.left_out,
        "resolution": of_windows(facts, rules, deals, names, orders, rng),
    }


def _items(facts: Facts, rules: Rules, rng: np.random.Generator) -> dict[str, Any]:
    table = items_of(facts.offers)
    unit = "group" if facts.items_meet else "item_id"
    sizes = table.group_by(unit).agg(size=pl.col("expected").sum()).filter(pl.col("size") > 0.0).sort(unit)
    treated = pair_by_size(sizes["size"].to_numpy(), rng=rng)
    meet = (
        "items of different groups do not draw customers or attention from each other"
        if facts.items_meet
        else "items do not draw customers or attention from each other"
    )
    return {
        "reason": "Split the items, in pairs of like forecast of which a coin gives one the new price; the forecast "
        "is the covariate (CUPED).",
        "arms": arms(rules, even=True),
        "unit": "substitution groups" if facts.items_meet else "items",
        "n_units": sizes.height,
        "estimand": "the effect on all items of the sale together",
        "assumptions": (meet, "the forecast was made before the lot was drawn"),
        "units": sizes.with_columns(variant=_variants(treated)),
        "resolution": of_units(facts, rules, unit, rng),
    }


def _clusters(facts: Facts, rules: Rules, rng: np.random.Generator) -> dict[str, Any]:
    table = facts.customers.drop_nulls(facts.cluster).group_by(facts.cluster)
    sizes = table.agg(size=pl.col("covariate").sum(), metric=pl.col("metric").sum()).sort(facts.cluster)
    usual = sizes["size"].cast(pl.Float64).to_numpy()
    size = np.maximum(usual, max(0.01 * float(usual.mean()), 1e-9))
    weekly = np.stack([size, sizes["metric"].to_numpy()], axis=1)
    return {
        "reason": f"Split whole clusters ({facts.cluster}): customers of one meet, so single ones cannot be split.",
        "arms": arms(rules, even=True),
        "unit": "clusters",
        "n_units": sizes.height,
        "estimand": "the effect on the customers of all clusters, each treated or not as a whole",
        "assumptions": ("customers of different clusters do not meet",),
        "units": pl.DataFrame(
            {facts.cluster: sizes[facts.cluster], "size": size, "variant": _variants(pair_by_size(size, rng=rng))}
        ),
        "resolution": resolved(by_unit(weekly), usual_unit_test(weekly, rng), float(weekly[:, 1].sum()), rules, rng),
    }


def _variants(treated: FloatArray) -> pl.Series:
    return pl.Series(["treatment" if on else "control" for on in treated], dtype=pl.String)


def sell_out_probability(plan: Plan, campaign: Campaign, items: pl.DataFrame, draws: DemandDraws) -> float:
    """Probability that demand exceeds an offer's quota, averaged over the plan with expected units as weights.

    Args:
        plan: at least one offer.
        campaign: the campaign of the plan; its slots are those of the draws.
        items: schema SaleItems, the frame that the draws were made for.
        draws: demand draws.

    Raises:
        InputError: the plan is empty.
    """
    if not plan.offers:
        raise InputError("The plan holds no offers, so there is nothing to test. Loosen its limits.")
    row = {item: k for k, item in enumerate(items["item_id"])}
    column = {slot.slot_id: k for k, slot in enumerate(campaign.slots)}
    units = draws.units(
        np.array([row[offer.item_id] for offer in plan.offers]),
        np.array([column[offer.slot_id] for offer in plan.offers]),
        np.array([offer.discount_frac for offer in plan.offers]),
    )
    quota = np.array([offer.quota for offer in plan.offers], dtype=np.float64)
    weight = np.array([offer.expected_units for offer in plan.offers])
    runs_out = (units > quota[:, None]).mean(axis=1)
    return float(np.average(runs_out, weights=weight if weight.sum() > 0.0 else None))
