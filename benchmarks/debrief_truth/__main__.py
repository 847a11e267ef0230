"""Does the debrief of a sale name the true reason for its gap, with about the true amount?

python -m benchmarks.debrief_truth               four worlds, six shops each, five sales a shop; resumes
python -m benchmarks.debrief_truth --reduced     one world, two shops; under a minute on a free core
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.debrief_truth.case import after_the_sale, debriefed, make_case, true_profit
from benchmarks.debrief_truth.page import markdown
from benchmarks.debrief_truth.shocks import REASON, SHOCKS
from flashlift.experiments.debrief import REASONS, Debrief

ROOT = Path(__file__).parents[2]
OUT = Path(__file__).parents[1] / "out" / "debrief_truth"
WORLDS = ("mixture", "kinked", "sell_outs", "substitution")
SEEDS, EVENTS = 6, 800_000


def main() -> int:
    """Run what is missing, then print the table; the full study also writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.debrief_truth", description=__doc__)
    parser.add_argument("--worlds", default=",".join(WORLDS), help="worlds, separated by commas")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="shops of each world")
    parser.add_argument("--reduced", action="store_true", help="two shops of one world")
    args = parser.parse_args()
    worlds, seeds = (args.worlds.split(",")[:1], 2) if args.reduced else (args.worlds.split(","), args.seeds)
    rows = pl.concat([_of_shop(world, seed) for seed in range(1, seeds + 1) for world in worlds])
    page = markdown(rows, "python -m benchmarks.debrief_truth" + " --reduced" * args.reduced)
    print(page)
    if not args.reduced and set(worlds) == set(WORLDS):
        (ROOT / "docs" / "debrief_truth.md").write_text(page)
    return 0


def _of_shop(world: str, seed: int) -> pl.DataFrame:
    """Rows of one shop, read back where they were made before."""
    path = OUT / f"{world}-{seed}.parquet"
    if not path.exists():
        case = make_case(world, seed, n_events=EVENTS)
        usual, calm = None, true_profit(case, "none")
        rows = []
        for shock in SHOCKS:
            tables, truth = after_the_sale(case, shock, seed=seed + 100)
            found = debriefed(case, tables)
            usual = found if usual is None else usual
            change = true_profit(case, shock) - calm
            rows.append(_row(world, seed, shock, found, usual, truth) | {"true_change": change})
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
        print(f"{world} {seed} done", flush=True)
    return pl.read_parquet(path)


def _row(world: str, seed: int, shock: str, found: Debrief, usual: Debrief, truth: float) -> dict[str, object]:
    """What the debrief says, beside that of the same sale without the shock."""
    told, before = (dict(one.reasons.select("reason", "value").iter_rows()) for one in (found, usual))
    change = {reason: told.get(reason, 0.0) - before.get(reason, 0.0) for reason in REASONS}
    right = REASON.get(shock)
    largest = min(change, key=lambda reason: change[reason])
    actual, stands = found.actual, found.reasons.filter("stands_out")["reason"].to_list()
    return {
        "world": world,
        "seed": seed,
        "shock": shock,
        "planned": found.planned,
        "actual": actual.value,
        "ci_lower": actual.ci_lower,
        "ci_upper": actual.ci_upper,
        "truth": truth,
        "covers": actual.ci_lower <= truth <= actual.ci_upper,
        "largest": largest if shock != "none" else None,
        "right_part": change[right] if right else None,
        "change": found.actual.value - usual.actual.value,
        "stands_out": right in stands if right else None,
        "also": len([one for one in stands if one != right]),
        "traffic": _traffic(found) / _traffic(usual),
    }


def _traffic(found: Debrief) -> float:
    """Mean factor on traffic that a debrief tells."""
    return float(np.mean(found.slots["traffic"].to_numpy()))


if __name__ == "__main__":
    raise SystemExit(main())
