"""What comes next, out of time on public logs: items, category and value of the next order.

    python -m benchmarks.time_split --data FOLDER [--sets online_retail,taobao] [--seeds 3] [--ways ids,texts]

Each way of training is fitted before the validation window and judged on the last days of the log: all known items are
ranked for customers who buy in them, seen items included, beside what is popular and the customer's own history; the
category and the value of the next order beside the last one and the mean. `texts` begins items at their titles'
vectors, `pretrained` spends 120 steps on next-window prediction first, `plain` is a network of ids alone without
popularity and own history. Splits as in `benchmarks.intent`. Figures are means over seeds, intervals those of the last.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.intent.sets import SETS
from flashlift import behavior, recommend
from flashlift.behavior.language import LanguageModel, item_vectors
from flashlift.domain import Split
from flashlift.errors import InsufficientDataError
from flashlift.events import before
from flashlift.protocols import Recommender
from flashlift.schema import Tables

WAYS = ("ids", "texts", "pretrained", "plain")
CUSTOMERS = 1500


def main() -> None:
    """Fit, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_split", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FLASHLIFT_DATA", ".")))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", default="ids,texts")
    parser.add_argument("--valid", action="store_true", help="judge on the validation window, for choosing")
    args = parser.parse_args()
    for name in args.sets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            tables, split = SETS[name].read(args.data, Path(folder) / "shop")
            if args.valid:
                tables, split = _earlier(tables, split)
            parts = [
                _judge(tables, split, way, seed, Path(folder))
                for way in args.ways.split(",") if way != "texts" or tables.items["title"].drop_nulls().len()
                for seed in range(args.seeds)
            ]  # fmt: skip
            figures = pl.concat(parts).group_by("target", "metric", "model", maintain_order=True).agg(
                pl.col("value").mean(), lowest=pl.col("value").min(), highest=pl.col("value").max(),
                ci_lower=pl.col("ci_lower").last(), ci_upper=pl.col("ci_upper").last(), n=pl.col("n").last(),
            )  # fmt: skip
            print(SETS[name].title)
            with pl.Config(
                tbl_rows=-1,
                fmt_str_lengths=50,
                tbl_cols=-1,
                tbl_width_chars=160,
                tbl_hide_dataframe_shape=True,
                float_precision=4,
            ):
                print(figures, flush=True)


def _judge(tables: Tables, split: Split, way: str, seed: int, cache: Path) -> pl.DataFrame:
    config = replace(behavior.BehaviorConfig(max_minutes=60.0), pretrain_steps=120 if way == "pretrained" else 0)
    if way == "plain":
        config = replace(config, trend_days=0.0)
    texts = None
    if way == "texts":
        texts = item_vectors(tables.items, LanguageModel.load(), cache / "texts")
    model = behavior.fit(tables, split=split, config=config, texts=texts, seed=seed)
    if way == "plain":
        model.network.own_weight.data.zero_()
        model.network.own_trend_weight.data.zero_()
    start, past = split.valid_end, tables.events.collect()
    popular = recommend.Popularity.fit(before(tables.events, start), tables.customers)
    rankers: dict[str, Recommender] = {
        "popular in the last 28 days": popular,
        "own history, then popular": recommend.OwnHistory(otherwise=popular),
        f"network, {way}": model,
    }
    ranked = recommend.evaluate(
        rankers, past, start=start, end=split.test_end, k=(10,), max_customers=CUSTOMERS, rng=np.random.default_rng(0)
    ).filter(pl.col("metric") == "ndcg@10")
    found = [ranked.with_columns(target=pl.lit("items"))]
    try:
        orders = behavior.order_report(model, tables, split=split, seed=0)
        named = pl.when(pl.col("model") == "network").then(pl.lit(f"network, {way}")).otherwise(pl.col("model"))
        found.append(orders.with_columns(model=named))
    except InsufficientDataError as error:
        print(error)
    columns = ["target", "metric", "model", "value", "ci_lower", "ci_upper", "n"]
    return pl.concat([part.select(columns) for part in found])


def _earlier(tables: Tables, split: Split) -> tuple[Tables, Split]:
    """The log without its test window; what was validation becomes test, and as long a window before it validation."""
    window = split.valid_end - split.train_end
    moved = Split(train_end=split.train_end - window, valid_end=split.train_end, test_end=split.valid_end)
    return replace(tables, events=before(tables.events, split.valid_end)), moved


if __name__ == "__main__":
    main()
