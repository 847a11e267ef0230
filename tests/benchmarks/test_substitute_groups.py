"""The benchmark of the groups of substitutes: what it changes in a log, and how it judges."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from benchmarks.substitute_groups import agreement, comparing, retitled

from flashlift.market import MarketConfig, simulate


def test_comparing_moves_looks_between_visits_of_a_day_and_nothing_else() -> None:
    shop = simulate(MarketConfig.sized(20_000), seed=0)
    log = shop.tables.events.collect()
    kind = dict(zip(shop.items.frame["item_id"], shop.items.group.tolist(), strict=True))
    before, after = (comparing(log, kind, share, np.random.default_rng(0)) for share in (0.0, 1.0))
    day = pl.col("at").dt.date().alias("day")
    daily = [one.group_by(day, "item_id").len().sort("day", "item_id") for one in (before, after)]
    assert daily[0].equals(daily[1])
    assert before.drop("item_id").equals(after.drop("item_id"))

    def of_one_kind(looks: pl.DataFrame) -> float:
        kinds = looks.with_columns(kind=pl.col("item_id").replace_strict(kind, return_dtype=pl.Int64))
        opened = pl.col("kind").first().over("session_id")
        later = kinds.select(alike=pl.col("kind") == opened, nth=pl.int_range(pl.len()).over("session_id"))
        return later.filter(pl.col("nth") > 0)["alike"].mean()

    assert of_one_kind(after) > 3 * of_one_kind(before)


def test_agreement_is_that_of_counting_pairs() -> None:
    precision, recall, rand = agreement(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 2]))
    assert precision == 1.0
    assert recall == pytest.approx(2 / 4)
    assert 0 < rand < 1
    assert np.isnan(agreement(np.array([0, 0]), np.array([0, 1]))[0])


def test_titles_keep_what_they_should() -> None:
    titles = ["Dune Eco Kettle", "Pike Budget Cutting Board"]
    rng = np.random.default_rng(0)
    assert [sorted((text or "").split()) for text in retitled(titles, "shuffled", rng)] == [
        sorted(text.split()) for text in titles
    ]
    scrambled = retitled(titles, "last word scrambled", rng)
    assert [(text or "").split()[:-1] for text in scrambled] == [text.split()[:-1] for text in titles]
    assert retitled(titles, "none", rng) == [None, None]
