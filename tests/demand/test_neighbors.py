"""Items that never sold: what titles and categories tell of their units."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashlift.demand import DemandConfig, FittedDemand, fit
from flashlift.demand.neighbors import rates_of_neighbors
from flashlift.schema import Items, Tables

from .conftest import make_items, make_slots, steady_shop

NOW = datetime(2025, 3, 2, tzinfo=UTC)
KNOWN = ["Oak Chair", "Pine Chair", "Brass Lamp", "Steel Lamp", None]
LEVEL = np.array([8.0, 6.0, 1.0, 0.5, 3.0])
TITLES = st.one_of(st.none(), st.lists(st.sampled_from(["oak", "pine", "chair", "lamp", "sofa", "a"])).map(" ".join))


def plain(title: str | None, group: float) -> float:
    """Oracle: TF-IDF by hand, every pair in a loop; titles here repeat no word, so each counts once."""
    split = [set() if text is None else set(text.lower().split()) for text in KNOWN]
    idf = {w: np.log((1 + len(KNOWN)) / (1 + sum(w in s for s in split))) + 1 for w in set().union(*split)}

    def vector(words: set[str]) -> dict[str, float]:
        found = {w: idf[w] for w in words if w in idf}
        size = np.sqrt(sum(v * v for v in found.values()))
        return {w: v / size for w, v in found.items()}

    mine = vector(set() if title is None else set(title.lower().split()))
    weights = np.array([sum(v * vector(s).get(w, 0.0) for w, v in mine.items()) for s in split])
    return float((weights @ LEVEL + group) / (weights.sum() + 1.0))


@pytest.mark.parametrize("title", ["Oak Chair", "Walnut chair", "Brass Chair", "Sofa", "", None])
def test_the_rate_is_that_of_similar_titles_and_the_category(title: str | None) -> None:
    got = rates_of_neighbors([title], np.array([2.0]), KNOWN, LEVEL)
    np.testing.assert_allclose(got, plain(title, 2.0))


@given(titles=st.lists(TITLES, min_size=1, max_size=5), group=st.floats(0.01, 20.0), known=st.lists(TITLES, max_size=6))
def test_a_rate_lies_between_those_it_is_made_of(titles: list[str | None], group: float, known: list) -> None:
    level = np.linspace(0.5, 9.0, len(known))
    rates = rates_of_neighbors(titles, np.full(len(titles), group), known, level)
    edges = np.append(level, group)
    assert (rates >= edges.min() - 1e-9).all()
    assert (rates <= edges.max() + 1e-9).all()
    alone = [rates_of_neighbors([title], np.array([group]), known, level)[0] for title in titles]
    np.testing.assert_allclose(rates, alone)


def test_without_any_title_the_category_stays() -> None:
    group = np.array([2.0, 5.0])
    np.testing.assert_array_equal(rates_of_neighbors(["Oak Chair", None], group, [None, ""], np.ones(2)), group)
    np.testing.assert_array_equal(rates_of_neighbors([None, "Sofa"], group, KNOWN, LEVEL), group)


def titled_shop() -> Tables:
    """Ten chairs that sell six units a day and ten lamps that sell one, in one category."""
    quick, slow = steady_shop(10, 60, seed=1), steady_shop(10, 60, seed=2)
    lines = slow.events.collect().with_columns(
        pl.col("item_id").str.replace("i0", "j0"), pl.format("j{}", "event_id").alias("event_id")
    )
    half = lines.sample(fraction=1 / 3, seed=0)
    twice = quick.events.collect()
    again = twice.with_columns(pl.format("k{}", "event_id").alias("event_id"))
    chairs = make_items(10).with_columns(title=pl.format("Chair {}", "item_id"))
    lamps = (
        make_items(10)
        .with_columns(pl.col("item_id").str.replace("i0", "j0"))
        .with_columns(title=pl.format("Lamp {}", "item_id"))
    )
    return Tables(
        events=pl.concat([twice, again, half]).sort("at", "event_id").lazy(),
        items=Items.validate(pl.concat([chairs, lamps])),
    )


@pytest.fixture(scope="module")
def titled(quick: DemandConfig) -> FittedDemand:
    return fit(titled_shop(), until=NOW, config=quick, rng=np.random.default_rng(0))


def new_items(*titles: str | None) -> pl.DataFrame:
    items = make_items(len(titles)).with_columns(
        item_id=pl.Series([f"new {k}" for k in range(len(titles))]), title=pl.Series(titles, dtype=pl.String)
    )
    return Items.validate(items)


def day_units(model: FittedDemand, items: pl.DataFrame) -> np.ndarray:
    return model.draw(items, make_slots(NOW, 1, hours=24), 2, rng=np.random.default_rng(0)).slot_units[:, 0]


def test_a_new_item_sells_like_those_of_its_kind(titled: FittedDemand) -> None:
    chair, lamp, unknown, untitled = day_units(titled, new_items("Chair new", "Lamp new", "Sofa", None))
    assert chair > 1.5 * unknown
    assert lamp < 0.7 * unknown
    assert unknown == untitled
    assert 0.5 * 3.5 < untitled < 1.5 * 3.5, "an item never offered sells like its category, not like one asleep"


def test_known_items_do_not_depend_on_titles(titled: FittedDemand) -> None:
    known = titled_shop().items
    both = pl.concat([known, new_items("Chair new")])
    alone = day_units(titled, known.with_columns(title=pl.lit(None, dtype=pl.String)))
    np.testing.assert_array_equal(day_units(titled, both)[:-1], alone)


def test_titles_are_saved(titled: FittedDemand, tmp_path) -> None:
    items = new_items("Chair new", "Lamp new", None)
    titled.save(tmp_path / "model", inputs="x")
    loaded = FittedDemand.load(tmp_path / "model")
    assert loaded.titles == titled.titles
    np.testing.assert_array_equal(day_units(loaded, items), day_units(titled, items))


def test_a_shop_without_titles_goes_by_category(quick: DemandConfig) -> None:
    tables = titled_shop()
    bare = replace(tables, items=tables.items.with_columns(title=pl.lit(None, dtype=pl.String)))
    model = fit(bare, until=NOW, config=quick, rng=np.random.default_rng(0))
    assert np.ptp(day_units(model, new_items("Chair new", "Lamp new", None))) == 0.0
