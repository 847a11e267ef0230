"""A plan that ran beside what the log says happened: from both to the debrief."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift.account import HORIZON_DAYS
from flashlift.domain import Campaign, Offer, Plan, Slot
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.debrief.account import Account, Sale
from flashlift.experiments.debrief.demand import Known, Wanted, response_factor, wanted_behind
from flashlift.experiments.debrief.elsewhere import Moved, moved_factor, share_by
from flashlift.experiments.debrief.forecast import Forecast, forecast
from flashlift.experiments.debrief.happened import NOT_RUN, UNSEEN, happened, refund_delays
from flashlift.experiments.debrief.kept import kept_limits
from flashlift.experiments.debrief.lessons import Judged, by_category, lessons
from flashlift.experiments.debrief.reasons import Actual, split_gap
from flashlift.experiments.debrief.result import Debrief
from flashlift.experiments.debrief.tables import Compared, by_offer, by_slot, calibration, in_total
from flashlift.experiments.debrief.traffic import Traffic, counts, in_a_sale, read_traffic
from flashlift.protocols import DemandModel, FloatArray
from flashlift.schema import SaleItems, Tables

__all__ = ["Ran", "debrief"]

FEW_DELAYS = 30  # refunds of the past, below which their delays are not known
ALL_BACK = 0.98  # share of the usual refunds, from which the few still to come are left out
NEVER = 0.01  # chance of no sale at all, below which an offer without any event is taken not to have run
CROSS_SD = 0.7  # of the factor on what other items lose or gain
LEAST_LATER_SD = 0.3  # of the factor on what other days lose or gain


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
    slots, offers = _over(ran, until, notes)
    _known_items(offers, tables, notes)
    beside = rng.spawn(1)[0]
    expected = forecast(ran.model, offers, ran.campaign, ran.items, until=until, n_draws=n_draws, rng=rng)
    one = _compared(ran, tables, offers, slots, expected, until, beside, notes)
    traffic = read_traffic(tables, expected, ran.campaign.slots, slots, ran.items, beside)
    level = traffic.slot[expected.slot]
    known, at_paid = _known(one, expected), _at_paid(expected, one)
    response = response_factor(known, at_paid, level, beside)
    behind = wanted_behind(known, at_paid, expected.replaced, level, response, beside)
    one = replace(one, wanted=behind.wanted)
    days = max(min((until - max(s.end for s in slots)) / timedelta(days=1), HORIZON_DAYS), 0.0)
    if len(slots) < len(ran.campaign.slots):
        days = 0.0  # what other slots take from the days between cannot be told from what these took
    extra = one.units - behind.replaced
    moved = _other_items(tables, expected, traffic, ran, slots, extra, beside)
    later = _other_days(tables, expected, traffic, ran, one.account, extra, days, beside)
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
    facts = _unseen(facts, expected, notes)
    stock = ran.items[SaleItems.stock.name].to_numpy()[expected.item]
    quota = np.minimum(np.array([offer.quota for offer in offers], dtype=np.float64), stock)[:, None]
    planned = np.minimum(expected.wanted, quota)
    return Compared(
        offers=offers,
        facts=facts,
        account=Account.of(offers, ran.campaign, ran.items, expected.draws, ran.funded),
        planned=planned,
        wanted=planned,
        return_frac=_returns(facts, tables, slots, ran, until, planned.shape[1], rng, notes),
    )


def _gain(one: Compared, behind: Wanted) -> FloatArray:
    """What each offer earned in its slot against no sale there, (n_offers, n_draws)."""
    margin = one.account.margin
    return np.asarray(
        one.units * margin(one.paid, one.return_frac) - behind.replaced * margin(one.account.offer_list_price)
    )


def _over(ran: Ran, until: datetime, notes: list[str]) -> tuple[list[Slot], list[Offer]]:
    """Slots that are over, and their offers."""
    if not ran.plan.offers:
        raise InputError("The plan holds no offers, so there is nothing to debrief.")
    used = {offer.slot_id for offer in ran.plan.offers}
    every = [slot for slot in ran.campaign.slots if slot.slot_id in used]
    slots = [slot for slot in every if slot.end <= until]
    if not slots:
        first = min(every, key=lambda slot: slot.end)
        state = "before the sale began" if until <= min(s.start for s in every) else "before its first slot was over"
        raise InsufficientDataError(
            f"The log ends {until:%Y-%m-%d %H:%M} UTC, {state} ({first.slot_id} runs {first.start:%Y-%m-%d %H:%M} to "
            f"{first.end:%Y-%m-%d %H:%M}). Ingest the log of the sale, then debrief."
        )
    if len(slots) < len(every):
        notes.append(
            f"The sale is not over: {len(slots)} of {len(every)} slots are, and only their offers are judged. Planned "
            "figures are those of these offers."
        )
    names = {slot.slot_id for slot in slots}
    return slots, [offer for offer in ran.plan.offers if offer.slot_id in names]


def _known_items(offers: Sequence[Offer], tables: Tables, notes: list[str]) -> None:
    known = set(tables.items[SaleItems.item_id.name])
    missing = sorted({offer.item_id for offer in offers} - known)
    if not missing:
        return
    if len(missing) == len({offer.item_id for offer in offers}):
        raise InputError(
            f"None of the plan's items ({missing[0]!r} ...) is in the shop's log. Give the plan of this shop, or "
            "ingest its log."
        )
    notes.append(
        f"{len(missing)} items of the plan are not in the shop any more: {', '.join(missing[:5])}. They count as sold "
        "nothing."
    )


def _unseen(facts: pl.DataFrame, expected: Forecast, notes: list[str]) -> pl.DataFrame:
    """Offers of which the log holds nothing: not run where so little is no chance, else run without a sale."""
    silent = (expected.wanted == 0).mean(axis=1) < NEVER
    unseen = (facts["status"] == UNSEEN).to_numpy()
    if unseen.any():
        gone, quiet = int((unseen & silent).sum()), int((unseen & ~silent).sum())
        if gone:
            notes.append(f"{gone} offers left no event at all where sales were all but sure: taken not to have run.")
        if quiet:
            notes.append(
                f"{quiet} offers left no event; so few sales were expected that they may have run all the same."
            )
    status = np.where(unseen, np.where(silent, NOT_RUN, "ran"), facts["status"].to_numpy())
    return facts.with_columns(status=pl.Series(status.tolist(), dtype=pl.String))


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


def _returns(
    facts: pl.DataFrame,
    tables: Tables,
    slots: Sequence[Slot],
    ran: Ran,
    until: datetime,
    n_draws: int,
    rng: np.random.Generator,
    notes: list[str],
) -> FloatArray:
    """Share of each offer's units that comes back, (n_offers, n_draws): those back already, and those still to come."""
    planned = ran.campaign.costs.return_frac
    units, back = facts["units"].to_numpy(), np.minimum(facts["returned"].to_numpy(), facts["units"].to_numpy())
    delays = refund_delays(tables.events, before=min(s.start for s in slots))
    if len(delays) < FEW_DELAYS and not back.any():
        if planned > 0.0:
            notes.append("The log holds hardly any refunds, so returns are taken to be as planned.")
        return np.full((len(units), n_draws), planned)
    age = {s.slot_id: (until - s.end) / timedelta(days=1) for s in slots}
    ages = np.array([age[slot_id] for slot_id in facts["slot_id"]])
    done = np.ones(len(units)) if len(delays) < FEW_DELAYS else np.searchsorted(delays, ages) / len(delays)
    rate = rng.gamma(back.sum() + 20.0 * max(planned, 1e-3), 1.0 / ((units * done).sum() + 20.0), n_draws)
    done = np.where(done > ALL_BACK, 1.0, done)
    open_frac = np.minimum(rate * (1.0 - done)[:, None], 1.0)
    to_come = rng.binomial((units - back)[:, None], open_frac)
    if (done < 0.95).any():
        notes.append(
            f"Of refunds that come, {done.min():.0%} usually have by now; the rest is estimated from those that did."
        )
    share = (back[:, None] + to_come) / np.maximum(units, 1)[:, None]
    return np.where(units[:, None] > 0, share, planned)


