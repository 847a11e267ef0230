"""What a bought line cost the shop, by the history of its item."""

from __future__ import annotations

import polars as pl

__all__ = ["with_costs"]


def with_costs(lines: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """Lines with the `unit_cost` that the history names for their day, or last before it; null where it names none.

    The cost that a line itself names enters the history after the line, so a day is looked at from its end.

    Args:
        lines: `item_id`, `at` (UTC) and whatever else is wanted.
        history: `item_id`, `at`, `unit_cost` (schema ItemHistory).

    Returns:
        The lines by time, `at` moved to the end of its day.
    """
    costs = history.drop_nulls("unit_cost").select("item_id", "at", "unit_cost").sort("at")
    evening = lines.with_columns(pl.col("at").dt.truncate("1d").dt.offset_by("1d")).sort("at")
    return evening.join_asof(costs, on="at", by="item_id", check_sortedness=False)
