"""Sequences of items per user, read from a folder, and the leave-one-out split of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from flashlift.errors import InputError
from flashlift.protocols import IntArray

__all__ = ["LeaveOneOut", "Sequences", "leave_one_out", "read"]

LEAST = 3  # items of a user: one to learn from, one to choose by, one to report


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """What each user took, in order. User u owns `items[offsets[u] : offsets[u + 1]]`.

    Args:
        name: of the set.
        offsets: (n_users + 1,).
        items: item of each event, in 0..n_items - 1, (n_events,).
        n_items: size of the catalog.
        titles: of each item, (n_items,); None where the set has none.
    """

    name: str
    offsets: IntArray
    items: IntArray
    n_items: int
    titles: list[str] | None

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.offsets) - 1

    @property
    def user(self) -> IntArray:
        """User of each event, (n_events,)."""
        return np.repeat(np.arange(self.n_users), np.diff(self.offsets))

    @property
    def position(self) -> IntArray:
        """Place of each event in its user's sequence, from 0, (n_events,)."""
        return np.arange(len(self.items)) - self.offsets[self.user]

    def keep(self, chosen: np.ndarray) -> Sequences:
        """The same users and catalog with some of the events only; `chosen` is boolean, (n_events,)."""
        length = np.bincount(self.user[chosen], minlength=self.n_users)
        return Sequences(
            name=self.name,
            offsets=np.concatenate([[0], np.cumsum(length)]).astype(np.int64),
            items=self.items[chosen],
            n_items=self.n_items,
            titles=self.titles,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOneOut:
    """What may be learned from, what is known when the answer is asked for, and the right answer.

    Args:
        train: events to learn from: all but the last two of each user.
        known: events known at the answer: `train`, and for the test the item that choices were made by.
        target: the item held out, (n_users,).
        held: events at the end of each sequence that are not known, 1 or 2.
    """

    train: Sequences
    known: Sequences
    target: IntArray
    held: int


def read(folder: Path) -> Sequences:
    """Read `*_sequences.parquet` (user, position, item, named freely) and `*_item_titles.parquet` if there is one.

    Raises:
        InputError: no such file, or a user with fewer than three events.
    """
    found = sorted(folder.glob("*_sequences.parquet"))
    if not found:
        raise InputError(f"There is no *_sequences.parquet in {folder}. Give the folder that holds the sets.")
    events = pl.read_parquet(found[0])
    user, position, item = events.columns
    events = events.sort(user, position, maintain_order=True)
    short = events.group_by(user).len().filter(pl.col("len") < LEAST)
    if not short.is_empty():
        raise InputError(f"{short.height} users of {found[0]} have fewer than {LEAST} events. Leave them out.")
    catalog = events.select(pl.col(item).unique().sort()).with_row_index("code")
    codes = events.join(catalog, on=item, how="left", maintain_order="left")["code"].to_numpy().astype(np.int64)
    length = events.group_by(user, maintain_order=True).len()["len"].to_numpy()
    return Sequences(
        name=found[0].name.removesuffix("_sequences.parquet"),
        offsets=np.concatenate([[0], np.cumsum(length)]).astype(np.int64),
        items=codes,
        n_items=catalog.height,
        titles=_titles(folder, catalog, item),
    )


def leave_one_out(sequences: Sequences, part: str) -> LeaveOneOut:
    """Hold out the last item of every user (`part` "test") or the last but one ("valid", to choose by)."""
    left = sequences.offsets[1:][sequences.user] - np.arange(len(sequences.items))  # 1 for a user's last event
    held = {"test": 1, "valid": 2}[part]
    return LeaveOneOut(
        train=sequences.keep(left > 2),
        known=sequences.keep(left > held),
        target=sequences.items[left == held],
        held=held,
    )


def _titles(folder: Path, catalog: pl.DataFrame, item: str) -> list[str] | None:
    found = sorted(folder.glob("*_item_titles.parquet"))
    if not found:
        return None
    titles = pl.read_parquet(found[0]).select(pl.col(item), pl.col("title")).unique(item)
    return catalog.join(titles, on=item, how="left", maintain_order="left")["title"].fill_null("").to_list()
