"""What the summary of a store says of costs."""

from datetime import datetime

import pytest

from flashlift.events import quality


def test_items_that_are_usually_sold_below_cost_are_named(tmp_path, log, read):
    read(
        log(
            {
                "item_id": ["leader", "leader", "leader", "once", "once", "once", "unknown"],
                "at": [datetime(2019, 5, day) for day in (1, 2, 3, 1, 2, 3, 1)],
                "price": [1.5, 1.0, 3.0, 3.0, 1.0, 3.0, 0.5],
                "quantity": [1, 2, 1, 1, 5, 1, 1],
                "unit_cost": [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, None],
            }
        )
    )
    found = quality(tmp_path / "store")
    assert found.below_cost == (3, 6)
    leader = found.loss_leaders.row(0, named=True)
    assert found.loss_leaders.height == 1
    assert leader == {"item_id": "leader", "rows": 2, "share": pytest.approx(2 / 3), "lost": pytest.approx(2.5)}
    row = found.to_polars().row(-1, named=True)
    assert (row["section"], row["name"], row["rows"], row["share"]) == ("bought", "below cost", 3, 0.5)
    assert "1 items usually" in row["note"]


def test_without_costs_nothing_is_said_of_them(tmp_path, log, read):
    read(log({"price": [1.0]}))
    found = quality(tmp_path / "store")
    assert found.below_cost == (0, 0) and found.loss_leaders.is_empty()
    assert "below cost" not in found.to_polars()["name"].to_list()
