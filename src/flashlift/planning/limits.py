"""The rules of a campaign as named rows: lower <= matrix @ chosen <= upper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from flashlift.domain import Campaign
from flashlift.limits import Appearances
from flashlift.planning.cliques import cliques
from flashlift.planning.families import families
from flashlift.planning.family import Family
from flashlift.planning.problem import Columns, sells_too_little
from flashlift.planning.windows import windows
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import SaleItems

__all__ = ["Rows", "compile_limits"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Named rows over the columns.

    Args:
        names: name of each row, `positions[fri-20h]`, `stock[A-17]`.
        limits: limit of each row. Rules that hold for every item share one limit (`stock`); for other rows
            it is the row's own name.
        matrix: coefficients, (n_rows, n_columns).
        lower: least activity, -inf where there is none, (n_rows,).
        upper: most activity, inf where there is none, (n_rows,).
        penalty: of a unit of activity beyond them, in shop currency, (n_rows,); inf where it is not allowed.
    """

    names: tuple[str, ...]
    limits: tuple[str, ...]
    matrix: sparse.csr_array
    lower: FloatArray
    upper: FloatArray
    penalty: FloatArray

    @property
    def soft(self) -> BoolArray:
        """Whether each row may be broken at a penalty, (n_rows,)."""
        return np.isfinite(self.penalty)

    def over(self, columns: BoolArray) -> Rows:
        """The same rows over some of the columns."""
        return replace(self, matrix=self.matrix[:, columns])

    def take(self, keep: BoolArray) -> Rows:
        """Some of the rows."""
        at = np.flatnonzero(keep)
        return Rows(
            names=tuple(self.names[i] for i in at),
            limits=tuple(self.limits[i] for i in at),
            matrix=self.matrix[at],
            lower=self.lower[at],
            upper=self.upper[at],
            penalty=self.penalty[at],
        )

    def violation(self, chosen: BoolArray) -> FloatArray:
        """By how much each row is broken, (n_rows,); 0 where it is kept."""
        activity: FloatArray = self.matrix @ chosen.astype(np.float64)
        return np.maximum(np.maximum(self.lower - activity, activity - self.upper), 0.0)

    def worth(self, value: FloatArray, chosen: BoolArray) -> float:
        """Value of a choice less the penalties of the soft rows that it breaks, in shop currency."""
        soft = self.take(self.soft)
        return float(value[chosen].sum()) - float(soft.penalty @ soft.violation(chosen))


