"""Tables and picture from whatever results are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.profit_captured.page import place_between, section, write
from benchmarks.profit_captured.result import load, to_polars
from benchmarks.profit_captured.rows import Row
from benchmarks.profit_captured.settings import Settings
from benchmarks.profit_captured.shares import ALL, shares

__all__ = ["Board", "publish"]

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Results and what follows from them.

    Args:
        results: as `result.to_polars`.
        shares: as `shares.shares`.
        rows: in the order to show: the largest share over all worlds first, rows without one last.
        complete: whether every world, seed and row asked for was played.
    """

    results: pl.DataFrame
    shares: pl.DataFrame
    rows: list[Row]
    complete: bool

    @classmethod
    def read(cls, folder: Path, worlds: Sequence[str], seeds: Sequence[int], rows: Sequence[Row]) -> Board | None:
        """The board as far as it is played; None where nothing is."""
        wanted = [(world, seed, row.key) for world in worlds for row in rows for seed in seeds]
        found = [result for one in wanted if (result := load(folder, *one)) is not None]
        if not found:
            return None
        results = to_polars(found)
        table = shares(results, rng=np.random.default_rng(0))
        overall = {one["row"]: one["share"] for one in table.filter(pl.col("world") == ALL).iter_rows(named=True)}
        ordered = sorted(rows, key=lambda row: -(overall[row.key] if overall.get(row.key) is not None else -np.inf))
        return cls(results=results, shares=table, rows=ordered, complete=len(found) == len(wanted))


def publish(board: Board, settings: Settings, *, command: str, folder: Path, docs: Path | None = None) -> list[Path]:
    """Write the tables, the page and the picture beside the results, and into `docs` where that is given.

    Returns:
        The files written.
    """
    from benchmarks.profit_captured.chart import board as picture
    from flashlift.charts import save

    name = f"scoreboard-randomized-{settings.randomized_frac:g}" if settings.randomized_frac else "scoreboard"
    written = [folder / "shares.csv", folder / "results.csv", folder / "scoreboard.md"]
    board.shares.write_csv(written[0])
    board.results.write_csv(written[1])
    text = section(board.results, board.shares, board.rows, settings, command=command, image="images/scoreboard.png")
    write(written[2], text + "\n")
    if board.shares["share"].is_not_null().any():
        chart = picture(
            board.shares, {row.key: row.name for row in board.rows}, "flashlift_today+optimal", _claim(board)
        )
        written.append(folder / "images" / "scoreboard.png")
        save(chart, written[-1])
        if docs is not None:
            written.append(docs / "images" / f"{name}.png")
            save(chart, written[-1])
    if docs is not None:
        page = docs / "scoreboard.md"
        write(page, place_between(page.read_text(), name, text.replace("images/scoreboard.png", f"images/{name}.png")))
        written.append(page)
    return written


def _claim(board: Board) -> str:
    ours = board.shares.filter((pl.col("world") == ALL) & (pl.col("row") == "flashlift_today+optimal"))
    share = ours["share"].item() if ours.height else None
    return "Profit captured" if share is None else f"flashlift earns {share:.0%} of the profit a clairvoyant would"
