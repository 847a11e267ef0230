"""What proves that no plan is much better: prices of the limits, and every offer as the planner valued it.

`flashlift.planning.verify` recomputes the bound from these two tables and the raw campaign; it shares no code with the
planner and needs neither a solver nor a demand model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flashlift import artifacts
from flashlift.errors import ArtifactError
from flashlift.planning.grid import Grid
from flashlift.planning.problem import Columns
from flashlift.protocols import FloatArray, IntArray

__all__ = [
    "CELLS",
    "PRICES",
    "Certificate",
    "cells_of_columns",
    "cells_of_grid",
    "load_certificate",
    "save_certificate",
]

KIND = "certificate"
BY_SCHEDULE = ("appearances[", "cool-down[", "one price[")
PRICES = {"row": pl.String, "price": pl.Float64}
NARROW_PRICE = 100_000.0  # below it single precision errs by less than half a cent
CELLS = {
    "item": pl.UInt32,
    "slot": pl.UInt16,
    "price": pl.Float64,
    "value": pl.Float64,
    "units": pl.Float64,
    "quota": pl.Int32,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Tables of a proof.

    Args:
        prices: `row` (name of a row of a limit) and `price` of one unit of its bound, in shop currency; rows left out
            are free.
        cells: every offer that may run: `item` (row of the items table), `slot` (of the campaign), `price`, its
            expected worth for the campaign's goal (its profit, if that is all) `value`, expected `units`, and `quota`.
        facts: versions, number of draws, and digest of what the plan depends on.
    """

    prices: pl.DataFrame
    cells: pl.DataFrame
    facts: dict[str, Any]

    @classmethod
    def of(cls, names: Sequence[str], price: FloatArray, cells: pl.DataFrame, n_draws: int) -> Certificate:
        """From the prices of all rows. Left out: rows without a price, and those that a schedule keeps by itself."""
        paid = [i for i in np.flatnonzero(price != 0.0).tolist() if not names[i].startswith(BY_SCHEDULE)]
        libraries = {name: version(name) for name in ("flashlift", "highspy", "numpy")}
        return cls(
            prices=pl.DataFrame({"row": [names[i] for i in paid], "price": price[paid]}, schema=PRICES),
            cells=cells,
            facts={"versions": libraries, "n_draws": n_draws},
        )


def cells_of_columns(columns: Columns) -> pl.DataFrame:
    """Table of cells of a small campaign."""
    return pl.DataFrame({name: getattr(columns, name) for name in CELLS}).cast(CELLS)  # type: ignore[arg-type]


def cells_of_grid(grid: Grid, price: FloatArray) -> pl.DataFrame:
    """Table of cells of a large one; values are those of the grid, in single precision.

    So are prices where that tells cents apart; who reads them rounds to cents. Slots and quotas are as narrow as they
    may be.
    """
    narrow = CELLS | {"value": pl.Float32, "units": pl.Float32}
    if price.max(initial=0.0) < NARROW_PRICE:
        narrow["price"] = pl.Float32
    if grid.value.shape[1] <= np.iinfo(np.uint8).max:
        narrow["slot"] = pl.UInt8
    if grid.quota.max(initial=0) <= np.iinfo(np.uint16).max:
        narrow["quota"] = pl.UInt16

    def part(items: IntArray) -> pl.DataFrame:
        item, slot, step = np.nonzero(np.isfinite(grid.value[items[0] : items[-1] + 1]))
        at = (item + items[0], slot, step)
        columns = (at[0], slot, price[at[0], step], grid.value[at], grid.units[at], grid.quota[at])
        return pl.DataFrame(dict(zip(CELLS, columns, strict=True))).cast(narrow)  # type: ignore[arg-type]

    every = np.arange(len(grid.stock))
    parts = [part(some) for some in np.array_split(every, max(len(every) // 4_096, 1)) if len(some)]
    return pl.concat(parts) if parts else pl.DataFrame(schema=narrow)


def save_certificate(certificate: Certificate, folder: Path, *, inputs: str = "") -> None:
    """Write it as an artifact.

    Raises:
        OutputError: the place cannot be written.
    """
    frames = {"prices": certificate.prices, "cells": certificate.cells}
    artifacts.save(artifacts.Artifact(kind=KIND, manifest=certificate.facts, inputs=inputs, frames=frames), folder)


def load_certificate(folder: Path) -> Certificate:
    """Read it back.

    Raises:
        ArtifactError: missing, damaged, or something else.
    """
    saved = artifacts.load(folder, KIND)
    try:
        return Certificate(prices=saved.frames["prices"], cells=saved.frames["cells"], facts=dict(saved.manifest))
    except KeyError as error:
        raise ArtifactError(f"The certificate in {folder} lacks {error}. Plan again.") from error
