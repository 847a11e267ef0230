"""Groups of substitutes: recovered from habits and titles whose truth is known, and laws of the partition."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from flashlift.demand import DemandConfig
from flashlift.demand.panel import build_panel
from flashlift.demand.substitutes import MOST_IN_GROUP, group_pairs, join_groups, learn_groups, without_brand
from flashlift.demand.titles import TitleVectors
from flashlift.market import SimulatedShop
from flashlift.protocols import IntArray
from flashlift.schema import EVENT_KINDS, Events, Tables

from .conftest import make_items

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS, KINDS, SIZE = 60, 12, 4
N = KINDS * SIZE
KIND = np.repeat(np.arange(KINDS), SIZE)
UNTITLED: list[str | None] = [None] * N
ABSENT = -1.5


def habits(
    rng: np.random.Generator, *, visits: int, choosy: float, customers: int = 3_000, from_day: int = 0
) -> Tables:
    """Visitors who look at four items and buy one or two; from some day on a share of them compares within a kind.

    The first items of kinds 0 and 1 are looked at and bought together, as a camera and its bag are: complements.
    """
    popular = rng.lognormal(0.0, 0.7, N)
    popular /= popular.sum()
    rows = []
    for visit in range(visits):
        who, at = f"u{rng.integers(customers)}", START + timedelta(minutes=float(rng.uniform(0, DAYS * 1440 - 60)))
        wanted = int(rng.choice(N, p=popular))
        looks = [wanted]
        if rng.random() < choosy and at >= START + timedelta(days=from_day):
            looks += rng.permutation(np.flatnonzero(KIND[wanted] == KIND)).tolist()
        looks += rng.choice(N, 3, p=popular).tolist()
        bought = [wanted] if rng.random() < 0.7 else [wanted, looks[-1]]
        if wanted in (0, SIZE):
            bought = [0, SIZE]
            looks += bought
        lines = [(item, "view") for item in looks] + [(item, "purchase") for item in bought]
        rows += [(who, f"v{visit}", f"i{i:03d}", kind, at + timedelta(seconds=n)) for n, (i, kind) in enumerate(lines)]
    return Tables(events=_events(rows).lazy(), items=make_items(N))


def _events(rows: list[tuple[str | None, str | None, str, str, datetime]]) -> pl.DataFrame:
    """Events of a customer, visit, item, kind and time each; the visit's purchases are one order."""
    text, bought = pl.lit(None, dtype=pl.String), pl.col("event") == "purchase"
    columns = ["customer_id", "session_id", "item_id", "event", "at"]
    types = {"event": pl.Enum(list(EVENT_KINDS)), "at": pl.Datetime("us", "UTC")}
    frame = pl.DataFrame(rows, schema=columns, schema_overrides=types, orient="row").with_columns(
        event_id=pl.int_range(pl.len()).cast(pl.String),
        price=pl.lit(10.0),
        quantity=pl.lit(1, dtype=pl.Int64),
        order_id=pl.when(bought).then("session_id"),
        **dict.fromkeys(("currency", "exposure_id", "channel", "region", "store_id"), text),
    )
    return Events.validate(frame.select(Events.column_names()).sort("at", "event_id"))


def groups(tables: Tables, title: list[str | None] | None = None, until_day: int = DAYS) -> IntArray:
    panel = build_panel(tables, START + timedelta(days=until_day), DemandConfig())
    return learn_groups(tables, panel, title or [None] * len(panel.item_ids))


def test_who_compares_tells_the_kinds_and_complements_stay_apart() -> None:
    for seed in range(3):
        found = groups(habits(np.random.default_rng(seed), visits=4_000, choosy=0.3))
        assert adjusted_rand_score(KIND, found) > 0.9
        assert found[0] != found[SIZE]


def test_looks_at_random_make_no_groups() -> None:
    for seed in range(3):
        found = groups(habits(np.random.default_rng(seed), visits=4_000, choosy=0.0))
        pairs = (found[:, None] == found)[np.triu_indices(N, 1)]
        assert pairs.mean() < 0.01, "one pair in a hundred may be chance"


def test_one_customer_makes_no_groups() -> None:
    assert len(set(groups(habits(np.random.default_rng(0), visits=4_000, choosy=0.3, customers=1)))) == N


def test_without_views_and_titles_everything_stands_alone() -> None:
    tables = habits(np.random.default_rng(0), visits=2_000, choosy=0.3)
    bare = replace(tables, events=tables.events.filter(pl.col("event") != "view"))
    np.testing.assert_array_equal(groups(bare), np.arange(N))


