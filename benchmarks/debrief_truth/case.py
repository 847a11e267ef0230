"""One simulated shop: plan, shock, sale, debrief, and the truth about each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from benchmarks.debrief_truth.shocks import shocked
from flashlift import demand, market, planning
from flashlift.demand import DemandConfig, FittedDemand
from flashlift.domain import Campaign, Costs, Offer, Plan, Slot
from flashlift.experiments.debrief import Debrief, Ran, debrief
from flashlift.limits import Appearances
from flashlift.market import SimulatedShop
from flashlift.schema import Tables

__all__ = ["Case", "after_the_sale", "debriefed", "make_case", "true_profit"]

QUICK = DemandConfig(max_rows=40_000, rounds=30, folds=2)
COSTS = Costs(return_frac=0.05, return_cost=1.0)
POSITIONS, DAYS = 10, 2
FUTURES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A shop with its model and its plan."""

    shop: SimulatedShop
    model: FittedDemand
    campaign: Campaign
    plan: Plan
    items: pl.DataFrame


def make_case(world: str, seed: int, *, n_events: int) -> Case:
    """Simulate, fit and plan; the log has the planned share of refunds."""
    config = market.MarketConfig(
        n_events=n_events, n_items=200, n_customers=n_events // 80, world=world, refund_frac=COSTS.return_frac
    )
    shop = market.simulate(config, seed=seed)
    model = demand.fit(shop.tables, until=shop.now, config=QUICK, rng=np.random.default_rng(seed))
    campaign = Campaign(slots=_slots(shop.now), ladder=(0.1, 0.2, 0.3), limits=(Appearances(maximum=1),), costs=COSTS)
    items = shop.sale_items
    draws = model.draw(items, campaign.slots, 200, rng=np.random.default_rng((seed, 1)))
    plan = planning.solve(campaign, items, draws)
    return Case(shop=shop, model=model, campaign=campaign, plan=plan, items=items)


def _slots(now: datetime) -> tuple[Slot, ...]:
    starts = [now + timedelta(days=1 + d, hours=h) for d in range(DAYS) for h in (9, 17)]
    return tuple(
        Slot(slot_id=f"s{k}", start=at, end=at + timedelta(hours=6), positions=POSITIONS) for k, at in enumerate(starts)
    )


def after_the_sale(case: Case, shock: str, seed: int) -> tuple[Tables, float]:
    """The log after the sale, and the incremental profit that was really made in this future.

    The simulated market tells when in a slot units were sold, but not that sales end when the shelf is empty; here they
    do: purchases of an offer that ran out come before the moment at which the last unit was gone.
    """
    shop, offers, slots = shocked(case.shop, shock, case.plan.offers), case.plan.offers, case.campaign.slots
    out = shop.run(offers, slots, COSTS, seed=seed, n_futures=1)
    endless = [replace(offer, quota=10**6) for offer in offers]
    full = replace(shop, past=replace(shop.past, on_hand=np.full_like(shop.past.on_hand, 10**6)))
    wanted = full.run(endless, slots, COSTS, seed=seed, n_futures=1, with_events=False).units["event_units"]
    units = out.units.with_columns(wanted=wanted)
    events = _cut_short(out.events, units, slots)
    tables = case.shop.tables
    assert tables.history is not None
    empty = _empty_shelves(shop, units, slots)
    history = pl.concat([tables.history, empty.select(tables.history.columns).cast(dict(tables.history.schema))])
    told = replace(tables, events=pl.concat([tables.events, events.lazy()]), history=history)
    return told, out.value.value + _extra_returns(events, units, offers, case)