def _other_items(
    tables: Tables,
    expected: Forecast,
    traffic: Traffic,
    ran: Ran,
    slots: Sequence[Slot],
    extra: FloatArray,
    rng: np.random.Generator,
) -> Moved:
    """What items of the plan's groups sold in the slots beyond their forecast, beside what was to move there."""
    cross, n = expected.draws.cross(), expected.wanted.shape[1]
    number = {slot.slot_id: k for k, slot in enumerate(ran.campaign.slots)}
    at = [number[slot.slot_id] for slot in slots]
    target = np.setdiff1d(cross.target[np.isin(cross.source, expected.item)], expected.item)
    row = np.full(ran.items.height, -1)
    row[target] = np.arange(len(target))
    to_move = np.zeros((len(target), len(slots)))
    mean = extra.mean(axis=1)
    for k, slot in enumerate(at):
        for offer in np.flatnonzero(expected.slot == slot):
            mine = (cross.source == expected.item[offer]) & (row[cross.target] >= 0)
            np.add.at(to_move[:, k], row[cross.target[mine]], cross.effect[mine] * mean[offer])
    units = counts(tables, slots, ran.items)[0][:, target].T
    taken = in_a_sale(tables, slots, ran.items)[:, target].T
    forecasts = np.stack(
        [
            expected.draws.units(target, np.full(len(target), slot), np.zeros(len(target))) * traffic.slot[slot]
            for slot in at
        ],
        axis=1,
    )
    free = ~taken
    beyond = ((units - forecasts.mean(axis=2)) * free).sum(axis=1)
    variance = (forecasts * free[:, :, None]).sum(axis=1).var(axis=1)
    return moved_factor((to_move * free).sum(axis=1), beyond, variance, prior_sd=CROSS_SD, n_draws=n, rng=rng)


