"""Share of the clairvoyant plan's true incremental profit that each planner earns, in the simulated shop.

    python -m benchmarks.profit_captured               20 seeds, about half an hour on two cores; resumes
    python -m benchmarks.profit_captured --seeds 3     a quick look

The estimand of a row is sum over shops of true V(plan) / sum over shops of true V(clairvoyant plan), with a bootstrap
interval over shops. True V is the mean over 400 common futures. The clairvoyant planner is flashlift's own, fed with
the true parameters and present state, not with future shocks. Planners within a shop share campaign and limits.
Seeds 0-19 are for choosing, seeds 100 and above for reporting.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import track

from flashlift import demand, market, planning
from flashlift.domain import Appearances, Campaign, MarginFloor, Plan, Slot

OUT = Path(__file__).parent / "out" / "profit_captured"
EVENTS = 400_000
DRAWS = 1000
FUTURES = 400


def campaign_of(shop: market.SimulatedShop) -> Campaign:
    """Two days, two slots of four hours a day, five positions each; every item at most once; 10 % margin kept."""
    slots = tuple(
        Slot(
            slot_id=f"day{day}-{hour}h",
            start=shop.now + timedelta(days=day, hours=hour),
            end=shop.now + timedelta(days=day, hours=hour + 4),
            positions=5,
        )
        for day in (1, 2)
        for hour in (10, 18)
    )
    return Campaign(
        slots=slots,
        ladder=(0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
        limits=(Appearances(maximum=1), MarginFloor(margin_frac=0.1)),
    )


def one_shop(seed: int, randomized_frac: float) -> dict[str, object]:
    """Every planner in one shop."""
    config = replace(market.MarketConfig.sized(EVENTS), randomized_frac=randomized_frac)
    shop = market.simulate(config, seed=seed)
    campaign, items = campaign_of(shop), shop.sale_items
    begin = time.perf_counter()
    model = demand.fit(shop.tables, until=shop.now, rng=np.random.default_rng(seed))
    seconds = time.perf_counter() - begin
    fitted = model.draw(items, campaign.slots, DRAWS, rng=np.random.default_rng(seed))
    truth = shop.truth.draw(items, campaign.slots, DRAWS, rng=np.random.default_rng(seed))
    plans: dict[str, Callable[[], Plan]] = {
        "clairvoyant": lambda: planning.solve(campaign, items, truth),
        "flashlift": lambda: planning.solve(campaign, items, fitted),
        "fair rule of thumb, 20 %": lambda: planning.fair_rule(campaign, items, fitted, discount=0.2),
        "best sellers at 20 %": lambda: planning.best_sellers(campaign, items, fitted, discount=0.2),
        "slow movers at 40 %": lambda: planning.slow_movers(campaign, items, fitted, discount=0.4),
        "random": lambda: planning.random_plan(campaign, items, fitted, rng=np.random.default_rng(seed)),
    }
    values = {}
    for name, make in plans.items():
        offers = make().offers
        values[name] = shop.run(
            offers, campaign.slots, campaign.costs, seed=seed, n_futures=FUTURES, with_events=False
        ).value.value
    both = model.elasticities().join(shop.elasticities(), on="item_id", suffix="_true")
    inside = pl.col("elasticity_true").is_between("ci_lower", "ci_upper")
    return {
        "seed": seed,
        "values": values,
        "elasticity_bias": both.select((pl.col("elasticity") - pl.col("elasticity_true")).mean()).item(),
        "elasticity_rmse": both.select(((pl.col("elasticity") - pl.col("elasticity_true")) ** 2).mean().sqrt()).item(),
        "coverage_90": both.select(inside.mean()).item(),
        "fit_seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def table(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Shares with bootstrap intervals over shops."""
    names = list(rows[0]["values"])  # type: ignore[call-overload]
    values = np.array([[row["values"][name] for name in names] for row in rows])  # type: ignore[index]
    pick = np.random.default_rng(0).integers(0, len(rows), (4000, len(rows)))
    sums = values[pick].sum(axis=1)
    shares = sums / sums[:, :1]
    ci = np.quantile(shares, [0.05, 0.95], axis=0)
    total = values.sum(axis=0)
    return pl.DataFrame(
        {
            "planner": names,
            "share of clairvoyant": total / total[0],
            "90 % lower": ci[0],
            "90 % upper": ci[1],
            "mean V per shop": values.mean(axis=0),
            "shops with a loss": (values < 0).sum(axis=0),
        }
    )


def main() -> None:
    """Run what is missing, then print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--randomized", type=float, default=0.0, help="share of past promotions drawn by lot")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    folder = OUT / f"randomized-{args.randomized:g}"
    folder.mkdir(parents=True, exist_ok=True)
    seeds = range(args.first, args.first + args.seeds)
    missing = [seed for seed in seeds if not (folder / f"{seed}.json").exists()]
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = {pool.submit(one_shop, seed, args.randomized): seed for seed in missing}
        for job in track(as_completed(jobs), description="shops", total=len(jobs)):
            (folder / f"{jobs[job]}.json").write_text(json.dumps(job.result()))
    rows = [json.loads((folder / f"{seed}.json").read_text()) for seed in seeds]
    shares = table(rows)
    figures = pl.DataFrame(rows).drop("values", "seed").mean()
    shares.write_csv(folder / "table.csv")
    with pl.Config(tbl_rows=-1, tbl_width_chars=140, fmt_str_lengths=40, float_precision=3):
        print(shares)
        print(figures)


if __name__ == "__main__":
    main()
