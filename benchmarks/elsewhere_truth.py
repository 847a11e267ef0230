"""Halo, diversion and pull-forward against the truth, with twins and with the items' own forecasts alone.

    python -m benchmarks.elsewhere_truth halo --seeds 40
    python -m benchmarks.elsewhere_truth losses --seeds 16

Generated logs of 200 days. On great days of the shop everybody sells more; sales fall on them, by chance or the deeper
the greater the day. Printed are bias, spread and root mean square error of the estimates of the log alone, their mean
standard error, the coverage of the 90 % interval, and how often it lies above 0.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer

from flashlift.demand.config import DemandConfig
from flashlift.demand.groundwork import lay_groundwork
from flashlift.demand.moved import Moved, measure_moved
from flashlift.demand.threads import one_blas_thread
from flashlift.demand.twins import twin_factor
from flashlift.protocols import FloatArray, IntArray, silent
from flashlift.schema import EVENT_KINDS, Events, Items, Promotions, Tables

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 200
NOW = START + timedelta(days=DAYS)
QUICK = DemandConfig(max_rows=40_000, rounds=30, folds=2)
PAIRS, GROUPS, SIZE = 40, 30, 4
GREAT_DAYS = 4

app = typer.Typer(add_completion=False)


def basket_shop(
    halo: float, seed: int, *, attach: float = 0.2, shock: float = 0.0, follow: float = 0.0, never: int = 0
) -> Tables:
    """Pairs of items; the first of each has three sales, and its orders hold the second too.

    Args:
        halo: chance that an extra order of a sale holds the second item.
        seed: of all chance.
        attach: chance that any other order of the first does.
        shock: largest log factor of a great day; 0 for none, and sales at any time.
        follow: how far the depth of a sale follows the greatness of its days, in [0, 1].
        never: items besides that are never on sale.
    """
    rng = np.random.default_rng(seed)
    n = 2 * PAIRS + never
    base, day = rng.lognormal(0.7, 0.4, n), np.ones(DAYS)
    if shock:
        great = rng.choice(np.arange(30, DAYS - 12, 6), (DAYS - 42) // 12, replace=False)
        size = rng.uniform(0, shock, len(great))
        for first, log_factor in zip(great, size, strict=True):
            day[first : first + GREAT_DAYS] *= np.exp(log_factor)
    usual = base[:, None] * day
    extra, price, deals = np.zeros((n, DAYS)), np.full((n, DAYS), 10.0), []
    for item in range(0, 2 * PAIRS, 2):
        if shock:
            chosen = rng.choice(len(great), 3, replace=False)
            starts, greatness = great[chosen], size[chosen] / shock
        else:
            starts = rng.choice(np.arange(30, DAYS - 10, 40), 3, replace=False) + rng.integers(0, 8, 3)
            greatness = rng.random(3)
        for start, how_great in zip(starts.tolist(), greatness.tolist(), strict=True):
            days = slice(start, start + int(rng.integers(2, 5)))
            depth = 0.15 + 0.35 * ((1 - follow) * rng.random() + follow * how_great)
            price[item, days] = round(10 * (1 - depth), 2)
            extra[item, days] = usual[item, days] * (_lift(depth) - 1)
            deals.append((item, days.start, days.stop, price[item, start]))
    counts = rng.poisson(usual), rng.poisson(extra)
    item, bought, along = [], [], []
    for k in range(n):
        for units, chance in zip(counts, (attach, halo), strict=True):
            when = np.repeat(np.arange(DAYS), units[k])
            if not len(when):
                continue
            when = when + rng.integers(30_000, 70_000, len(when)) / 86_400
            first_of_pair = k < 2 * PAIRS and k % 2 == 0
            with_second = rng.random(len(when)) < chance if first_of_pair else np.zeros(len(when), dtype=bool)
            item.append(np.full(len(when), k))
            bought.append(when)
            along.append(with_second)
    items, at, both = (np.concatenate(parts) for parts in (item, bought, along))
    order = np.arange(len(items))
    return _tables(
        np.append(items, items[both] + 1), np.append(at, at[both]), price, deals, order=np.append(order, order[both])
    )


def great_days_shop(
    seed: int, *, theta: float = 0.3, pull: float = 0.0, shock: float = 0.4, follow: float = 1.0, never: int = 60
) -> tuple[Tables, IntArray]:
    """Groups of four items with two sales each, which take units from the group and from the weeks after.

    Args:
        seed: of all chance.
        theta: share of the extra units that the group would lose if the item were small in it.
        pull: share of them that is missing in the 28 days after.
        shock: largest log factor of a great day.
        follow: how far the depth of a sale follows the greatness of its days, in [0, 1].
        never: items that are never on sale, each a group of its own.

    Returns:
        The tables, and the group of each item.
    """
    rng = np.random.default_rng(seed)
    promoted = GROUPS * SIZE
    base, day = rng.lognormal(0.7, 0.4, promoted + never), np.ones(DAYS)
    great = np.arange(34, 160, 10)
    size = rng.uniform(0, 1, len(great))
    for first, greatness in zip(great, size, strict=True):
        day[first - 1 : first + 5] *= np.exp(shock * greatness)
    rate = base[:, None] * day
    change, price, deals = np.zeros_like(rate), np.full(rate.shape, 10.0), []
    fade = 0.9 ** np.arange(28)
    for item in range(promoted):
        group = np.arange(item // SIZE * SIZE, item // SIZE * SIZE + SIZE)
        others = group[group != item]
        for k in rng.choice(len(great), 2, replace=False):
            length = int(rng.integers(2, 5))
            start = int(great[k] + rng.integers(0, 2))
            depth = 0.1 + 0.35 * (follow * size[k] + (1 - follow) * rng.random())
            days = slice(start, start + length)
            price[item, days] = round(10 * (1 - depth), 2)
            extra = rate[item, days] * (_lift(depth) - 1)
            change[item, days] += extra
            change[others, days] -= theta * extra * (base[others] / base[group].sum())[:, None]
            after = change[item, days.stop : days.stop + 28]
            after -= (pull * extra.sum() * fade / fade.sum())[: len(after)]
            deals.append((item, days.start, days.stop, price[item, start]))
    counts = rng.poisson(np.maximum(rate + change, 0.02))
    item_of, when = (a.repeat(counts.ravel()) for a in (b.ravel() for b in np.indices(counts.shape)))
    at = when + rng.integers(30_000, 70_000, len(when)) / 86_400
    groups = np.append(np.arange(promoted) // SIZE, GROUPS + np.arange(never))
    return _tables(item_of, at, price, deals), groups


def _lift(depth: float) -> float:
    return float(np.exp(0.3) * (1 - depth) ** -2)


def _tables(
    item: IntArray,
    at: FloatArray,
    price: FloatArray,
    deals: list[tuple[int, int, int, float]],
    order: IntArray | None = None,
) -> Tables:
    """Purchases of one unit each, at days since the start, and the sales."""
    text = pl.lit(None, dtype=pl.String)
    number = np.arange(len(item)) if order is None else order
    bought = pl.DataFrame(
        {"item": item, "day": at, "order": number, "price": price[item, at.astype(np.int64)]}
    ).with_row_index("event_id")
    events = bought.select(
        pl.col("event_id").cast(pl.String),
        *(text.alias(name) for name in ("customer_id", "currency", "session_id", "exposure_id", "channel", "region")),
        text.alias("store_id"),
        _named(pl.col("item")).alias("item_id"),
        pl.lit("purchase").cast(pl.Enum(list(EVENT_KINDS))).alias("event"),
        _instant(pl.col("day")).alias("at"),
        "price",
        pl.lit(1, dtype=pl.Int64).alias("quantity"),
        pl.format("o{}", "order").alias("order_id"),
    )
    items = pl.DataFrame({"item": np.arange(len(price))}).select(
        _named(pl.col("item")).alias("item_id"),
        *(text.alias(name) for name in ("title", "brand", "attributes")),
        pl.lit("a").alias("category"),
        pl.lit(10.0).alias("list_price"),
        pl.lit(5.0).alias("unit_cost"),
        pl.lit(100, dtype=pl.Int64).alias("stock"),
    )
    promotions = pl.DataFrame(deals, schema=["item", "start", "end", "price"], orient="row").select(
        _named(pl.col("item")).alias("item_id"),
        _instant(pl.col("start")).alias("start"),
        _instant(pl.col("end")).alias("end"),
        "price",
        pl.lit(None, dtype=pl.Int64).alias("position"),
        pl.lit(False).alias("randomized"),
    )
    return Tables(
        events=Events.validate(events.select(Events.column_names())).sort("at", "event_id").lazy(),
        items=Items.validate(items.select(Items.column_names())),
        promotions=Promotions.validate(promotions),
    )


def _named(item: pl.Expr) -> pl.Expr:
    return pl.format("i{}", item.cast(pl.String).str.zfill(3))


def _instant(day: pl.Expr) -> pl.Expr:
    return pl.lit(START).cast(pl.Datetime("us", "UTC")) + pl.duration(seconds=(day * 86_400).round().cast(pl.Int64))


def _own_forecast(*args: Any, **_: Any) -> FloatArray:
    return np.ones(len(args[2]))


CONTROLS = {"own forecast alone": _own_forecast, "twins": twin_factor}


def estimates(tables: Tables, group: IntArray | None = None) -> dict[str, Moved]:
    """What a log says by each control; `group`: substitutes of the items, without it none are."""
    with one_blas_thread():
        ground = lay_groundwork(tables, NOW, QUICK, rng=np.random.default_rng(0), progress=silent)
        number = np.array([int(item_id[1:]) for item_id in ground.panel.item_ids])
        known = np.arange(len(number)) if group is None else np.unique(group[number], return_inverse=True)[1]
        return {name: measure_moved(ground, tables, known, control) for name, control in CONTROLS.items()}


HALO_CASES = (
    {"halo": 0.2},
    {"halo": 0.0},
    {"halo": 0.0, "shock": 0.4, "never": 60},
    {"halo": 0.0, "shock": 0.4, "follow": 1.0, "never": 60},
    {"halo": 0.2, "shock": 0.4, "follow": 1.0, "never": 60},
)
LOSS_CASES = (
    {"theta": 0.3, "pull": 0.0, "shock": 0.0},
    {"theta": 0.3, "pull": 0.2, "follow": 0.0},
    {"theta": 0.3, "pull": 0.0},
    {"theta": 0.0, "pull": 0.2},
)
OF = {"halo": "halo", "theta": "diverted", "pull": "pull"}


@app.command()
def halo(
    seeds: Annotated[int, typer.Option(min=2, help="Logs per case.")] = 40,
    first: Annotated[int, typer.Option(min=0, help="First seed.")] = 0,
) -> None:
    """The halo of pairs that are bought together."""
    for case in HALO_CASES:
        _show(case, [estimates(basket_shop(seed=seed, **case)) for seed in range(first, first + seeds)])


@app.command()
def losses(
    seeds: Annotated[int, typer.Option(min=2, help="Logs per case.")] = 16,
    first: Annotated[int, typer.Option(min=0, help="First seed.")] = 0,
) -> None:
    """What substitutes and later weeks lose."""
    for case in LOSS_CASES:
        _show(case, [estimates(*great_days_shop(seed, **case)) for seed in range(first, first + seeds)])


def _show(case: dict[str, float], found: list[dict[str, Moved]]) -> None:
    print(", ".join(f"{name} {value:g}" for name, value in case.items()))
    for name in (name for name in OF if name in case):
        for control in CONTROLS:
            shares = [getattr(one[control], OF[name]) for one in found]
            told = [(share.measured, share.measured_sd) for share in shares if share.measured is not None]
            value, error = np.array(told).T
            away = value - case[name]
            print(
                f"  {name:5} {control:18}: bias {away.mean():+.3f}, spread {value.std():.3f}, "
                f"rmse {np.sqrt((away**2).mean()):.3f}, se {error.mean():.3f}, "
                f"coverage {(np.abs(away) < 1.645 * error).mean():.2f}, above 0 {(value > 1.645 * error).mean():.2f}"
            )


if __name__ == "__main__":
    app()
