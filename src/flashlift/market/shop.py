"""The simulated shop: a past that it can tell as tables, and a future in which any plan can be played."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from flashlift.domain import Costs, Offer, Slot
from flashlift.errors import InputError, OutputError
from flashlift.market.config import MarketConfig
from flashlift.market.events import (
    BROWSES_PER_ORDER,
    EVENTS_PER_ORDER,
    UNITS_PER_ORDER,
    Window,
    event_frames,
)
from flashlift.market.futures import Present
from flashlift.market.history import Past, item_history, live_through, promotions
from flashlift.market.items import ItemBase, make_items
from flashlift.market.law import MEDIAN_STEP, Law
from flashlift.market.outcome import Outcome, outcome
from flashlift.market.play import Arm, Forward, Stage, Stock, check_arms
from flashlift.market.population import CustomerBase, make_customers
from flashlift.market.rhythm import Calendar, shop_calendar
from flashlift.market.telling import tell
from flashlift.market.truth import Truth
from flashlift.market.worlds import world_named
from flashlift.market.worlds.log_linear import plainest
from flashlift.protocols import FloatArray, IntArray, Progress, silent
from flashlift.schema import Events, Items, SaleItems, Tables

__all__ = ["SimulatedShop", "simulate"]

_CHUNK_ROWS = 500_000


@dataclass(frozen=True, kw_only=True)
class SimulatedShop:
    """One shop with known truth; equal configuration and seed give equal shops.

    Args:
        config: its size and world.
        seed: of everything random in it.
        items: what it sells, with the truth.
        customers: who buys, with the truth.
        calendar: its rhythm.
        law: the law of its demand.
        past: what happened, including what the log does not show.
        progress: told while events are made.
    """

    config: MarketConfig
    seed: int
    items: ItemBase
    customers: CustomerBase
    calendar: Calendar
    law: Law
    past: Past
    progress: Progress = silent

    @property
    def now(self) -> datetime:
        """Time of decision: the end of the log, midnight UTC."""
        return self.config.now

    @property
    def present(self) -> Present:
        """True parameters and hidden state at `now`."""
        return Present(
            config=self.config,
            items=self.items,
            calendar=self.calendar,
            law=self.law,
            state=self.past.state[-1].astype(np.float64),
            payback=self.past.payback,
            reference=self.past.reference,
        )

    @property
    def truth(self) -> Truth:
        """The `DemandModel` that knows parameters and present state, but no future shock."""
        return Truth(present=self.present)

    @property
    def item_table(self) -> pl.DataFrame:
        """Schema Items, with the stock at `now`."""
        stock = pl.Series(Items.stock.name, self.past.on_hand[-1].astype(np.int64))
        return Items.validate(self.items.frame.with_columns(stock))

    @property
    def sale_items(self) -> pl.DataFrame:
        """Schema SaleItems at `now`; nothing in it is assumed."""
        known = {SaleItems.cost_assumed.name: pl.lit(False), SaleItems.stock_assumed.name: pl.lit(False)}
        return SaleItems.validate(self.item_table.drop(Items.attributes.name).with_columns(**known))

    @property
    def visibility(self) -> pl.DataFrame:
        """True factor on demand from being shown, alone in the slot: item_id, lift."""
        return pl.DataFrame({"item_id": self.items.frame["item_id"], "lift": self.law.lift})

    def elasticities(self, discount: float = MEDIAN_STEP) -> pl.DataFrame:
        """True own-price arc elasticity from list price to `discount`, not shown as a deal: item_id, elasticity.

        d ln units / d ln price at the present reference price, all other prices unchanged; where items compete it
        includes what the item takes from its neighbors.
        """
        every, none = np.arange(len(self.items)), np.zeros(len(self.items))
        reference = self.past.reference
        appeal = self.law.price.factor(every, none + discount, reference)
        appeal = appeal / self.law.price.factor(every, none, reference)
        units = self.items.rate * np.exp(self.past.state[-1])
        rivals = np.bincount(self.items.group, units)[self.items.group] - units
        pairs, ones = np.tile(every, 2), np.ones(len(every))
        competed = self.law.choice.factor(pairs, np.append(units, rivals), np.append(appeal, ones))[: len(every)]
        return pl.DataFrame(
            {"item_id": self.items.frame["item_id"], "elasticity": np.log(appeal * competed) / np.log1p(-discount)}
        )

    @cached_property
    def tables(self) -> Tables:
        """The product's tables, made when first asked for and then kept; `write` needs less memory for large logs."""
        events = pl.concat(self.event_frames())
        return Tables(events=events.lazy(), **self._small_tables())

    def event_frames(self) -> Iterator[pl.DataFrame]:
        """Schema Events in order of time, some 500,000 rows at a time; the same on every call."""
        yield from event_frames(
            self._past_windows(),
            self.items,
            self.customers,
            refund_frac=self.config.refund_frac,
            until=self.now,
            prefix="e",
            chunk_rows=_CHUNK_ROWS,
            progress=self.progress,
            rng=_streams(self.seed)["events"],
        )

    def write(self, folder: Path) -> None:
        """Write every table the shop has as a Parquet file; never holds all events.

        Raises:
            OutputError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            schema = Events.create_empty().to_arrow().schema
            with pq.ParquetWriter(folder / "events.parquet", schema, compression="zstd") as writer:
                for frame in self.event_frames():
                    writer.write_table(frame.to_arrow().cast(schema))
            for name, frame in self._small_tables().items():
                frame.write_parquet(folder / f"{name}.parquet")
        except OSError as error:
            raise OutputError(f"Cannot write {folder}: {error.strerror}. Choose a folder you may write to.") from error

    def futures(self, slots: Sequence[Slot], n_futures: int, *, seed: int) -> Stage:
        """Futures to play many plans in; the same seed and slots give every plan the same futures.

        Raises:
            InputError: no slot, or a slot that begins before `now`.
        """
        rng = np.random.default_rng((seed, self.seed)).spawn(2)[0]
        futures = self.present.futures(np.arange(len(self.items)), slots, n_futures, rng=rng)
        return Stage(futures=futures, stock=self.past.on_hand[-1].astype(np.int64), seed=seed)

    def run(
        self,
        offers: Iterable[Offer] | Iterable[Arm],
        slots: Sequence[Slot],
        costs: Costs,
        *,
        seed: int,
        n_futures: int = 200,
        with_events: bool = True,
        stock: Stock = Stock.SHARED,
    ) -> Outcome:
        """Play a plan, or the arms of an experiment on customers, forward against no sale.

        Args:
            offers: what all customers see; or arms, each with what its share of the customers sees.
            slots: of the sale.
            costs: of the account.
            seed: of the futures, and of who is in which arm; the same for every plan.
            n_futures: number of futures.
            with_events: tell the first future as events.
            stock: whether arms share stock and quotas.

        Raises:
            InputError: an offer, an arm or a slot that cannot be; see `Stage.play_arms`.
        """
        arms = _arms(offers)
        stage = self.futures(slots, n_futures, seed=seed)
        telling = np.random.default_rng((seed, self.seed)).spawn(2)[1]
        arm_of = telling.choice(len(arms), size=len(self.customers.frame), p=[arm.share for arm in arms])
        for k, arm in enumerate(arms):
            if not (arm_of == k).any():
                raise InputError(f"No customer of {len(arm_of)} is in arm {arm.name!r}. Give it a larger share.")
        held = self.customers.demand_share(self.items.category, arm_of, len(arms))
        forward = stage.play_arms(arms, costs, stock=stock, demand_share=held[:, :, None])
        assignment = pl.DataFrame(
            {
                Events.customer_id.name: self.customers.frame[Events.customer_id.name],
                "variant": pl.Series([arm.name for arm in arms]).gather(arm_of),
            }
        )
        events = self._events(stage, arm_of, held, forward, telling) if with_events else Events.create_empty()
        return outcome(arms, forward, assignment, events)

    def _events(
        self, stage: Stage, arm_of: IntArray, held: FloatArray, forward: Forward, rng: np.random.Generator
    ) -> pl.DataFrame:
        """Schema Events of the first future; each arm's customers are told apart."""
        stories = tell(stage, self.calendar, held, forward, rng=rng)
        parts = [
            frame
            for k, story in enumerate(stories)
            for frame in event_frames(
                story,
                self.items,
                self.customers.take(arm_of == k),
                refund_frac=self.config.refund_frac,
                until=stage.futures.horizon[1],
                prefix="f" if len(held) == 1 else f"f{k}-",
                chunk_rows=_CHUNK_ROWS,
                progress=self.progress,
                rng=rng,
            )
        ]
        events = pl.concat(parts)
        return events if len(held) == 1 else events.sort(Events.at.name, Events.event_id.name)

    def _past_windows(self) -> Iterator[Window]:
        """The days of the log for the funnel."""
        past, config = self.past, self.config
        for day in range(config.days):
            start = config.start + timedelta(days=day)
            shown = np.where(past.discount[day] > 0.0, self.law.lift, 1.0)
            yield Window(
                start=start,
                end=start + timedelta(days=1),
                sold=past.sold[day],
                looks=past.rate[day] * shown * (BROWSES_PER_ORDER / UNITS_PER_ORDER),
                discount=past.discount[day],
                price=self.items.price(past.discount[day]),
            )

    def _small_tables(self) -> dict[str, pl.DataFrame]:
        friends, chain = self.customers.friends, self.customers.chain
        return {
            "items": self.item_table,
            "history": item_history(self.config, self.items, self.past),
            "promotions": promotions(self.config, self.items, self.past),
            "customers": self.customers.frame,
            **({"ties": friends.frame} if friends else {}),
            **({"stores": chain.frame} if chain else {}),
        }


