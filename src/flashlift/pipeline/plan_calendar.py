"""A plan as iCalendar (RFC 5545): one event for each slot, its offers in the description."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from flashlift.pipeline.planned import Planned
from flashlift.settings import Settings

__all__ = ["calendar"]

STATUS = {None: "TENTATIVE", "approved": "CONFIRMED", "rejected": "CANCELLED"}


def calendar(planned: Planned, settings: Settings) -> bytes:
    """The slots that hold offers, in UTC; every calendar shows them in its reader's own time.

    The UID of an event depends on shop, slot and start alone, so that a plan made again replaces the events of the one
    before. The state of the plan is their status: a draft is tentative, an approved plan confirmed, a rejected one
    cancelled.
    """
    from icalendar import Calendar  # a tenth of a second

    whole = Calendar()
    whole.add("prodid", "-//flashlift//plan//EN")
    whole.add("version", "2.0")
    whole.add("x-wr-calname", _line(f"{settings.shop.name}: flash sale"))
    for rows in planned.table.sort("start", maintain_order=True).partition_by("slot_id", maintain_order=True):
        if rows["start"][0] is not None:
            whole.add_component(_event(list(rows.iter_rows(named=True)), planned, settings))
    content: bytes = whole.to_ical()
    return content


def _event(offers: list[dict[str, Any]], planned: Planned, settings: Settings) -> Any:
    from icalendar import Event

    first, shop, decision = offers[0], settings.shop, planned.decision
    start = first["start"].astimezone(UTC)
    touched = planned.saved.planned_at if decision is None else decision.at
    event = Event()
    event.add("uid", str(uuid5(NAMESPACE_URL, f"flashlift:{shop.name}:{first['slot_id']}:{start.isoformat()}")))
    event.add("dtstamp", _second(touched))
    event.add("dtstart", _second(start))
    event.add("dtend", _second(first["end"]))
    event.add("summary", _line(f"Flash sale: {len(offers)} offer{'s' * (len(offers) > 1)} ({shop.name})"))
    event.add("description", "\n".join(_offer(row, shop.currency) for row in offers))
    event.add("status", STATUS[None if decision is None else decision.state])
    return event


def _offer(row: dict[str, Any], currency: str) -> str:
    name = _line(" ".join(part for part in (row["item_id"], row["title"]) if part))
    each = f", {row['per_customer']} a customer" if row.get("per_customer") is not None else ""
    return f"{name}: {row['price']:.2f} {currency} (-{row['discount_frac']:.0%}), at most {row['quota']:,} units{each}"


def _second(at: datetime) -> datetime:
    """A moment in UTC, to the second: the format has no smaller one."""
    return at.astimezone(UTC).replace(microsecond=0)


def _line(text: str) -> str:
    """A text without line breaks and control characters, which the format does not allow."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", text).strip()
