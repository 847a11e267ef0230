"""What did not fit between the exposures and the outcomes of a test, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from flashlift.errors import InputError

__all__ = ["Consequence", "Mismatch", "Reconciliation"]


class Consequence(StrEnum):
    """What a mismatch leads to."""

    KEPT = "kept"
    DROPPED = "dropped"
    WARNED = "warned"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """So many lines or customers that do not fit, what becomes of them, and why, a sentence."""

    what: str
    count: int
    consequence: Consequence
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The units of a test with what they did, and everything that did not fit.

    Args:
        mismatches: only those that were met.
        units: `unit_id`, `variant`, `exposed_at`, the values summed in the test, and `past_` of each before it.
    """

    mismatches: tuple[Mismatch, ...]
    units: pl.DataFrame

    @property
    def refused(self) -> bool:
        """Whether the logs cannot be analyzed."""
        return any(one.consequence is Consequence.REFUSED for one in self.mismatches)

    @property
    def counts(self) -> dict[str, int]:
        """Units of each arm."""
        return dict(self.units.group_by("variant").len().sort("variant").iter_rows())

    def rows(self) -> pl.DataFrame:
        """One row per unit for `analyze`.

        Raises:
            InputError: the logs contradict themselves so that no figure would mean anything.
        """
        if self.refused:
            raise InputError(" ".join(_said(m) for m in self.mismatches if m.consequence is Consequence.REFUSED))
        return self.units

    def to_polars(self) -> pl.DataFrame:
        """`what`, `count`, `consequence`, `why`: the units of each arm, and then what did not fit."""
        why = "Units that the analysis compares."
        arms = [(f"customers in {name}", count, "compared", why) for name, count in self.counts.items()]
        rows = [(one.what, one.count, one.consequence.value, one.why) for one in self.mismatches]
        return pl.DataFrame([*arms, *rows], schema=["what", "count", "consequence", "why"], orient="row")

    def paragraph(self) -> str:
        """What is compared, and what did not fit, for a campaign manager."""
        arms = ", ".join(f"{name} {count:,}" for name, count in self.counts.items())
        head = (
            f"Compared by intention to treat: {arms} customers, each in the variant of the first exposure, with all "
            "that they did from then to the end of the test. The estimand is the effect of being exposed to a variant "
            "first, among the customers who were exposed to any."
        )
        return " ".join([head, *map(_said, self.mismatches)])


def _said(one: Mismatch) -> str:
    return f"{one.what.capitalize()}: {one.count:,} ({one.consequence}). {one.why}"
