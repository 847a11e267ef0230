"""What people decided before the optimizer: items that must run, and items that must not, from CSV files."""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import polars as pl

from flashlift.domain import Campaign
from flashlift.errors import InputError
from flashlift.limits import Excluded, Limit, MaxChange, Pinned
from flashlift.pipeline.spreadsheet import unguarded
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
    for row in _rows(pin, COLUMNS):
        item, slot = row.item(known), row.slot(campaign)
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
        picks.append(Pinned(item_id=item, slot_id=slot, discount_frac=row.discount(campaign)))
    return Picks(pinned=tuple(picks), forbidden=tuple(forbidden))


def _forbidden(path: Path | None, known: Set[str], pinned: Collection[str]) -> dict[str, str]:
    """Forbidden items, each with the place that forbids it."""
    found: dict[str, str] = {}
    for row in _rows(path, COLUMNS[:1]):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row of a file; rows are counted as a spreadsheet does, the header being the first."""

    path: Path
    number: int
    fields: Mapping[str, str]

    @property
    def place(self) -> str:
        return f"{self.path}, row {self.number}"

    def error(self, column: str, wrong: str, fix: str) -> InputError:
        return InputError(
            f"{self.place}, column {column}: {wrong}. {fix.removesuffix('.')}{'' if fix.endswith('?') else '.'}"
        )

    def item(self, known: Set[str]) -> str:
        text = self.fields.get("item_id", "")
        if not text:
            raise self.error("item_id", "no item is named", "Fill it in, or delete the row")
        if text not in known:
            if unguarded(text) in known:
                return unguarded(text)
            raise self.error("item_id", f"the shop has no item {text!r}", _hint(text, known))
        return text

    def slot(self, campaign: Campaign) -> str | None:
        text = self.fields.get("slot_id", "")
        slots = [slot.slot_id for slot in campaign.slots]
        if text and text not in slots:
            some = ", ".join(slots[:MOST_NAMED]) + ", ..." * (len(slots) > MOST_NAMED)
            raise self.error("slot_id", f"the campaign has no slot {text!r}, but {some}", _hint(text, slots))
        return text or None

    def discount(self, campaign: Campaign) -> float | None:
        text = self.fields.get("discount", "").replace(" ", "")
        if not text:
            return None
        try:
            value = float(text.removesuffix("%").replace(",", ".")) / (100.0 if text.endswith("%") else 1.0)
        except ValueError:
            value = math.nan
        near = [step for step in campaign.ladder if abs(step - value) <= STEP]
        if not near:
            ladder = ", ".join(f"{step:g}" for step in campaign.ladder)
            wrong = f"{text!r} is no step of the ladder ({ladder})"
            raise self.error("discount", wrong, "Write one of them, such as 0.2 or 20%, or add it to campaign.ladder")
        return near[0]


def _rows(path: Path | None, columns: Sequence[str]) -> Iterator[_Row]:
    """Rows of a CSV file that are not empty."""
    if path is None:
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text. Save it as CSV UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Give a CSV file.") from error
    first = text.split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    header = [name.strip() for name in next(lines, [])]
    _check_header(path, header, columns)
    try:
        for number, line in enumerate(lines, 2):
            cells = [cell.strip() for cell in line]
            if any(cells):
                yield _Row(path=path, number=number, fields=dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise InputError(f"{path} is no CSV file ({error}). Save the table as CSV UTF-8.") from error


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    """Other columns are the reader's own, save those that look like one of ours in other words."""
    missing = [name for name in columns if name not in header]
    if "item_id" in missing:
        told = ", ".join(header) or "nothing"
        raise InputError(f"{path}, row 1: there is no column item_id, only {told}. Name the column of the items so.")
    for name in dict.fromkeys(header):
        if header.count(name) > 1 and name in columns:
            raise InputError(f"{path}, row 1: there are two columns {name}. Delete one.")
        meant = [one for one in missing if one.split("_")[0] in name.lower()]
        if meant:
            raise InputError(f"{path}, row 1: the column {name!r} is not known. Rename it to {meant[0]}, or delete it.")


def _hint(text: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(text, sorted(known), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(near)}?" if near else "Correct it, or delete the row"
