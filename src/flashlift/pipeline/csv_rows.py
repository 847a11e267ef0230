"""Rows of CSV files that people and spreadsheets fill in; what is wrong is named with row, column and fix."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from flashlift.errors import InputError
from flashlift.pipeline.spreadsheet import unguarded

__all__ = ["CsvRow", "csv_rows", "hint"]

THOUSANDS = re.compile(r"[1-9]\d{0,2}([.,]\d{3})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """A row of a file; rows are counted as a spreadsheet does, the header being the first."""

    path: Path
    number: int
    fields: Mapping[str, str]

    @property
    def place(self) -> str:
        """File and row, in words."""
        return f"{self.path}, row {self.number}"

    def error(self, column: str, wrong: str, fix: str) -> InputError:
        """What is wrong with a cell, and what to do about it."""
        return InputError(
            f"{self.place}, column {column}: {wrong}. {fix.removesuffix('.')}{'' if fix.endswith('?') else '.'}"
        )

    def item(self, known: Set[str]) -> str:
        """The item, also as a spreadsheet guards it.

        Raises:
            InputError: none is named, or one that is not known.
        """
        text = self.fields.get("item_id", "")
        if not text:
            raise self.error("item_id", "no item is named", "Fill it in, or delete the row")
        if text not in known:
            if unguarded(text) in known:
                return unguarded(text)
            raise self.error("item_id", f"the shop has no item {text!r}", hint(text, known))
        return text

    def figure(self, column: str) -> float:
        """A figure as people write it (7.99, 7,99, 30%); nan where it is none, or could be thousands (1,000)."""
        text = self.fields.get(column, "").replace(" ", "")
        if THOUSANDS.fullmatch(text):
            return math.nan
        try:
            value = float(text.removesuffix("%").replace(",", ".")) / (100.0 if text.endswith("%") else 1.0)
        except ValueError:
            return math.nan
        return value if math.isfinite(value) else math.nan


def csv_rows(path: Path | None, columns: Sequence[str], *, required: Sequence[str] = ("item_id",)) -> Iterator[CsvRow]:
    """Rows of a CSV file with a header that are not empty, separated by commas, semicolons or tabs.

    Args:
        path: the file; None has no rows.
        columns: those that are read.
        required: those that must be there.

    Raises:
        InputError: no file, no table, or a header that lacks or mistakes a column.
    """
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
    _check_header(path, header, columns, required)
    try:
        for number, line in enumerate(lines, 2):
            cells = [cell.strip() for cell in line]
            if any(cells[len(header) :]):
                raise InputError(
                    f"{path}, row {number}: there are {len(cells)} values for {len(header)} columns. "
                    'Write 7.99 or "7,99" where a figure holds a comma.'
                )
            if any(cells):
                yield CsvRow(path=path, number=number, fields=dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise InputError(f"{path} is no CSV file ({error}). Save the table as CSV UTF-8.") from error


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> None:
    """Other columns are the reader's own, save those that look like one of ours in other words."""
    missing = [name for name in columns if name not in header]
    told = ", ".join(header) or "nothing"
    if "item_id" in missing:
        raise InputError(f"{path}, row 1: there is no column item_id, only {told}. Name the column of the items so.")
    for name in dict.fromkeys(header):
        if header.count(name) > 1 and name in columns:
            raise InputError(f"{path}, row 1: there are two columns {name}. Delete one.")
        meant = [one for one in missing if one.split("_")[0] in name.lower()]
        if meant:
            raise InputError(f"{path}, row 1: the column {name!r} is not known. Rename it to {meant[0]}, or delete it.")
    for name in required:
        if name in missing:
            raise InputError(f"{path}, row 1: there is no column {name}, only {told}. Add it, with that name.")


def hint(text: str, known: Collection[str]) -> str:
    """The names that a misspelled one is near to, or what else to do."""
    near = difflib.get_close_matches(text, sorted(known), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(near)}?" if near else "Correct it, or delete the row"
