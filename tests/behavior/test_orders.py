from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from tests.behavior.log import SPLIT, TINY, log, tables

from flashlift.behavior import fit, order_report
from flashlift.errors import InsufficientDataError
from flashlift.schema import Items

CATEGORIES = ("toys/cars", "toys/dolls", "home")


def shop(rng, n_customers=150):
    """Customers go from category to category in a fixed circle; each has its own level of spending."""
    rows = []
    for customer in range(n_customers):
        time, place, level = rng.exponential(60.0), int(rng.integers(3)), rng.normal(3.0, 1.0)
        while time < 2880:
            place = (place + 1) % 3 if rng.random() < 0.95 else int(rng.integers(3))
            rows.append(
                (f"c{customer}", f"i{place}-{rng.integers(4)}", time, float(np.exp(level + rng.normal(0, 0.3))))
            )
            time += rng.exponential(60.0)
    names = ("customer_id", "item_id", "hours", "price")
    return log(dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True)))


@pytest.fixture(scope="module")
def made():
    events = shop(np.random.default_rng(0))
    ids = [f"i{place}-{k}" for place in range(3) for k in range(4)]
    items = pl.DataFrame({"item_id": ids, "category": [CATEGORIES[int(name[1])] for name in ids]})
    blank = [pl.lit(None, kind).alias(name) for name, kind in Items.create_empty().schema.items()
             if name not in items.columns]  # fmt: skip
    both = replace(tables(events), items=items.with_columns(blank).select(list(Items.column_names())))
    config = replace(TINY, max_steps=150, eval_every=30, category_weight=2.0, value_weight=1.0)
    return both, fit(both, split=SPLIT, config=config, seed=0)


def test_it_foresees_a_circle_of_categories_and_a_level_of_spending(made):
    shop_tables, model = made
    table = order_report(model, shop_tables, split=SPLIT, seed=0)
    found = {(row["target"], row["model"]): row for row in table.iter_rows(named=True)}
    assert found["category", "network"]["ci_lower"] > 0.8  # 19 in 20 follow the circle
    assert found["category", "category of the last order"]["ci_upper"] < 0.2
    assert found["category", "most frequent category"]["value"] == pytest.approx(1 / 3, abs=0.1)
    spread = np.sqrt(2 / np.pi)  # mean absolute deviation of a standard normal
    assert found["value", "mean of own orders"]["value"] == pytest.approx(0.3 * spread, abs=0.05)
    assert found["value", "network"]["ci_upper"] < 0.7 * found["value", "mean of all"]["ci_lower"]


def test_a_parent_category_is_the_sum_of_its_children(made):
    shop_tables, model = made
    events = shop_tables.events.collect()
    names, leaves = model.category_probability(events, ["c1", "c2"], SPLIT.valid_end)
    tops, parents = model.category_probability(events, ["c1", "c2"], SPLIT.valid_end, level=1)
    assert sorted(names) == sorted(CATEGORIES) and sorted(tops) == ["home", "toys"]
    np.testing.assert_allclose(leaves.sum(axis=1), 1.0)
    children = [k for k, name in enumerate(names) if name.startswith("toys")]
    np.testing.assert_allclose(parents[:, tops.index("toys")], leaves[:, children].sum(axis=1))


def test_the_categories_are_calibrated_and_the_calibration_is_kept(made, tmp_path):
    _, model = made
    assert model.network.category_scale != 1.0
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    assert torch.equal(loaded.network.category_scale, model.network.category_scale)


def test_too_few_orders_are_refused(made):
    shop_tables, model = made
    few = replace(shop_tables, events=shop_tables.events.filter(pl.col("at") < SPLIT.valid_end))
    with pytest.raises(InsufficientDataError, match="too few to judge"):
        order_report(model, few, split=SPLIT, seed=0)