def _cut_short(events: pl.DataFrame, units: pl.DataFrame, slots: tuple[Slot, ...]) -> pl.DataFrame:
    """Purchases of offers that ran out, moved to before that."""
    when = pl.DataFrame(
        {"slot_id": [s.slot_id for s in slots], "start": [s.start for s in slots], "end": [s.end for s in slots]}
    )
    short = units.filter(pl.col("event_units") < pl.col("wanted")).join(when, on="slot_id")
    for row in short.iter_rows(named=True):
        mine = (
            (pl.col("item_id") == row["item_id"])
            & (pl.col("event") == "purchase")
            & pl.col("at").is_between(row["start"], row["end"], closed="left")
        )
        share = (row["event_units"] + 1) / (row["wanted"] + 1)  # the n-th of m even instants is at n / (m + 1)
        moved = pl.lit(row["start"]) + ((pl.col("at") - row["start"]).dt.total_microseconds() * share).cast(
            pl.Duration("us")
        )
        events = events.with_columns(at=pl.when(mine).then(moved.cast(events.schema["at"])).otherwise("at"))
    return events.sort("at", "event_id")


def _empty_shelves(shop: SimulatedShop, units: pl.DataFrame, slots: tuple[Slot, ...]) -> pl.DataFrame:
    """Stock record: 0 on hand when the slot ends in which the last unit went."""
    ends = pl.DataFrame({"slot_id": [s.slot_id for s in slots], "at": [s.end for s in slots]})
    stock = pl.DataFrame({"item_id": shop.items.frame["item_id"], "held": shop.past.on_hand[-1].astype(np.int64)})
    sold = units.group_by("item_id").agg(pl.col("event_units").sum(), pl.col("slot_id").last())
    gone = sold.join(stock, on="item_id").filter(pl.col("event_units") >= pl.col("held")).join(ends, on="slot_id")
    none = pl.lit(None, dtype=pl.Float64)
    return gone.select("item_id", "at", price=none, unit_cost=none, on_hand=pl.lit(0, dtype=pl.Int64))


def _extra_returns(events: pl.DataFrame, units: pl.DataFrame, offers: tuple[Offer, ...], case: Case) -> float:
    """What the refunds of units sold in the offers cost beyond the share that the account of the market takes."""
    bought = events.filter(pl.col("event") == "purchase")
    cost = case.items.select("item_id", "unit_cost")
    price = pl.DataFrame({"item_id": [o.item_id for o in offers], "price": [o.price for o in offers]})
    deals = bought.join(price, on=["item_id", "price"], how="semi")
    back = deals.join(
        events.filter(pl.col("event") == "refund").select("order_id", "item_id"), on=["order_id", "item_id"], how="semi"
    )

    def lost(frame: pl.DataFrame) -> float:
        joined = frame.join(cost, on="item_id")
        return float(
            joined.select(
                (pl.col("quantity") * (pl.col("price") - pl.col("unit_cost") + COSTS.return_cost)).sum()
            ).item()
        )

    return COSTS.return_frac * lost(deals) - lost(back)


def debriefed(case: Case, tables: Tables, *, seed: int = 0, n_draws: int = 400) -> Debrief:
    """The debrief of the case's plan, the whole horizon seen."""
    until = case.campaign.slots[-1].end + timedelta(days=28)
    ran = Ran(
        plan=case.plan,
        campaign=case.campaign,
        items=case.items,
        model=case.model,
        funded=planning.funded(case.campaign, case.items),
        currency="EUR",
    )
    return debrief(ran, tables, until=until, n_draws=n_draws, rng=np.random.default_rng((seed, 2)))


def true_profit(case: Case, shock: str) -> float:
    """Expected incremental profit over many futures, all refunds counted."""
    shop = shocked(case.shop, shock, case.plan.offers)
    out = shop.run(case.plan.offers, case.campaign.slots, COSTS, seed=7, n_futures=FUTURES, with_events=False)
    return out.value.value - (shop.config.refund_frac - COSTS.return_frac) * _refundable(case, out.units)


def _refundable(case: Case, units: pl.DataFrame) -> float:
    """What it would cost if all units sold came back."""
    price = np.array([offer.price for offer in case.plan.offers])
    cost = units.join(case.items, on="item_id", how="left", maintain_order="left")["unit_cost"].to_numpy()
    return float(units["mean_units"].to_numpy() @ (price - cost + COSTS.return_cost))
