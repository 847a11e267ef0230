"""The simulated shop: a past that it can tell as tables, and a future in which any plan can be played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from flashlift.domain import Costs, Offer, Slot
from flashlift.errors import OutputError
from flashlift.market.config import MarketConfig
from flashlift.market.events import (
    BROWSES_PER_ORDER,
    EVENTS_PER_ORDER,
    UNITS_PER_ORDER,
    Window,
    event_frames,
)
from flashlift.market.history import Past, item_history, live_through, promotions
from flashlift.market.population import CustomerBase, ItemBase, make_customers, make_items
from flashlift.market.response import LogLinear
from flashlift.market.rhythm import Calendar, shop_calendar
from flashlift.market.run import Outcome, play, windows
from flashlift.market.truth import Truth
from flashlift.protocols import Progress, silent
from flashlift.schema import Events, Items, SaleItems, Tables

__all__ = ["SimulatedShop", "simulate"]

_MEDIAN_STEP = 0.2  # the middle of the usual ladder of discounts
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
        response: the law of its demand.
        past: what happened, including what the log does not show.
        progress: told while events are made.
    """

    config: MarketConfig
    seed: int
    items: ItemBase
    customers: CustomerBase
    calendar: Calendar
    response: LogLinear
    past: Past
    progress: Progress = silent

    @property
    def now(self) -> datetime:
        """Time of decision: the end of the log, midnight UTC."""
        return self.config.now

    @property
    def truth(self) -> Truth:
        """The `DemandModel` that knows parameters and present state, but no future shock."""
        return Truth(
            config=self.config,
            items=self.items,
            calendar=self.calendar,
            response=self.response,
            state=self.past.state[-1].astype(np.float64),
            payback=self.past.payback,
        )

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
        """True factor on demand from being shown: item_id, lift."""
        return pl.DataFrame({"item_id": self.items.frame["item_id"], "lift": self.response.lift})

    def elasticities(self, discount: float = _MEDIAN_STEP) -> pl.DataFrame:
        """True own-price arc elasticity from list price to `discount`, visibility fixed: item_id, elasticity."""
        return pl.DataFrame(
            {"item_id": self.items.frame["item_id"], "elasticity": self.response.arc_elasticity(discount)}
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

    def run(
        self,
        offers: Sequence[Offer],
        slots: Sequence[Slot],
        costs: Costs,
        *,
        seed: int,
        n_futures: int = 200,
        with_events: bool = True,
    ) -> Outcome:
        """Play a plan forward against no sale; the same seed and slots give every plan the same futures.

        Raises:
            InputError: an offer or a slot that cannot be; see `play` and `Truth.draw`.
        """
        futures, telling = np.random.default_rng((seed, self.seed)).spawn(2)
        truth, stock = self.truth, self.past.on_hand[-1].astype(np.int64)
        draws = truth.draw(self.items.frame, slots, n_futures, rng=futures)
        forward = play(truth, stock, offers, slots, costs, draws)
        quota = np.array([offer.quota for offer in offers], dtype=np.int64)
        mean_units = forward.sold.mean(axis=1)
        units = pl.DataFrame(
            {
                "item_id": pl.Series([offer.item_id for offer in offers], dtype=pl.String),
                "slot_id": pl.Series([offer.slot_id for offer in offers], dtype=pl.String),
                "quota": quota,
                "mean_units": mean_units,
                "event_units": forward.sold[:, 0].astype(np.int64),
            }
        )
        events: pl.DataFrame = Events.create_empty()
        if with_events:
            frames = event_frames(
                windows(truth, stock, forward, rng=telling),
                self.items,
                self.customers,
                refund_frac=self.config.refund_frac,
                until=draws.horizon[1],
                prefix="f",
                chunk_rows=_CHUNK_ROWS,
                progress=self.progress,
                rng=telling,
            )
            events = pl.concat(frames)
        return Outcome(
            value=forward.estimate(),
            units=units,
            gross_sales=float(mean_units @ forward.price),
            sell_through=float(mean_units.sum() / quota.sum()) if quota.sum() else None,
            events=events,
        )

    def _past_windows(self) -> Iterator[Window]:
        """The days of the log for the funnel."""
        past, config = self.past, self.config
        for day in range(config.days):
            start = config.start + timedelta(days=day)
            shown = np.where(past.discount[day] > 0.0, self.response.lift, 1.0)
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
    """
    streams = _streams(seed)
    customers = make_customers(config, rng=streams["customers"])
    units = config.n_events / EVENTS_PER_ORDER * UNITS_PER_ORDER
    items, response = make_items(config, units, rng=streams["items"])
    calendar = shop_calendar(
        customers.kind, customers.activity, customers.parts, int(items.category.max()) + 1, rng=streams["calendar"]
    )
    past = live_through(config, items, calendar, response, rng=streams["past"])
    return SimulatedShop(
        config=config,
        seed=seed,
        items=items,
        customers=customers,
        calendar=calendar,
        response=response,
        past=past,
        progress=progress,
    )


def _streams(seed: int) -> dict[str, np.random.Generator]:
    """One stream per part of the shop."""
    names = ("customers", "items", "calendar", "past", "events")
    return dict(zip(names, np.random.default_rng(seed).spawn(len(names)), strict=True))