def simulate(config: MarketConfig, *, seed: int, progress: Progress = silent) -> SimulatedShop:
    """Create the shop's population and live through its past; events are made when they are asked for.

    Args:
        config: size and world.
        seed: of everything random.
        progress: told while events are made.

    Raises:
        SettingsError: there is no such world.
    """
    world = world_named(config.world)
    streams = _streams(seed)
    customers = make_customers(config, rng=streams["customers"])
    items = make_items(config, config.n_events / EVENTS_PER_ORDER * UNITS_PER_ORDER, rng=streams["items"])
    law_chances = streams["law"].spawn(1 + len(world.mechanisms))
    law = plainest(config, items, rng=law_chances[0])
    for mechanism, rng in zip(world.mechanisms, law_chances[1:], strict=True):
        law = mechanism(law, config, items, rng)
    calendar = shop_calendar(
        customers.kind, customers.activity, customers.parts, int(items.category.max()) + 1, rng=streams["calendar"]
    )
    past = live_through(config, items, calendar, law, rng=streams["past"])
    return SimulatedShop(
        config=config,
        seed=seed,
        items=items,
        customers=customers,
        calendar=calendar,
        law=law,
        past=past,
        progress=progress,
    )


def _arms(offers: Iterable[Offer] | Iterable[Arm]) -> list[Arm]:
    given = list(offers)
    arms = [one for one in given if isinstance(one, Arm)]
    plain = [one for one in given if isinstance(one, Offer)]
    if len(arms) + len(plain) < len(given) or (arms and plain):
        raise InputError("A run takes offers, or arms, and not both. Put the offers into an arm.")
    arms = arms or [Arm(name="all", share=1.0, offers=tuple(plain))]
    check_arms(arms)
    return arms


def _streams(seed: int) -> dict[str, np.random.Generator]:
    """One stream per part of the shop."""
    names = ("customers", "items", "law", "calendar", "past", "events")
    return dict(zip(names, np.random.default_rng(seed).spawn(len(names)), strict=True))
