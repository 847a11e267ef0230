"""Is the off-policy value true? Coverage on logs with known truth, and a public log of two policies.

python -m benchmarks.off_policy                            coverage of the intervals, 1,000 logs in each setting
python -m benchmarks.off_policy --rules                    how the limit of the weights is chosen
python -m benchmarks.off_policy --data FOLDER [--prior F]  Open Bandit: random -> bts; F: prior_bts.yaml of package obp
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from benchmarks.off_policy.coverage import coverage
from benchmarks.off_policy.logs import SETTINGS
from benchmarks.off_policy.open_bandit import PUBLISHED, judged, log, on_policy, prior, shares, stated
from benchmarks.off_policy.rules import rules


def main() -> int:
    """Run what is asked and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.off_policy", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with random_all.parquet, bts_all.parquet and those of men")
    parser.add_argument("--prior", type=Path, help="prior_bts.yaml of the package obp (file of its wheel)")
    parser.add_argument("--logs", type=int, default=1000, help="logs of each setting")
    parser.add_argument("--rules", action="store_true", help="compare the rules that choose a limit")
    args = parser.parse_args()
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, fmt_str_lengths=40, float_precision=2):
        if args.data is not None:
            open_bandit(args.data, args.prior)
        elif args.rules:
            print(pl.concat([rules(setting, args.logs) for setting in SETTINGS]))
        else:
            for k, setting in enumerate(SETTINGS):
                print(coverage(setting, args.logs, bootstrapped=k == 0))
    return 0


def open_bandit(folder: Path, prior_file: Path | None) -> None:
    """The value of bts by the log of the random policy, and by its own."""
    for items in ("all", "men"):
        random, bts = log(folder, "random", items), log(folder, "bts", items)
        print(f"{items}: bts earned {on_policy(bts):.4f} clicks per impression in its own log ({bts.height:,} rounds)")
        policies = {"shares": shares(bts), "stated": stated(bts)}
        if prior_file is not None:
            policies["prior"] = prior(prior_file, items)
        for name, policy in policies.items():
            found = judged(random, policy)
            table = found.to_polars().select("estimator", "policy_value", "ci_lower", "ci_upper", "limit")
            published = pl.DataFrame({"estimator": list(PUBLISHED), "published": list(PUBLISHED.values())})
            print(f"{items}, probabilities by {name}: {found.support}")
            with pl.Config(float_precision=6):
                print(
                    table.join(published, on="estimator", how="left", maintain_order="left")
                    if items == "all"
                    else table
                )


if __name__ == "__main__":
    raise SystemExit(main())
