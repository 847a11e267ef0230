"""Whom does a mail bring to the shop? Our learners beside causalml, econml and scikit-uplift, in the same splits.

python -m benchmarks.uplift DATA --outcome visit          DATA holds hillstrom_half.parquet (or any file of that test)

Fixed before anything was measured: 20 splits that hold out half of each arm, estimators at their defaults (`linear`,
`trees`), the same in every library. Nothing is tuned. A library that is not installed is left out, and named.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console

from benchmarks.uplift.hillstrom import MAILS, trial
from benchmarks.uplift.peers import peers
from benchmarks.uplift.same_metrics import same_metrics
from flashlift import experiments
from flashlift.experiments import DRLearner, ResponseModel, Splits, TLearner, UpliftLearner, XLearner, linear, trees

OUT = Path(__file__).parents[1] / "out" / "uplift"
OURS: dict[str, UpliftLearner] = {
    "response model, linear": ResponseModel(outcome=linear),
    "response model, trees": ResponseModel(outcome=trees),
    "flashlift T, linear": TLearner(outcome=linear),
    "flashlift T, trees": TLearner(outcome=trees),
    "flashlift X, linear": XLearner(outcome=linear, effect=linear),
    "flashlift X, trees": XLearner(outcome=trees, effect=trees),
    "flashlift DR, linear": DRLearner(outcome=linear, effect=linear),
    "flashlift DR, trees": DRLearner(outcome=trees, effect=trees),
}
REFERENCE = "response model, linear"


def main() -> int:
    """Compare, print and keep the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.uplift", description=__doc__)
    parser.add_argument("data", type=Path, help="folder of hillstrom_half.parquet")
    parser.add_argument("--outcome", default="visit", help="visit, conversion or spend (spend: without the peers)")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    file = args.data / "hillstrom_half.parquet"
    if not file.is_file():
        parser.error(f"{file} is missing; name the folder that holds it")
    warnings.simplefilter("ignore")  # the peers' own
    others, missing = peers() if args.outcome != "spend" else ({}, {})
    models = OURS | others
    args.out.mkdir(parents=True, exist_ok=True)
    console = Console(width=200)
    for mail in MAILS:
        began = time.perf_counter()
        tested = trial(file, mail, args.outcome)
        found = experiments.compare_uplift(
            tested,
            models,
            reference=REFERENCE,
            metric=f"{args.outcome} per customer",
            splits=Splits(n_splits=args.splits),
            rng=np.random.default_rng(2008),
        )
        table = found.to_polars()
        name = mail.split("'")[0]
        table.write_csv(args.out / f"{name}_{args.outcome}.csv")
        found.curves().write_csv(args.out / f"{name}_{args.outcome}_curves.csv")
        console.print(
            f"\n{mail} against none, {args.outcome}: {tested.size:,} customers, {time.perf_counter() - began:.0f} s"
        )
        show(table, console)
        console.print(found.paragraph())
        score = TLearner().fit(tested, rng=np.random.default_rng(0))(tested.features)
        score = score + 1e-12 * np.random.default_rng(1).normal(
            size=score.size
        )  # no ties: libraries break them otherwise
        metrics, absent = same_metrics(tested, score) if args.outcome != "spend" else (pl.DataFrame(), {})
        with pl.Config(tbl_rows=-1, fmt_str_lengths=60, tbl_hide_dataframe_shape=True, float_precision=10):
            console.print(str(metrics))
        missing |= absent
    for library, why in missing.items():
        console.print(f"{library} is left out: {why}")
    return 0


def show(table: pl.DataFrame, console: Console) -> None:
    """One line per model: normalized Qini with interval, paired difference, uplift and value of the first 30 %."""
    wide = table.pivot(on="metric", index="model", values=["value", "ci_lower", "ci_upper", "std"])
    gap = table.filter(metric="normalized_qini").select(
        "model", "difference", "difference_ci_lower", "difference_ci_upper"
    )
    rows = wide.join(gap, on="model", maintain_order="left").sort("value_normalized_qini", descending=True)
    console.print(f"| model | normalized Qini (interval) | std | less {REFERENCE} | AUUC | uplift, value at 30 % |")
    console.print("|---|---|---|---|---|---|")
    for r in rows.iter_rows(named=True):
        console.print(
            f"| {r['model']} | {r['value_normalized_qini']:.3f} ({r['ci_lower_normalized_qini']:+.3f} to "
            f"{r['ci_upper_normalized_qini']:+.3f}) | {r['std_normalized_qini']:.3f} | {r['difference']:+.3f} "
            f"({r['difference_ci_lower']:+.3f} to {r['difference_ci_upper']:+.3f}) | {r['value_auuc']:.4f} | "
            f"{r['value_uplift_at_30']:+.4f}, {r['value_value_at_30']:.4f} |",
            soft_wrap=True,
        )


if __name__ == "__main__":
    raise SystemExit(main())
