"""What people decided before the optimizer: items that must run, and items that must not, from CSV files."""

from __future__ import annotations

from collections.abc import Collection, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import polars as pl

from flashlift.domain import Campaign
from flashlift.limits import Excluded, Limit, MaxChange, Pinned
from flashlift.pipeline.csv_rows import CsvRow, csv_rows, hint
from flashlift.schema import SaleItems

__all__ = ["Picks", "read_picks"]

COLUMNS = ("item_id", "slot_id", "discount")
MOST_NAMED = 10
STEP = 1e-4  # a discount names the step of the ladder that it is so near to: files hold four digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Picks:
    """Items that must run, items that must not, and items of the plan approved last, for a limit on change."""

    pinned: tuple[Pinned, ...] = ()
    forbidden: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()

    def to_polars(self) -> pl.DataFrame:
        """One row for each: `kind` (`pinned`, `forbidden`, `approved`), `item_id`, `slot_id`, `discount_frac`."""
        rows = [{"kind": "pinned", **asdict(pick)} for pick in self.pinned]
        for kind, items in (("forbidden", self.forbidden), ("approved", self.approved)):
            rows += [{"kind": kind, **asdict(Pinned(item_id=item))} for item in items]
        schema = dict.fromkeys(("kind", "item_id", "slot_id"), pl.String)
        return pl.DataFrame(rows, schema={**schema, "discount_frac": pl.Float64})

    def within(self, campaign: Campaign) -> Campaign:
        """The campaign with these limits beside its own; all that is forbidden is one limit.

        A limit on change that names no plan is about the one approved last, and holds nothing before there is one.
        """
        own: list[Limit] = []
        for limit in campaign.limits:
            if isinstance(limit, MaxChange) and not limit.item_ids:
                own += [replace(limit, item_ids=self.approved)] if self.approved else []
            elif not (isinstance(limit, Excluded) and self.forbidden):
                own.append(limit)
        out = dict.fromkeys([*_excluded_by_settings(campaign), *self.forbidden])
        excluded = (Excluded(item_ids=tuple(out)),) if self.forbidden else ()
        return replace(campaign, limits=(*own, *excluded, *self.pinned))

    @classmethod
    def of(cls, table: pl.DataFrame) -> Picks:
        """Back from `to_polars`."""
        rows = table.filter(kind="pinned").drop("kind").iter_rows(named=True)
        return cls(
            pinned=tuple(Pinned(**row) for row in rows),
            forbidden=tuple(table.filter(kind="forbidden")["item_id"]),
            approved=tuple(table.filter(kind="approved")["item_id"]),
        )


def read_picks(
    pin: Path | None, forbid: Path | None, *, campaign: Campaign, items: pl.DataFrame, known: Set[str]
) -> Picks:
    """Read the files: CSV with a header, separated by commas, semicolons or tabs, as spreadsheets save them.

    Args:
        pin: columns `item_id` and, where wanted, `slot_id` and `discount` (0.2 or 20%, a step of the ladder).
        forbid: column `item_id`.
        campaign: for its slots, its ladder and what it excludes already.
        items: table SaleItems: what can be pinned.
        known: every item of the shop: what can be forbidden.

    Raises:
        InputError: a file, a row or a value that cannot be used; it names row and column and the fix.
    """
    pinned = _pinned_by_settings(campaign)
    forbidden = _forbidden(forbid, known, pinned)
    excluded = _excluded_by_settings(campaign) | forbidden
    for_sale = set(items[SaleItems.item_id.name])
    picks = []
    for row in csv_rows(pin, COLUMNS):
        item, slot = row.item(known), _slot(row, campaign)
        if item in excluded:
            raise row.error("item_id", f"{item} is pinned here and forbidden in {excluded[item]}", "Delete one of them")
        if item not in for_sale:
            raise row.error(
                "item_id", f"{item} was not sold at a known price lately, so it cannot run", "Delete the row"
            )
        here = pinned.setdefault(item, {})
        twice = here if slot is None else {slot, None} & here.keys()
        if twice:
            where = here[next(iter(twice))]
            raise row.error(
                "item_id", f"{item} is pinned twice, here and in {where}", "Name another slot or delete one"
            )
        here[slot] = row.place
        picks.append(Pinned(item_id=item, slot_id=slot, discount_frac=_discount(row, campaign)))
    return Picks(pinned=tuple(picks), forbidden=tuple(forbidden))


def _forbidden(path: Path | None, known: Set[str], pinned: Collection[str]) -> dict[str, str]:
    """Forbidden items, each with the place that forbids it."""
    found: dict[str, str] = {}
    for row in csv_rows(path, COLUMNS[:1]):
        item = row.item(known)
        if item in found:
            raise row.error("item_id", f"{item} is forbidden twice, here and in {found[item]}", "Delete one of them")
        if item in pinned:
            wrong = f"{item} is forbidden here and pinned in the settings (campaign.pinned)"
            raise row.error("item_id", wrong, "Delete one of them")
        found[item] = row.place
    return found


def _excluded_by_settings(campaign: Campaign) -> dict[str, str]:
    limits = (limit for limit in campaign.limits if isinstance(limit, Excluded))
    return {item: "the settings (campaign.excluded)" for limit in limits for item in limit.item_ids}


def _pinned_by_settings(campaign: Campaign) -> dict[str, dict[str | None, str]]:
    """Items pinned, each with its slots and the place that pins it there."""
    found: dict[str, dict[str | None, str]] = {}
    for limit in campaign.limits:
        if isinstance(limit, Pinned):
            found.setdefault(limit.item_id, {})[limit.slot_id] = "the settings (campaign.pinned)"
    return found


def _slot(row: CsvRow, campaign: Campaign) -> str | None:
    text = row.fields.get("slot_id", "")
    slots = [slot.slot_id for slot in campaign.slots]
    if text and text not in slots:
        some = ", ".join(slots[:MOST_NAMED]) + ", ..." * (len(slots) > MOST_NAMED)
        raise row.error("slot_id", f"the campaign has no slot {text!r}, but {some}", hint(text, slots))
    return text or None


def _discount(row: CsvRow, campaign: Campaign) -> float | None:
    text = row.fields.get("discount", "")
    if not text:
        return None
    value = row.figure("discount")
    near = [step for step in campaign.ladder if abs(step - value) <= STEP]
    if not near:
        ladder = ", ".join(f"{step:g}" for step in campaign.ladder)
        wrong = f"{text!r} is no step of the ladder ({ladder})"
        raise row.error("discount", wrong, "Write one of them, such as 0.2 or 20%, or add it to campaign.ladder")
    return near[0]
