"""The trained demand model, asked about items: how many more units at which price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from flashlift import charts, demand
from flashlift.domain import Slot
from flashlift.errors import InputError, OutputError
from flashlift.pipeline.shop import Shop
from flashlift.pipeline.spreadsheet import write_table
from flashlift.pipeline.traffic import trained_demand
from flashlift.schema import Items
from flashlift.settings import Settings

__all__ = ["AskedCurves", "Curves", "curves"]

PICTURES = (".png", ".svg", ".html")
FILES = (*PICTURES, ".csv", ".parquet")
MISTAKEN_FRAC = 0.01  # discounts all below it were meant as fractions
PANELS = 30  # a picture of more items would show none


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCurves:
    """Which curves are asked for.

    Args:
        items: their ids.
        discounts: fractions of the list price, in [0, 1), rising.
        out: a .png, .svg or .html file for the chart, or a .csv or .parquet file for the table; None: none is written.

    Raises:
        InputError: no item, too many for a chart, or discounts out of range.
        OutputError: another kind of file.
    """

    items: Sequence[str]
    discounts: Sequence[float]
    out: Path | None = None

    def __post_init__(self) -> None:
        if not self.items:
            raise InputError("No item is asked about. Name one or more, such as: flashlift curves 85123A 22423.")
        wrong = [share for share in self.discounts if not 0 <= share < 1]
        if wrong or not self.discounts:
            told = ", ".join(f"{100 * share:g}" for share in self.discounts) or "none"
            raise InputError(
                f"Discounts must be percents from 0 to below 100, not {told}. Give some, such as 10,20,30."
            )
        if self.out is None:
            return
        kind = self.out.suffix.lower()
        if kind not in FILES:
            raise OutputError(f"Cannot write {self.out}: its kind is unknown. Name a {', '.join(FILES)} file.")
        if kind in PICTURES and len(self.items) > PANELS:
            raise InputError(f"{len(self.items)} items do not fit a chart. Ask for up to {PANELS}, or for a .csv file.")

    @classmethod
    def of(cls, *, items: Sequence[str], discounts: str, out: Path | None) -> Self:
        """From words: ids, percents with commas.

        Raises:
            InputError: something cannot be understood.
        """
        try:
            shares = sorted({float(part) / 100 for part in discounts.split(",") if part.strip()})
        except ValueError as error:
            raise InputError(f"The discounts {discounts!r} are no percents. Give some, such as 10,20,30.") from error
        if shares and 0.0 < shares[-1] < MISTAKEN_FRAC:
            told = ",".join(f"{1e4 * share:g}" for share in shares)
            raise InputError(f"The discounts {discounts!r} are percents below 1. Did you mean {told}?")
        return cls(items=list(dict.fromkeys(items)), discounts=shares, out=out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """The answer.

    Args:
        table: item_id, title, discount_frac, lift, ci_lower, ci_upper (90 %), identified; see `FittedDemand.curves`;
            beyond_frac and basis; see `demand.offer_basis`.
        elasticities: of the same items, see `FittedDemand.elasticities`.
    """

    table: pl.DataFrame
    elasticities: pl.DataFrame


def curves(settings: Settings, asked: AskedCurves) -> Curves:
    """Ask the demand model of the last training.

    Raises:
        ArtifactError: the model was never trained.
        InsufficientDataError: its training was skipped; the message says why.
        InputError: an item has no purchase in the log.
        OutputError: the file cannot be written.
    """
    shop = Shop.open(settings)
    trained_demand(settings, shop)
    model = demand.FittedDemand.load(shop.folder / "demand")
    key = Items.item_id.name
    titles = shop.tables.items.select(key, Items.title.name)
    table = (
        model.curves(asked.items, asked.discounts)
        .join(titles, on=key, how="left", maintain_order="left")
        .select(key, Items.title.name, "discount_frac", "lift", "ci_lower", "ci_upper", "identified")
        .hstack(_basis(model, asked, shop.tables.items))
    )
    elasticities = model.elasticities().filter(pl.col(key).is_in(list(asked.items)))
    if asked.out is not None:
        _write(table, asked.out)
    return Curves(table=table, elasticities=elasticities)


def _basis(model: demand.FittedDemand, asked: AskedCurves, catalog: pl.DataFrame) -> pl.DataFrame:
    """What each row of the curves rests on, item by item and discount by discount."""
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=model.origin_day)
    slot = Slot(slot_id="any", start=start, end=start + timedelta(days=1), positions=1)
    known = pl.DataFrame({Items.item_id.name: list(asked.items)})
    items = known.join(catalog, on=Items.item_id.name, how="left", maintain_order="left")
    draws = model.draw(items, [slot], 1, rng=np.random.default_rng(0))
    item = np.repeat(np.arange(len(asked.items)), len(asked.discounts))
    return demand.offer_basis(draws, item, np.tile(np.asarray(asked.discounts), len(asked.items)))


def _write(table: pl.DataFrame, path: Path) -> None:
    if path.suffix.lower() in PICTURES:
        charts.save(charts.price_curves(table, columns=min(3, table[Items.item_id.name].n_unique())), path)
    else:
        write_table(table, path)
