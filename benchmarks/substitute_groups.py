"""Do the learned groups of substitutes agree with the truth, also in shops that name their goods otherwise?

    python -m benchmarks.substitute_groups --worlds substitution,mixture --seeds 5

Visitors of the simulated shops look at goods of a category that they like, whatever the product type. So that looks can
tell anything, a share of those that end without a purchase is dealt anew among the visits of the same day: to visits
that begin, or end in a purchase, within the product type. How often an item is looked at on a day stays as it is.

Titles come as they are ("Dune Eco Kettle"), with their words in a random order, with a meaningless last word, or not at
all. Printed are precision and recall of pairs and the adjusted Rand index (Hubert and Arabie, 1985), means over shops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, get_args

import numpy as np
import polars as pl
import typer
from sklearn.metrics import adjusted_rand_score

from flashlift.demand.config import DemandConfig
from flashlift.demand.panel import Panel, build_panel
from flashlift.demand.substitutes import learn_groups
from flashlift.market import WORLDS, MarketConfig, simulate
from flashlift.protocols import IntArray
from flashlift.schema import Tables

Titles = Literal["as they are", "shuffled", "last word scrambled", "none"]
Evidence = Literal["last word", "titles", "co-views", "all"]
COMPARING = (0.0, 0.3, 0.6)  # share of the looks without a purchase that are dealt anew
SCRAMBLES = 60  # meaningless words

app = typer.Typer(add_completion=False)


def comparing(events: pl.DataFrame, kind: dict[str, int], share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Events with a share of the looks dealt anew; each day's looks at each item stay as many.

    Args:
        events: schema Events with sessions.
        kind: product type of each item.
        share: of the looks that are not the first of their visit and end without a purchase, in [0, 1].
        rng: chooses them.
    """
    key = ["session_id", "item_id"]
    bought = events.filter(pl.col("event") == "purchase").unique(key, maintain_order=True)
    looks = events.filter(pl.col("event") == "view").unique(key, keep="first", maintain_order=True)
    aim = bought.unique("session_id", keep="first", maintain_order=True).select("session_id", aim="item_id")
    looks = looks.join(bought.select(*key, bought=True), on=key, how="left", maintain_order="left").join(
        aim, on="session_id", how="left", maintain_order="left"
    )
    opened = pl.col("item_id").first().over("session_id")
    looks = looks.with_columns(aim=pl.coalesce("aim", opened), first=pl.int_range(pl.len()).over("session_id") == 0)
    loose = looks["bought"].is_null().to_numpy() & ~looks["first"].to_numpy() & (rng.random(len(looks)) < share)
    item = looks["item_id"].to_list()
    want = [kind[aim] for aim in looks["aim"]]
    day = looks["at"].dt.date().to_physical().to_numpy()
    for one in np.unique(day[loose]):
        _deal(item, want, kind, rng.permutation(np.flatnonzero(loose & (day == one))).tolist())
    return looks.with_columns(item_id=pl.Series(item)).select(events.columns)


def _deal(item: list[str], want: Sequence[int], kind: dict[str, int], looks: list[int]) -> None:
    """Give each look an item of the wanted kind while there are some of these looks' items; then any."""
    pool: dict[int, list[str]] = {}
    for k in looks:
        pool.setdefault(kind[item[k]], []).append(item[k])
    open_looks = []
    for k in looks:
        if pool.get(want[k]):
            item[k] = pool[want[k]].pop()
        else:
            open_looks.append(k)
    left = [one for items in pool.values() for one in items]
    for k, one in zip(open_looks, left, strict=True):
        item[k] = one


def retitled(title: Sequence[str], how: Titles, rng: np.random.Generator) -> list[str | None]:
    """Titles of a shop that names its goods otherwise."""
    if how == "none":
        return [None] * len(title)
    if how == "shuffled":
        return [" ".join(rng.permutation(text.split())) for text in title]
    if how == "last word scrambled":
        return [" ".join([*text.split()[:-1], f"x{rng.integers(SCRAMBLES)}"]) for text in title]
    return list(title)


def groups_of(evidence: Evidence, tables: Tables, panel: Panel, title: Sequence[str | None]) -> IntArray:
    """Groups by one kind of evidence, or all."""
    if evidence == "last word":
        words = [(text or "").split() for text in title]
        names = [
            f"{category} {word[-1].lower()}" if word else f"none {k}"
            for k, (category, word) in enumerate(zip(panel.category, words, strict=True))
        ]
        return np.unique(names, return_inverse=True)[1]
    if evidence == "titles":
        return learn_groups(replace(tables, events=tables.events.head(0)), panel, title)
    if evidence == "co-views":
        return learn_groups(tables, panel, [None] * len(title))
    return learn_groups(tables, panel, title)


def agreement(truth: IntArray, found: IntArray) -> tuple[float, float, float]:
    """Precision and recall of pairs, and adjusted Rand index; a precision of no pairs is not a number."""
    up = np.triu_indices(len(truth), 1)
    real, said = (one[up[0]] == one[up[1]] for one in (truth, found))
    both = (real & said).sum()
    return both / said.sum() if said.any() else np.nan, both / real.sum(), adjusted_rand_score(truth, found)


@app.command()
def main(
    *,
    worlds: Annotated[str, typer.Option(help="Worlds, separated by commas.")] = ",".join(WORLDS),
    seeds: Annotated[int, typer.Option(min=1, help="Shops per world, from seed 0.")] = 5,
    events: Annotated[int, typer.Option(min=1_000, help="Events in the log of a shop.")] = 200_000,
) -> None:
    """Print one row per share of comparing visitors, naming of goods and evidence."""
    rows = []
    for world in worlds.split(","):
        for seed in range(seeds):
            shop = simulate(MarketConfig.sized(events, world=world), seed=seed)
            panel = build_panel(shop.tables, shop.now, DemandConfig())
            kind = dict(zip(shop.items.frame["item_id"], shop.items.group.tolist(), strict=True))
            names = dict(zip(shop.items.frame["item_id"], shop.items.frame["title"], strict=True))
            truth = np.array([kind[item] for item in panel.item_ids])
            log = shop.tables.events.collect()
            for share in COMPARING:
                looks = comparing(log, kind, share, np.random.default_rng((seed, 1)))
                seen = pl.concat([log.filter(pl.col("event") != "view"), looks]).sort("at", "event_id")
                tables = replace(shop.tables, events=seen.lazy())
                for how in get_args(Titles):
                    title = retitled([names[one] for one in panel.item_ids], how, np.random.default_rng((seed, 2)))
                    for evidence in get_args(Evidence):
                        found = groups_of(evidence, tables, panel, title)
                        rows.append((world, seed, share, how, evidence, *agreement(truth, found)))
    columns = ["world", "seed", "comparing", "titles", "evidence", "precision", "recall", "rand"]
    table = pl.DataFrame(rows, schema=columns, orient="row")
    figures = pl.col("precision", "recall", "rand").fill_nan(None)
    spread = pl.col("rand").std().alias("rand_sd")
    with pl.Config(tbl_rows=-1, tbl_cols=-1, float_precision=2, tbl_width_chars=140):
        print(
            table.group_by("world", "comparing", "titles", "evidence", maintain_order=True).agg(figures.mean(), spread)
        )


if __name__ == "__main__":
    app()
