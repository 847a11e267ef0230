"""A plan that ran beside what the log says happened: from both to the debrief."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift.account import HORIZON_DAYS
from flashlift.domain import Campaign, Offer, Plan, Slot
from flashlift.experiments.debrief.account import Account, Sale
from flashlift.experiments.debrief.demand import Known, Wanted, response_factor, wanted_behind
from flashlift.experiments.debrief.elsewhere import Moved, other_days, other_items
from flashlift.experiments.debrief.forecast import Forecast, forecast
from flashlift.experiments.debrief.happened import happened
from flashlift.experiments.debrief.kept import kept_limits
from flashlift.experiments.debrief.lessons import Judged, by_category, lessons
from flashlift.experiments.debrief.reasons import Actual, split_gap
from flashlift.experiments.debrief.result import Debrief
from flashlift.experiments.debrief.returns import returned_frac
from flashlift.experiments.debrief.scope import known_items, over, told_stock, unseen
from flashlift.experiments.debrief.tables import Compared, by_offer, by_slot, calibration, in_total
from flashlift.experiments.debrief.traffic import read_traffic
from flashlift.protocols import DemandModel, FloatArray
from flashlift.schema import SaleItems, Tables

__all__ = ["Ran", "debrief"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A plan that ran, and what it was made on.

    Args:
        plan: its offers.
        campaign: theirs.
        items: table SaleItems that it was chosen from.
        model: the demand model as it was before the sale: the forecast.
        funded: share of each item's discount that others pay, (n_items,).
        currency: of its prices.
    """

    plan: Plan
    campaign: Campaign
    items: pl.DataFrame
    model: DemandModel
    funded: FloatArray
    currency: str


def debrief(ran: Ran, tables: Tables, *, until: datetime, n_draws: int = 500, rng: np.random.Generator) -> Debrief:
    """Compare a plan with what happened. A sale that is not over is judged on the slots that are.

    Args:
        ran: the plan.
        tables: the shop, with the sale in its log.
        until: end of what the log knows.
        n_draws: draws of the forecast.
        rng: of all chance; in the state that valued the plan, the planned value is the plan's own.

    Raises:
        InputError: the plan is empty, none of its items is in the shop, or sales are in another currency.
        InsufficientDataError: the log ends before the first slot does.
    """
    notes: list[str] = []
    slots, offers = over(ran.plan, ran.campaign, until, notes)
    known_items(offers, tables, notes)
    told_stock(tables, slots, notes)
    beside = rng.spawn(1)[0]
    expected = forecast(ran.model, offers, ran.campaign, ran.items, until=until, n_draws=n_draws, rng=rng)
    one = _compared(ran, tables, offers, slots, expected, until, beside, notes)
    traffic = read_traffic(tables, expected, ran.campaign.slots, slots, ran.items, beside)
    level = traffic.slot[expected.slot]
    known, at_paid = _known(one, expected), _at_paid(expected, one)
    response = response_factor(known, at_paid, level, beside)
    behind = wanted_behind(known, at_paid, expected.replaced, level, response, beside)
    one = replace(one, wanted=behind.wanted)
    end = max(slot.end for slot in ran.campaign.slots)
    days = float(np.clip((until - end) / timedelta(days=1), 0.0, HORIZON_DAYS))
    extra = one.units - behind.replaced
    moved = other_items(tables, expected, traffic, ran.campaign, ran.items, slots, extra, beside)
    later = other_days(tables, expected, traffic, ran.items, one.account.later, extra, days, beside)
    value = _planned_value(one.account, one.planned, expected, one.price)
    gap = split_gap(
        one.account,
        float(value.mean()),
        expected.wanted.mean(axis=1, keepdims=True),
        expected.replaced.mean(axis=1, keepdims=True),
        one.price,
        Actual(
            ran=known.ran,
            price=one.paid,
            expected=at_paid.mean(axis=1, keepdims=True),
            traffic=level,
            response=response,
            wanted=behind.wanted,
            replaced=behind.replaced,
            sold=one.units,
            return_frac=one.return_frac,
            moved=moved.factor,
            later=later.factor,
            stock=_held(one.account, one.facts),
        ),
        control_units=traffic.units,
    )
    table, per_slot = by_offer(one, ran.items, slots), by_slot(one, slots, traffic.slots)
    categories = by_category(known, table["category"].fill_null("").to_list(), at_paid, level, beside)
    learned = lessons(
        Judged(
            offers=table,
            slots=per_slot,
            categories=categories,
            traffic=traffic.slot[np.unique(expected.slot)],
            response=response,
            wanted=behind.wanted,
            gain=_gain(one, behind),
            return_frac=ran.campaign.costs.return_frac,
            currency=ran.currency,
        )
    )
    funded = ran.items.with_columns(funded=pl.Series(ran.funded, dtype=pl.Float64))
    return Debrief(
        currency=ran.currency,
        start=min(s.start for s in slots),
        end=max(s.end for s in slots),
        seen_until=until,
        days_after=days,
        days_wanted=HORIZON_DAYS,
        gap=gap,
        offers=table,
        slots=per_slot,
        totals=in_total(one, value, gap.actual),
        limits=kept_limits(ran.campaign, table, funded),
        categories=categories,
        lessons=learned,
        calibration=calibration(table),
        notes=(*notes, *_told(gap.reasons, table, moved, later, days, ran)),
    )


