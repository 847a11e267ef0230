"""The data-quality summary: what was read, what was rejected and why, and what the accepted events look like."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from flashlift.errors import ArtifactError
from flashlift.events.clean import RULES
from flashlift.events.costs import with_costs
from flashlift.events.store import Shelf, open_store, rejected_rows
from flashlift.schema import Tables

__all__ = ["Quality", "quality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A store described in small tables; shares are fractions of the rows read.

    Args:
        sources: per file: table, rows, accepted, rejected, already_stored. A cancellation that found its purchase
            counts as accepted, one that did not as rejected.
        rules: per broken rule: rows, share, meaning, one example as JSON (customers are pseudonyms).
        nulls: per column of Events: nulls and their share of all events.
        kinds: per kind of event: rows, share, first and last time, customers.
        prices: per kind of event with prices: lowest, median and highest price, and units.
        loss_leaders: items of which most bought lines with a known cost were below it: item_id, rows (such lines),
            share (of the item's lines with a known cost), lost (cost less price, times quantity, of these lines); what
            lost most comes first.
        below_cost: lines bought below cost, and bought lines with a known cost.
        first: time of the first event; None in an empty store.
        last: time of the last event.
    """

    sources: pl.DataFrame
    rules: pl.DataFrame
    nulls: pl.DataFrame
    kinds: pl.DataFrame
    prices: pl.DataFrame
    loss_leaders: pl.DataFrame
    below_cost: tuple[int, int]
    first: datetime | None
    last: datetime | None

    @property
    def rows_read(self) -> int:
        """Rows read from all sources."""
        return int(self.sources["rows"].sum())

    @property
    def rows_rejected(self) -> int:
        """Rows rejected, unmatched cancellations included."""
        return int(self.sources["rejected"].sum())

    def to_polars(self) -> pl.DataFrame:
        """All of it in one table: section, name, rows, share of the rows read or of the events, note."""
        read = max(self.rows_read, 1)
        source = self.sources.select(
            section=pl.lit("source"),
            name="source",
            rows="rows",
            share=pl.col("rows") / read,
            note=pl.format("{} accepted, {} rejected, {} already stored", "accepted", "rejected", "already_stored"),
        )
        rule = self.rules.select(section=pl.lit("rejected"), name="rule", rows="rows", share="share", note="meaning")
        span = pl.format("{} to {}", pl.col("first").dt.strftime("%Y-%m-%d"), pl.col("last").dt.strftime("%Y-%m-%d"))
        kind = self.kinds.select(section=pl.lit("events"), name="event", rows="rows", share="share", note=span)
        null = self.nulls.filter(pl.col("nulls") > 0).select(
            section=pl.lit("missing"), name="column", rows="nulls", share="share", note=pl.lit("")
        )
        below, known = self.below_cost
        cost = pl.DataFrame(
            {
                "section": "bought",
                "name": "below cost",
                "rows": below,
                "share": below / max(known, 1),
                "note": f"of {known} lines with a known cost; {self.loss_leaders.height} items usually (loss leaders)",
            }
        )
        return pl.concat([source, rule, kind, null, cost if known else cost.clear()], how="vertical_relaxed")

    def __str__(self) -> str:
        with pl.Config(tbl_rows=-1, tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, fmt_str_lengths=80):
            return str(self.to_polars())


def quality(store: Path) -> Quality:
    """Describe a store.

    Raises:
        ArtifactError: there is no store in the folder.
    """
    shelf = Shelf.read(store)
    if shelf is None:
        raise ArtifactError(f"There is no event store in {store}. Run the ingestion first.")
    tables = open_store(store)
    events = tables.events
    rejected = rejected_rows(store)
    sources = _sources(shelf)
    kinds, prices = _kinds(events), _prices(events)
    costs = _below_cost(tables)
    return Quality(
        sources=sources,
        rules=_rules(rejected, int(sources["rows"].sum())),
        nulls=_nulls(events),
        kinds=kinds,
        prices=prices,
        loss_leaders=costs.filter(2 * pl.col("rows") > pl.col("known"), pl.col("rows") > 0)
        .select("item_id", "rows", share=pl.col("rows") / pl.col("known"), lost="lost")
        .sort("lost", "item_id", descending=[True, False]),
        below_cost=(int(costs["rows"].sum()), int(costs["known"].sum())),
        first=kinds["first"].min(),  # type: ignore[arg-type]
        last=kinds["last"].max(),  # type: ignore[arg-type]
    )


