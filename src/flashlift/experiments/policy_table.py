"""A policy as a table: what it would do in the rounds of a log, and how likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.errors import InputError
from flashlift.protocols import FloatArray

__all__ = ["PolicyTable"]

SLACK = 1e-6  # by which the probabilities of one place may miss 1
ROUND = "_round"
RESERVED = {"reward", "propensity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTable:
    """Probability of each action, wherever the policy tells rounds apart.

    Args:
        table: `action`, `probability` and any further columns (`position`, `segment`, `round_id` ...): those are what
            the policy looks at, and the log must have them too. None: it does the same in every round. For each value
            of them the probabilities add up to 1; an action without a row is never taken.
    """

    table: pl.DataFrame

    def __post_init__(self) -> None:
        if missing := [name for name in ("action", "probability") if name not in self.table.columns]:
            raise InputError(f"A policy needs the columns action and probability; missing: {', '.join(missing)}.")
        if wrong := sorted(RESERVED & set(self.keys)):
            raise InputError(f"A policy cannot look at the {wrong[0]} of a round. Take that column out of the policy.")
        if self.table.is_empty() or self.table.null_count().sum_horizontal().item():
            raise InputError("A policy has no rows, or a row with an empty cell. Fill it in, or delete the row.")
        if not self.table.schema["probability"].is_numeric():
            raise InputError("The probabilities of a policy must be numbers. Correct the column probability.")
        p = self.table["probability"].to_numpy()
        if not (np.isfinite(p).all() and p.min() >= 0.0 and p.max() <= 1.0 + SLACK):
            wrong_one = p[~((p >= 0.0) & (p <= 1.0 + SLACK))][0]
            raise InputError(f"A probability of the policy is {wrong_one:g}. Every one must lie between 0 and 1.")
        self._check_groups()

    @property
    def keys(self) -> list[str]:
        """Columns that the policy looks at."""
        return [name for name in self.table.columns if name not in ("action", "probability")]

    @property
    def most_actions(self) -> int:
        """Most actions that it may take in one round."""
        return int(self.table.group_by(self.keys or pl.lit(1)).len()["len"].max())  # type: ignore[arg-type]

    def _check_groups(self) -> None:
        repeated = self.table.filter(self.table.select(*self.keys, "action").is_duplicated())
        if repeated.height:
            raise InputError(f"The policy names action {repeated['action'][0]!r} twice{self._place(repeated)}. Add up.")
        sums = self.table.group_by(self.keys or pl.lit(1), maintain_order=True).agg(pl.col("probability").sum())
        off = sums.filter((pl.col("probability") - 1.0).abs() > SLACK)
        if off.height:
            raise InputError(
                f"The probabilities of the policy add up to {off['probability'][0]:.6g}, not 1{self._place(off)} "
                f"({off.height} of {sums.height} such groups). Add the actions that are missing, or divide by the sum."
            )

    def _place(self, rows: pl.DataFrame) -> str:
        where = ", ".join(f"{name} = {rows[name][0]}" for name in self.keys)
        return f" where {where}" if where else ""

    def matched(self, log: pl.DataFrame) -> PolicyTable:
        """The same policy with the column types of the log.

        Raises:
            InputError: the log lacks a column that the policy looks at, or holds a place that the policy does not.
        """
        if missing := [name for name in self.keys if name not in log.columns]:
            raise InputError(
                f"The policy looks at {', '.join(missing)}, which the log does not have. Add the column to the log, "
                "or average the policy over it."
            )
        types = {name: log.schema[name] for name in [*self.keys, "action"]}
        try:
            policy = PolicyTable(table=self.table.cast(types))  # type: ignore[arg-type]
        except pl.exceptions.PolarsError as error:
            what = str(error).splitlines()[0]
            raise InputError(
                f"The policy's columns are of another kind than the log's ({what}). Convert one."
            ) from error
        unknown = log.join(policy.table, on=self.keys, how="anti") if self.keys else log.clear()
        if unknown.height:
            raise InputError(
                f"The policy does not say what it does in {unknown.height:,} of {log.height:,} rounds, the first of "
                f"them{self._place(unknown)}. Add those rows, or leave such rounds out."
            )
        return policy

    def of_logged(self, log: pl.DataFrame) -> FloatArray:
        """Probability of each logged action, (n,); 0 where the policy never takes it."""
        rows = log.select(*self.keys, "action").with_row_index(ROUND)
        found = rows.join(self.table, on=[*self.keys, "action"], how="left", maintain_order="left")
        return found["probability"].fill_null(0.0).to_numpy()

    def pairs(self, log: pl.DataFrame) -> pl.DataFrame:
        """Every (round of the log, action that the policy may take): `round` from 0, `action`, `probability`."""
        rows = log.select(self.keys).with_row_index("round") if self.keys else _numbered(log.height)
        taken = self.table.filter(pl.col("probability") > 0.0)
        found = rows.join(taken, on=self.keys, how="inner") if self.keys else rows.join(taken, how="cross")
        return found.select("round", "action", "probability")

    def unseen_frac(self, log: pl.DataFrame) -> float:
        """Share of the policy's probability that is on actions the log never shows, in that position where it has one.

        In [0, 1], averaged over the rounds of the log.
        """
        place = [name for name in ("position",) if name in log.columns]
        cells = (
            log.group_by([*{*self.keys, *place}]).agg(n=pl.len()) if self.keys or place else _numbered(1, log.height)
        )
        mass = cells.join(self.table, on=self.keys, how="inner") if self.keys else cells.join(self.table, how="cross")
        unseen = mass.join(log.select(*place, "action").unique(), on=[*place, "action"], how="anti")
        return float((unseen["n"] * unseen["probability"]).sum()) / log.height


def _numbered(height: int, n: int = 1) -> pl.DataFrame:
    return pl.DataFrame({"round": np.arange(height, dtype=np.uint32), "n": np.full(height, n)})