def compile_limits(campaign: Campaign, items: pl.DataFrame, columns: Columns, *, lean: bool = True) -> Rows:
    """All limits of the campaign over `columns`.

    Args:
        campaign: slots and limits.
        items: table SaleItems, whose rows `columns.item` counts.
        columns: the offers that could run.
        lean: leave out rows that another one implies. Conflicts are looked for in the full set.

    Returns:
        The rows that some choice of columns could break.
    """
    once = any(isinstance(limit, Appearances) and limit.maximum <= 1 for limit in campaign.limits)
    parts = [_over(family, len(campaign.slots), columns) for family in families(campaign, items)]
    if not (lean and once):
        parts.append(_one_price(campaign, items, columns))
    for limit in campaign.limits:
        match limit:
            case Appearances():
                parts.append(_appearances(limit, items, columns))
                if not (lean and once):
                    parts.append(_cool_down(limit, campaign, items, columns))
    at = (columns.item, columns.slot, columns.price)
    parts += [_never(window.name, window.breaks(*at), columns) for window in windows(campaign, items)]
    parts.append(_never("sell-through", sells_too_little(campaign, columns), columns))
    rows = Rows(
        names=tuple(name for part in parts for name in part.names),
        limits=tuple(name for part in parts for name in part.limits),
        matrix=sparse.vstack([part.matrix for part in parts], format="csr"),
        lower=np.concatenate([part.lower for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
        penalty=np.concatenate([part.penalty for part in parts]),
    )
    return rows.take((rows.lower > 0.0) | (rows.matrix.maximum(0.0).sum(axis=1) > rows.upper))


def _rows(
    columns: Columns,
    names: Sequence[str],
    row: IntArray,
    coefficient: FloatArray,
    upper: FloatArray | float = np.inf,
    *,
    lower: FloatArray | float = -np.inf,
    limit: str | None = None,
    column: IntArray | None = None,
    penalty: float = np.inf,
) -> Rows:
    """Rows from entries (row, column, coefficient); without `column`, one entry for each column."""
    at = np.arange(len(columns)) if column is None else column
    shape = (len(names), len(columns))
    return Rows(
        names=tuple(names),
        limits=tuple(names) if limit is None else (limit,) * len(names),
        matrix=sparse.csr_array((coefficient, (row, at)), shape=shape),
        lower=np.broadcast_to(np.asarray(lower, dtype=np.float64), (len(names),)).copy(),
        upper=np.broadcast_to(np.asarray(upper, dtype=np.float64), (len(names),)).copy(),
        penalty=np.full(len(names), penalty),
    )


def _over(family: Family, n_slots: int, columns: Columns) -> Rows:
    """The family's rows over some offers."""
    row = family.row(columns.item, columns.slot, n_slots)
    column = np.flatnonzero(row >= 0)
    weight = np.ones(len(columns)) if family.weight == "offers" else getattr(columns, family.weight).astype(np.float64)
    side = {"upper": family.bound} if family.upper else {"lower": family.bound}
    weight = weight[column] * family.factors()[columns.item[column]]
    names, limit, penalty = family.names, family.limit, family.penalty
    return _rows(columns, names, row[column], weight, limit=limit, column=column, penalty=penalty, **side)


def _per_item(name: str, items: pl.DataFrame, columns: Columns, coefficient: FloatArray, upper: FloatArray) -> Rows:
    """One row for each item that has columns; `upper` is given for every item of the table."""
    present, row = np.unique(columns.item, return_inverse=True)
    ids = items[SaleItems.item_id.name].to_list()
    names = [f"{name}[{ids[i]}]" for i in present]
    return _rows(columns, names, row, coefficient, upper[present], limit=name)


def _appearances(limit: Appearances, items: pl.DataFrame, columns: Columns) -> Rows:
    most = np.full(items.height, float(limit.maximum))
    return _per_item("appearances", items, columns, np.ones(len(columns)), most)


def _one_price(campaign: Campaign, items: pl.DataFrame, columns: Columns) -> Rows:
    return _one_of_each("one price", cliques(campaign.slots, 0.0), campaign, items, columns)


def _cool_down(limit: Appearances, campaign: Campaign, items: pl.DataFrame, columns: Columns) -> Rows:
    return _one_of_each("cool-down", cliques(campaign.slots, limit.cool_down_hours), campaign, items, columns)


def _one_of_each(
    name: str, cliques: Sequence[Sequence[int]], campaign: Campaign, items: pl.DataFrame, columns: Columns
) -> Rows:
    """For every item and every set of slots: at most one offer."""
    ids = items[SaleItems.item_id.name].to_list()
    names: list[str] = []
    row, column = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for clique in cliques:
        at = np.flatnonzero(np.isin(columns.slot, clique))
        present, local = np.unique(columns.item[at], return_inverse=True)
        row.append(local + len(names))
        column.append(at)
        first = campaign.slots[clique[0]].slot_id
        names += [f"{name}[{ids[i]}, {first}]" for i in present]
    rows, at = np.concatenate(row), np.concatenate(column)
    return _rows(columns, names, rows, np.ones(len(at)), 1.0, limit=name, column=at)


def _never(name: str, forbidden: BoolArray, columns: Columns) -> Rows:
    column = np.flatnonzero(forbidden)
    return _rows(columns, [name], np.zeros_like(column), np.ones(len(column)), 0.0, column=column)