def _sources(shelf: Shelf) -> pl.DataFrame:
    unmatched = shelf.table("unmatched")
    lost = Counter(unmatched["source"]) if unmatched is not None else Counter[str]()
    rows = []
    for entry in shelf.files:
        here = min(lost[entry["source"]], entry["cancellations"])
        lost[entry["source"]] -= here
        rows.append(
            {
                "source": entry["source"],
                "table": entry["table"],
                "rows": entry["rows"],
                "accepted": entry["accepted"] + entry["cancellations"] - here,
                "rejected": sum(entry["rules"].values()) + here,
                "already_stored": entry["already_stored"],
            }
        )
    return pl.DataFrame(rows)


def _rules(rejected: pl.LazyFrame, read: int) -> pl.DataFrame:
    counted = (
        rejected.group_by("rule")
        .agg(rows=pl.len().cast(pl.Int64), example=pl.col("content").first())
        .collect(engine="streaming")
    )
    meaning = pl.col("rule").replace_strict(dict(RULES), default="a rule of the source's own", return_dtype=pl.String)
    return counted.select("rule", "rows", share=pl.col("rows") / max(read, 1), meaning=meaning, example="example").sort(
        "rows", "rule", descending=[True, False]
    )


def _nulls(events: pl.LazyFrame) -> pl.DataFrame:
    counts = events.select(pl.all().null_count(), pl.len().alias("\0all")).collect(engine="streaming")
    total = counts.drop_in_place("\0all").item()
    long = counts.unpivot(variable_name="column", value_name="nulls").cast({"nulls": pl.Int64})
    return long.with_columns(share=pl.col("nulls") / max(total, 1))


def _kinds(events: pl.LazyFrame) -> pl.DataFrame:
    counted = (
        events.group_by(pl.col("event").cast(pl.String))
        .agg(
            rows=pl.len().cast(pl.Int64),
            first=pl.col("at").min(),
            last=pl.col("at").max(),
            customers=pl.col("customer_id").n_unique().cast(pl.Int64),
        )
        .collect(engine="streaming")
    )
    return counted.with_columns(share=pl.col("rows") / pl.col("rows").sum()).sort("rows", descending=True)


def _prices(events: pl.LazyFrame) -> pl.DataFrame:
    return (
        events.drop_nulls("price")
        .group_by(pl.col("event").cast(pl.String))
        .agg(
            lowest=pl.col("price").min(),
            median=pl.col("price").median(),
            highest=pl.col("price").max(),
            units=pl.col("quantity").sum(),
        )
        .collect(engine="streaming")
        .sort("event")
    )


def _below_cost(tables: Tables) -> pl.DataFrame:
    """item_id, known (bought lines with a known cost), rows (those below it), lost (in currency)."""
    schema = {"item_id": pl.String, "known": pl.Int64, "rows": pl.Int64, "lost": pl.Float64}
    if tables.history is None:
        return pl.DataFrame(schema=schema)
    bought = tables.events.filter(pl.col("event") == "purchase").drop_nulls("price")
    lines = bought.select("item_id", "at", "price", "quantity").collect(engine="streaming")
    known = with_costs(lines, tables.history).drop_nulls("unit_cost")
    short = (pl.col("unit_cost") - pl.col("price")).clip(lower_bound=0.0)
    return (
        known.group_by("item_id")
        .agg(
            known=pl.len().cast(pl.Int64),
            rows=(short > 1e-9).sum().cast(pl.Int64),
            lost=(short * pl.col("quantity")).sum(),
        )
        .sort("item_id")
        .cast(schema)  # type: ignore[arg-type]
    )
