"""How fast is the analysis of a test beside a bare group-by and tea-tasting, and what does it find in public tests?

    python -m benchmarks.experiment_peers 10000000
    python -m benchmarks.experiment_peers 10000000 --data DIR    cookie_cats and hillstrom in DIR, too

Rows are one per customer in a Parquet file: id, variant, spend, orders, spend before. Measured are a mean, a ratio
(spend per order) and a mean with CUPED. Every row of the table is a process of its own with one thread, from start to
end, imports included; `start` only imports. `bare group-by` counts rows and averages the three columns by variant and
knows no variance. `moments` is the analysis without the check that no customer is in the table twice, which tea-tasting
does not make. The figures of `analyze` and of tea-tasting must agree to 1e-9, or the run fails.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.process import arguments, timed

FILE = "rows.parquet"
NUMBERS = ("spend", "orders", "past")


def generate(folder: Path, n: int) -> None:
    """Customers whose spending follows their past, 2 % higher in treatment; one seed."""
    rng = np.random.default_rng(0)
    past, treated = rng.gamma(1.0, 10.0, n), rng.random(n) < 0.5
    orders = rng.poisson(0.6, n)
    frame = pl.DataFrame(
        {
            "unit_id": np.arange(n),
            "variant": pl.Series(treated).replace_strict({False: "control", True: "treatment"}, return_dtype=pl.String),
            "spend": orders * (0.5 * past + rng.gamma(1.0, 5.0, n)) * np.where(treated, 1.02, 1.0),
            "orders": orders,
            "past": past,
        }
    )
    frame.write_parquet(folder / FILE)


def start(folder: Path) -> None:
    from flashlift import experiments

    assert experiments.analyze


def bare(folder: Path) -> None:
    rows = pl.scan_parquet(folder / FILE)
    print(rows.group_by("variant").agg(pl.len(), pl.col(NUMBERS).mean()).collect(engine="streaming").height, "arms")


def moments(folder: Path) -> None:
    from flashlift.stats.comparison import compare
    from flashlift.stats.grouped_moments import grouped_moments
    from flashlift.stats.ratios import Ratio

    arms = list(grouped_moments(pl.scan_parquet(folder / FILE), NUMBERS, ["variant"]).values())
    for ratios in ([Ratio(0)], [Ratio(0, 1)], [Ratio(0), Ratio(2)]):
        compare(arms[0], arms[1], ratios=ratios)


def analyze(folder: Path) -> None:
    from flashlift.experiments import Metric, analyze

    metrics = [
        Metric(name="mean", numerator="spend", guardrail=True),  # a guardrail each, so that levels are those of one
        Metric(name="ratio", numerator="spend", denominator="orders", guardrail=True),
        Metric(name="cuped", numerator="spend", covariates=("past",), guardrail=True),
    ]
    found = analyze(pl.scan_parquet(folder / FILE), metrics)
    figures = {}
    for name, answer in found.answers.items():
        one = answer.comparisons["treatment"]
        figures[name] = [one.control, one.treatment, one.effect.ci_lower, one.effect.ci_upper, one.pvalue]
    (folder / "flashlift.json").write_text(json.dumps(figures))


def tea_tasting(folder: Path) -> None:
    import tea_tasting as tt

    metrics = {
        "mean": tt.Mean("spend"),
        "ratio": tt.RatioOfMeans("spend", "orders"),
        "cuped": tt.Mean("spend", "past"),
    }
    found = tt.Experiment(metrics).analyze(pl.scan_parquet(folder / FILE), control="control")
    keys = ("control", "treatment", "effect_size_ci_lower", "effect_size_ci_upper", "pvalue")
    figures = {name: [getattr(found[name], key) for key in keys] for name in metrics}
    (folder / "tea_tasting.json").write_text(json.dumps(figures, default=float))


STAGES: dict[str, Callable[[Path], None]] = {
    "start": start,
    "bare group-by": bare,
    "moments": moments,
    "analyze": analyze,
    "tea-tasting": tea_tasting,
}


def measure(sizes: list[int], repeats: int = 3) -> pl.DataFrame:
    """One row per size and stage, each the repetition with the least processor time.

    Returns:
        `rows`, `process`, `seconds` (wall), `cpu_s`, `peak_mb`, `over_bare` (processor time over that of the group-by).
    """
    rows = []
    env = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            command = [sys.executable, "-m", "benchmarks.experiment_peers", "--folder", name]
            timed([*command, "--generate", str(size)], env)
            best = {s: min((timed([*command, "--stage", s], env) for _ in range(repeats)), key=_cpu) for s in STAGES}
            _agree(Path(name))
            floor = best["bare group-by"][1]
            rows += [(size, stage, *figures, figures[1] / floor) for stage, figures in best.items()]
    return pl.DataFrame(rows, schema=["rows", "process", "seconds", "cpu_s", "peak_mb", "over_bare"], orient="row")


def _cpu(figures: tuple[float, float, float]) -> float:
    return figures[1]


def _agree(folder: Path) -> None:
    ours, theirs = (json.loads((folder / f"{name}.json").read_text()) for name in ("flashlift", "tea_tasting"))
    for name, figures in ours.items():
        np.testing.assert_allclose(figures, theirs[name], rtol=1e-9, atol=1e-9)


def markdown(table: pl.DataFrame) -> str:
    lines = ["| rows | process | seconds | CPU s | peak MB | CPU over bare |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row['rows']:,} | {row['process']} | {row['seconds']:.2f} | {row['cpu_s']:.2f} | {row['peak_mb']:,.0f} "
        f"| {row['over_bare']:.2f} |"
        for row in table.iter_rows(named=True)
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure every size given and print one table; with --stage, be one of the measured processes."""
    parser = arguments(__doc__, [10_000_000], STAGES)
    parser.add_argument("--data", type=Path, help="folder with cookie_cats and hillstrom")
    given = parser.parse_args()
    if given.generate:
        generate(given.folder, given.generate)
    elif given.stage:
        STAGES[given.stage](given.folder)
    else:
        print(markdown(measure(given.sizes)))
        if given.data:
            from benchmarks.experiment_peers.public import public  # not in the processes that are measured

            print(public(given.data))


if __name__ == "__main__":
    main()
