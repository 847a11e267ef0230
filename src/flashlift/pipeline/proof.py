"""The test that is to judge a plan: its design, from the plan, the demand model and the shop's own past."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import polars as pl

from flashlift import artifacts, demand, experiments
from flashlift.account import HORIZON_DAYS
from flashlift.domain import Campaign, Plan
from flashlift.errors import InputError, InsufficientDataError
from flashlift.pipeline.planned import read_planned
from flashlift.pipeline.shop import Shop
from flashlift.protocols import DemandDraws
from flashlift.schema import Events, SaleItems
from flashlift.settings import Settings

__all__ = ["design", "design_of"]


def design(
    settings: Settings, *, lever: experiments.Lever, wanted: experiments.Kind | None = None
) -> experiments.Design:
    """Design the test of the plan made last, and write it as design.json into the work folder.

    Args:
        settings: of the shop.
        lever: what the test changes.
        wanted: a design that is asked for; None: the best one that is possible.

    Raises:
        ArtifactError: there is no plan.
        InputError: the plan is empty, or the design that is asked for would lie; the message names one that does not.
        InsufficientDataError: no design is possible.
    """
    shop, planned = Shop.open(settings), read_planned(settings.shop.work)
    if not planned.plan.offers:
        raise InputError("The plan is empty, so there is nothing to test. Loosen its limits and plan again.")
    model = demand.FittedDemand.load(shop.folder / "demand")
    campaign, items = planned.campaign, planned.items
    draws = model.draw(
        items, campaign.slots, settings.campaign.n_draws, rng=np.random.default_rng(settings.shop.seed).spawn(2)[1]
    )
    found = design_of(
        settings, shop, planned.plan, campaign, items, draws, planned.value.value, lever=lever, wanted=wanted
    )
    artifacts.write_text(shop.folder / "design.json", json.dumps(found.to_json(), indent=1) + "\n")
    return found


def design_of(
    settings: Settings,
    shop: Shop,
    best: Plan,
    campaign: Campaign,
    items: pl.DataFrame,
    draws: DemandDraws,
    expected_effect: float,
    *,
    lever: experiments.Lever = experiments.Lever.DISPLAY,
    wanted: experiments.Kind | None = None,
) -> experiments.Design:
    """The design for a plan of at least one offer.

    Args:
        settings: of the shop.
        shop: its tables.
        best: the plan.
        campaign: what it was made for.
        items: table SaleItems that it chose from.
        draws: demand of these items.
        expected_effect: its expected incremental profit, in shop currency.
        lever: what the test changes.
        wanted: a design that is asked for.

    Raises:
        InputError, InsufficientDataError: see `design`.
    """
    days = (campaign.slots[-1].end - campaign.slots[0].start) / timedelta(days=1) + HORIZON_DAYS
    known = shop.tables.events.filter(Events.item_id.col.is_in(items[SaleItems.item_id.name].to_list()))
    end = shop.split.test_end
    try:
        past = experiments.window_history(known, campaign.slots, end=end, unit_costs=items)
    except InsufficientDataError:
        past = None
    facts = experiments.Facts(
        customers=experiments.customer_history(known, end=end, window_days=days, unit_costs=items),
        metric=f"contribution per customer ({settings.shop.currency})",
        window_days=days,
        sell_out_probability=experiments.sell_out_probability(best, campaign, items, draws),
        lever=lever,
        expected_effect=expected_effect,
        slots=campaign.slots,
        offers=pl.DataFrame(
            [(one.item_id, one.slot_id, one.quota, one.expected_units) for one in best.offers],
            schema=["item_id", "slot_id", "quota", "expected_units"],
            orient="row",
        ),
        past=past,
    )
    rules = experiments.Rules(
        treatment_frac=settings.experiment.treatment_frac,
        alpha=settings.experiment.alpha,
        target_power=settings.experiment.power,
    )
    return experiments.design(facts, rules, wanted=wanted, rng=np.random.default_rng(settings.shop.seed))