def test_titles_serve_a_shop_without_views_or_customers() -> None:
    tables = habits(np.random.default_rng(0), visits=2_000, choosy=0.3)
    bare = replace(tables, events=tables.events.filter(pl.col("event") != "view"))
    nobody = pl.lit(None, dtype=pl.String)
    nameless = replace(bare, events=bare.events.with_columns(customer_id=nobody, session_id=nobody, order_id=nobody))
    title: list[str | None] = [f"Kind{kind} color{k % SIZE}" for k, kind in enumerate(KIND)]
    assert adjusted_rand_score(KIND, groups(nameless, title)) == 1.0
    found = groups(bare, title)
    assert adjusted_rand_score(KIND, found) > 0.9
    assert found[0] != found[SIZE]


def test_what_is_bought_in_one_order_is_no_substitute_whatever_its_name() -> None:
    tables = habits(np.random.default_rng(0), visits=2_000, choosy=0.0)
    title = list(UNTITLED)
    title[0] = title[SIZE] = "Camera"
    title[1] = title[2] = "Lamp"
    found = groups(tables, title)
    assert found[0] != found[SIZE]
    assert found[1] == found[2]


def test_nothing_after_the_end_is_read() -> None:
    tables = habits(np.random.default_rng(1), visits=4_000, choosy=0.6, from_day=40)
    early = replace(tables, events=tables.events.filter(pl.col("at") < START + timedelta(days=40)))
    np.testing.assert_array_equal(groups(tables, until_day=40), groups(early, until_day=40))
    assert len(set(groups(tables, until_day=40))) > 0.9 * N
    assert len(set(groups(tables))) < 0.5 * N


@pytest.mark.parametrize("how", ["as they are", "words in another order"])
def test_the_kinds_of_a_simulated_shop_are_found_whatever_the_order_of_words(how: str, shop: SimulatedShop) -> None:
    panel = build_panel(shop.tables, shop.now, DemandConfig())
    names = dict(zip(shop.items.frame["item_id"], shop.items.frame["title"], strict=True))
    kinds = dict(zip(shop.items.frame["item_id"], shop.items.group, strict=True))
    title = [names[one] for one in panel.item_ids]
    if how != "as they are":
        title = [" ".join(reversed(text.split())) for text in title]
    found = learn_groups(shop.tables, panel, title)
    assert adjusted_rand_score([kinds[one] for one in panel.item_ids], found) > 0.9
    assert np.bincount(found).max() <= MOST_IN_GROUP


@settings(max_examples=50, deadline=None)
@given(n=st.integers(2, 40), dense=st.floats(0.0, 1.0), seed=st.integers(0, 1_000))
def test_a_group_is_small_and_likely(n: int, dense: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(n, 1)
    some = rng.random(len(left)) < dense
    left, right = left[some], right[some]
    drawn = rng.normal(0.0, 3.0, len(left))
    odds = dict(zip(zip(left.tolist(), right.tolist(), strict=True), drawn.tolist(), strict=True))
    found = group_pairs(left, right, drawn, n)
    assert len(found) == n
    assert list(dict.fromkeys(found.tolist())) == list(range(found.max() + 1)), "numbered by first items"
    assert np.bincount(found).max() <= MOST_IN_GROUP
    for group in range(found.max() + 1):
        inside = np.flatnonzero(found == group).tolist()
        within = [odds.get((a, b), ABSENT) for k, a in enumerate(inside) for b in inside[k + 1 :]]
        assert not within or sum(within) > 0


def test_a_hundred_alike_make_groups_of_bounded_size() -> None:
    left, right = np.triu_indices(100, 1)
    sizes = np.bincount(group_pairs(left, right, np.ones(len(left)), 100))
    assert sizes.max() == MOST_IN_GROUP


def test_brands_are_no_kinds() -> None:
    assert without_brand(["Dune Eco Kettle", "dune lamp", None, "Vase"], ["Dune", "Dune", "Dune", None]) == [
        "Eco Kettle",
        "lamp",
        None,
        "Vase",
    ]


def test_a_new_item_joins_by_its_title_within_its_category() -> None:
    vectors = TitleVectors(["Oak Chair", "Pine Chair", "Brass Lamp", None])
    joined = join_groups(
        vectors,
        np.array([0, 0, 1, 2]),
        np.array([1, 1, 1, 1]),
        ["Walnut Chair", "Lamp", "Chair", "Sofa", None, "Lamp"],
        np.array([1, 1, 2, 1, 1, -1]),
    )
    assert joined[:2].tolist() == [0, 1]
    assert sorted(joined[2:].tolist()) == [5, 6, 7, 8]
