"""Behavior sentences: what a customer did in one visit, as a line of text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift.protocols import IntArray
from flashlift.schema import Events

__all__ = ["Visits"]

PAUSE = timedelta(hours=8)  # a longer one begins a new visit
PHRASES = 4  # events told of a visit: its first ones, or its last ones where it stands before another
LEAST_CUT = 0.05
NEARBY = 50  # a false continuation is drawn from so many visits before or after the true one
MAX_EVENTS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """Visits of customers, ordered by their start.

    Args:
        frame: customer_id, start, sentence (its first events), before (the last events of the customer's visit
            before it, null for the first).
    """

    frame: pl.DataFrame

    @classmethod
    def build(
        cls,
        events: pl.LazyFrame,
        texts: pl.DataFrame,
        *,
        end: datetime,
        prices_until: datetime,
        rng: np.random.Generator,
    ) -> Visits:
        """Tell the events before `end`; of a large log, those of a random sample of customers.

        Args:
            events: schema Events.
            texts: item_id, text; events of other items and of items without text are left out.
            end: events at or after it are never read.
            prices_until: an item's usual price is the median of what it cost before.
            rng: draws the sample.
        """
        customer, at = Events.customer_id.name, Events.at.name
        usual = events.filter(Events.at.col < prices_until).group_by(Events.item_id.name)
        told = events.filter(Events.at.col < end, Events.customer_id.col.is_not_null())
        every = -(-told.select(pl.len()).collect().item() // MAX_EVENTS)
        if every > 1:
            told = told.filter(Events.customer_id.col.hash(int(rng.integers(2**32))) % every == 0)
        rows = (
            told.select(customer, Events.item_id.name, Events.event.name, at, Events.price.name)
            .join(texts.lazy().filter(pl.col("text") != ""), on=Events.item_id.name, maintain_order="left")
            .join(usual.agg(usual=Events.price.col.median()), on=Events.item_id.name, how="left", maintain_order="left")
            .collect()
            .sort(customer, at, maintain_order=True)
        )
        new = (pl.col(customer) != pl.col(customer).shift()) | (Events.at.col.diff() > PAUSE)
        visits = (
            rows.with_columns(visit=new.fill_null(True).cum_sum(), phrase=_phrase())
            .group_by("visit", maintain_order=True)
            .agg(
                pl.col(customer).first(),
                start=Events.at.col.first(),
                sentence=pl.col("phrase").head(PHRASES).str.join("; "),
                last=pl.col("phrase").tail(PHRASES).str.join("; "),
            )
            .with_columns(before=pl.col("last").shift().over(customer))
        )
        return cls(frame=visits.select(customer, "start", "sentence", "before").sort("start", maintain_order=True))

    def since(self, start: datetime) -> Visits:
        """The visits that began at `start` or later."""
        return Visits(frame=self.frame.filter(pl.col("start") >= start))

    @property
    def sentences(self) -> list[str]:
        """One per visit."""
        return self.frame["sentence"].to_list()

    def followed(self) -> Visits:
        """The visits that followed another one of their customer."""
        return Visits(frame=self.frame.filter(pl.col("before").is_not_null()))

    def strangers(self, rows: IntArray, *, rng: np.random.Generator) -> IntArray:
        """For each of `rows`, the row of a visit of another customer at about the same time; -1 where none is found."""
        n, owner = self.frame.height, self.frame[Events.customer_id.name].rank("dense").to_numpy()
        found = np.full(len(rows), -1)
        for _ in range(4):  # a neighbor of the same customer is drawn again
            step = rng.integers(1, NEARBY + 1, len(rows)) * rng.choice([-1, 1], len(rows))
            drawn = np.clip(rows + step, 0, n - 1)
            good = (found < 0) & (owner[drawn] != owner[rows])
            found[good] = drawn[good]
        return found


def _phrase() -> pl.Expr:
    """What one event says, such as: purchase <text> [price cut 20 %], the cut rounded to 5 %."""
    cut = 1 - Events.price.col / pl.col("usual")
    told = pl.format(" [price cut {} %]", (cut * 20).round().cast(pl.Int64, strict=False) * 5)
    return (
        Events.event.col.cast(pl.String)
        + " "
        + pl.col("text")
        + pl.when(cut >= LEAST_CUT).then(told).otherwise(pl.lit(""))
    )
