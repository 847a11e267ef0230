"""Exposures and what followed them, as rounds that can value another way to recommend."""

from __future__ import annotations

import polars as pl

from flashlift.errors import InputError
from flashlift.schema import EVENT_KINDS, Events, Exposures

__all__ = ["exposure_log"]


def exposure_log(exposures: pl.DataFrame, events: pl.DataFrame, *, event: str = "click") -> pl.DataFrame:
    """A round for each exposure: the item is the action, and the reward is 1 where the event followed, else 0.

    Args:
        exposures: schema Exposures; `propensity` is the probability of this item at this position.
        events: schema Events; those with an `exposure_id` count.
        event: the kind of event that is a reward.

    Returns:
        `exposure_id` (a policy may look at it), `unit_id` (the customer: rounds of one depend on each other), `action`,
        `position` where every exposure has one, `reward`, `propensity`, and `item_id`'s neighbors `slot` and `at`.

    Raises:
        InputError: there is no such kind of event, or an event came before its exposure.
    """
    if event not in EVENT_KINDS:
        raise InputError(f"There is no event {event!r}. Choose one of {', '.join(EVENT_KINDS)}.")
    followed = (
        events.filter(Events.event.col == event, Events.exposure_id.col.is_not_null())
        .group_by(Events.exposure_id.name)
        .agg(first=Events.at.col.min())
    )
    found = exposures.join(followed, on=Exposures.exposure_id.name, how="left", maintain_order="left")
    early = found.filter(pl.col("first") < Exposures.at.col)
    if early.height:
        raise InputError(
            f"{early.height:,} exposures have a {event} before they were shown, the first {early['exposure_id'][0]!r}. "
            "Check the clocks of the two logs, or leave these exposures out."
        )
    place = ["position"] if found["position"].null_count() == 0 else []
    return found.select(
        "exposure_id",
        "slot",
        "at",
        *place,
        "propensity",
        unit_id="customer_id",
        action="item_id",
        reward=pl.col("first").is_not_null().cast(pl.Float64),
    )
