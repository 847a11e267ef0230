"""Seconds, gap and memory of a plan, by size of the campaign, beside HiGHS and CP-SAT on the same offers and limits.

    python -m benchmarks.planner_scale small middle          # 100 x 10 x 10 and 1,000 x 50 x 10
    python -m benchmarks.planner_scale large                 # 100,000 x 50 x 10, flashlift alone

Every run is a process of its own with two threads; `plan MB` is its memory before the proof is checked.
CP-SAT needs `pip install ortools` and is left out without it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from benchmarks.process import timed

NAMES = ("size", "solver", "total s", "valued s", "search s", "plan MB", "peak MB", "value", "gap %", "proven gap %")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A campaign, the gap asked for, and how long a solver may take."""

    items: int
    slots: int
    steps: int
    draws: int
    appearances: int
    gap: float
    limit_s: float
    solvers: tuple[str, ...]


SIZES = {
    "small": Size(
        items=100, slots=10, steps=10, draws=100, appearances=1, gap=1e-4, limit_s=60.0,
        solvers=("flashlift", "highs", "cp_sat"),
    ),
    "middle": Size(
        items=1_000, slots=50, steps=10, draws=50, appearances=1, gap=5e-4, limit_s=200.0,
        solvers=("flashlift", "highs", "cp_sat"),
    ),
    "middle_pause": Size(
        items=1_000, slots=50, steps=10, draws=50, appearances=3, gap=5e-4, limit_s=200.0,
        solvers=("flashlift", "highs"),
    ),
    "large": Size(
        items=100_000, slots=50, steps=10, draws=16, appearances=3, gap=1e-3, limit_s=150.0, solvers=("flashlift",),
    ),
}  # fmt: skip


def main() -> None:
    """Run every size named and print one table."""
    rows = []
    env = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2"}
    with tempfile.TemporaryDirectory() as name:
        for size_name in sys.argv[1:] or ["small", "middle"]:
            size = SIZES[size_name]
            for solver in size.solvers:
                if solver == "cp_sat" and find_spec("ortools") is None:
                    print("CP-SAT is not installed: pip install ortools")
                    continue
                rows.append((size_name, solver, *_run(size, solver, Path(name) / "run", env)))
                print(dict(zip(NAMES, rows[-1], strict=True)), flush=True)
    with pl.Config(tbl_rows=-1, tbl_cols=-1):
        print(pl.DataFrame(rows, schema=NAMES, orient="row", infer_schema_length=None))


def _run(size: Size, solver: str, out: Path, env: dict[str, str]) -> tuple[float | None, ...]:
    figures = (size.items, size.slots, size.steps, size.draws, size.appearances, size.gap, size.limit_s)
    command = [sys.executable, "-m", "benchmarks.planner_scale.solvers"]
    if solver == "cp_sat":
        timed([*command, "export", *map(str, figures), str(out)], env)
    seconds, _, peak = timed([*command, solver, *map(str, figures), str(out)], env)
    found = json.loads(out.with_suffix(".json").read_text())
    value, bound = found["value"], found["bound"]
    proven = found.get("proven_gap")
    return (
        seconds,
        found.get("value_s"),
        found["search_s"],
        found.get("plan_mb"),
        peak,
        value,
        100.0 * (bound - value) / abs(value),
        None if proven is None else 100.0 * proven,
    )


if __name__ == "__main__":
    main()
