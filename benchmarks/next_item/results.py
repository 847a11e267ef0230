"""Results by row and seed: one file of figures per user and one of facts each, so that a run can go on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl

__all__ = ["OUT", "Results"]

OUT = Path(__file__).parents[1] / "out" / "next_item"


class Results:
    """What has been judged so far.

    Args:
        folder: where it is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, row: str, seed: int, judged: pl.DataFrame, facts: dict[str, float]) -> None:
        """Keep a table of `judge` and whatever else was measured."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self._place(row, seed)
        judged.write_parquet(place.with_suffix(".parquet"))
        kept = {"row": row, "seed": seed, "facts": facts}
        place.with_suffix(".json").write_text(json.dumps(kept))  # last: it says that the result is whole

    def load(self, row: str, seed: int) -> tuple[pl.DataFrame, dict[str, float]] | None:
        """The table and the facts, or None where there are none."""
        place = self._place(row, seed)
        if not place.with_suffix(".json").exists():
            return None
        facts = json.loads(place.with_suffix(".json").read_text())["facts"]
        return pl.read_parquet(place.with_suffix(".parquet")), facts

    def kept(self) -> dict[str, list[int]]:
        """Row -> its seeds, in the order in which they were judged."""
        found: dict[str, list[int]] = {}
        for path in sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
            told = json.loads(path.read_text())
            found.setdefault(told["row"], []).append(told["seed"])
        return found

    def _place(self, row: str, seed: int) -> Path:
        return self.folder / f"{re.sub('[^a-z0-9]+', '_', row.lower())}-{seed}.of"