def _other_days(
    tables: Tables,
    expected: Forecast,
    traffic: Traffic,
    ran: Ran,
    account: Account,
    extra: FloatArray,
    days: float,
    rng: np.random.Generator,
) -> Moved:
    """What the offered items sold after the sale beyond their forecast, beside what was to be missing then."""
    n = expected.wanted.shape[1]
    draws = expected.draws.aftermath(expected.item, np.ones_like(expected.wanted)).mean(axis=0)
    spread = float(draws.std() / max(abs(draws.mean()), 1e-9)) if abs(draws.mean()) > 1e-9 else 0.0
    prior = max(min(spread, 1.0), LEAST_LATER_SD)
    item = np.unique(expected.item)
    after = expected.windows[expected.between :]
    if not after or days <= 0.0 or expected.other is None:
        return Moved(factor=np.asarray(1.0 + prior * rng.standard_normal(n)), learned_frac=0.0)
    of = np.searchsorted(item, expected.item)
    to_move = np.bincount(of, account.later * extra.mean(axis=1), len(item)).astype(np.float64) * share_by(days)
    units = counts(tables, after, ran.items)[0][:, item].T
    free = ~in_a_sale(tables, after, ran.items)[:, item].T
    windows = np.arange(expected.between, len(expected.windows))
    forecasts = np.stack(
        [expected.other.units(item, np.full(len(item), w), np.zeros(len(item))) * traffic.window[w] for w in windows],
        axis=1,
    )
    usable = free.all(axis=1)  # an item in the next sale, or with an empty shelf, tells nothing of this one
    beyond = (units - forecasts.mean(axis=2)).sum(axis=1)
    variance = forecasts.sum(axis=1).var(axis=1)
    return moved_factor(to_move[usable], beyond[usable], variance[usable], prior_sd=prior, n_draws=n, rng=rng)


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