def _compared(
    ran: Ran,
    tables: Tables,
    offers: Sequence[Offer],
    slots: Sequence[Slot],
    expected: Forecast,
    until: datetime,
    rng: np.random.Generator,
    notes: list[str],
) -> Compared:
    """The offers beside their forecast."""
    facts = happened(tables, offers, slots, ran.items, currency=ran.currency, until=until)
    facts = unseen(facts, expected, notes)
    stock = ran.items[SaleItems.stock.name].to_numpy()[expected.item]
    quota = np.minimum(np.array([offer.quota for offer in offers], dtype=np.float64), stock)[:, None]
    planned = np.minimum(expected.wanted, quota)
    return Compared(
        offers=offers,
        facts=facts,
        account=Account.of(offers, ran.campaign, ran.items, expected.draws, ran.funded),
        planned=planned,
        wanted=planned,
        return_frac=returned_frac(
            facts,
            tables,
            slots,
            ran.campaign.costs.return_frac,
            until=until,
            n_draws=planned.shape[1],
            rng=rng,
            notes=notes,
        ),
    )


def _gain(one: Compared, behind: Wanted) -> FloatArray:
    """What each offer earned in its slot against no sale there, (n_offers, n_draws)."""
    margin = one.account.margin
    return np.asarray(
        one.units * margin(one.paid, one.return_frac) - behind.replaced * margin(one.account.offer_list_price)
    )


def _known(one: Compared, expected: Forecast) -> Known:
    lines = np.maximum(one.facts["lines"].to_numpy(), 1)
    units = one.units[:, 0]
    return Known(
        item=expected.item,
        slot=expected.slot,
        units=units,
        sold_out=one.facts["sold_out"].to_numpy(),
        elapsed=np.maximum(one.facts["elapsed_frac"].to_numpy(), 1e-3),
        lump=np.maximum(units / lines, 1.0),
        ran=one.ran[:, 0] > 0.0,
    )


def _at_paid(expected: Forecast, one: Compared) -> FloatArray:
    """Units forecast at the price that was paid, unlimited by quota."""
    discount = 1.0 - one.paid / one.account.offer_list_price
    changed = (one.facts["status"] != "ran").to_numpy() & (one.ran[:, 0] > 0.0)
    out = expected.wanted.copy()
    if changed.any():
        at = np.maximum(discount[changed, 0], 1e-6)  # shown, if hardly cheaper
        out[changed] = expected.draws.units(expected.item[changed], expected.slot[changed], at)
    return out


def _held(account: Account, facts: pl.DataFrame) -> FloatArray:
    """Stock of the touched items when the sale began: what was sold where the shelf was then empty, else as planned."""
    emptied = (facts["why_out"] == "empty shelf").fill_null(value=False).to_numpy().astype(np.float64)[:, None]
    sold = account.own @ facts["units"].to_numpy().astype(np.float64)[:, None]
    return np.where(account.own @ emptied > 0.0, np.minimum(sold, account.stock), account.stock)


def _planned_value(account: Account, planned: FloatArray, expected: Forecast, price: FloatArray) -> FloatArray:
    """V of the plan in each draw, as the plan's own verdict counts it."""
    every = np.ones_like(planned)
    later = expected.draws.aftermath(expected.item, every)
    mean = later.mean(axis=1, keepdims=True)
    ratio = np.divide(later, mean, out=np.ones_like(later), where=np.abs(mean) > 1e-12).mean(axis=0)
    return account.value(Sale(sold=planned, replaced=expected.replaced, price=price), later=ratio, mean=False)


def _told(
    reasons: tuple[str, ...], table: pl.DataFrame, moved: Moved, later: Moved, days: float, ran: Ran
) -> list[str]:
    """What stays unknown."""
    said = []
    if "traffic and response" in reasons:
        said.append("Traffic and price response are told as one: too little was sold outside the sale in its hours.")
    ceased = table.filter(pl.col("why_out") == "sales ceased").height
    if ceased:
        said.append(
            f"Sales of {ceased} offers ceased long before their slots ended. The log does not say whether stock ended "
            "or the offer was withdrawn; both are counted as sell-out."
        )
    said.append(
        f"Other items: the log of this sale tells {moved.learned_frac:.0%} of what was open about substitution and "
        "halo; the rest is the forecast's."
    )
    if days < HORIZON_DAYS:
        said.append(
            f"Days after the sale: {days:.0f} of {HORIZON_DAYS} seen. Pull-forward is not yet known; the forecast "
            "stands for what is missing."
        )
    said.append(f"Other days: the log tells {later.learned_frac:.0%} of what was open about pull-forward.")
    if ran.items["cost_assumed"].any():
        said.append("Unit costs of some items are assumptions, so profits are as good as these.")
    return said
