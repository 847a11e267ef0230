from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.demand_scale import __main__ as scale
from benchmarks.demand_scale.log import NOW, generate, tables

from flashlift.demand import FittedDemand
from flashlift.schema import Events, ItemHistory, Items, Promotions

ITEMS = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("log")
    generate(place, ITEMS)
    return place


def test_the_log_is_one_that_a_shop_could_have(folder: Path) -> None:
    shop = tables(folder)
    events = shop.events.collect()
    assert shop.history is not None
    assert shop.promotions is not None
    Events.validate(events)
    Items.validate(shop.items)
    ItemHistory.validate(shop.history)
    Promotions.validate(shop.promotions)
    assert events["at"].is_sorted()
    assert events["at"].max() < NOW  # type: ignore[operator]
    bought = events.filter(pl.col("event") == "purchase")
    assert 15.0 < bought.height / ITEMS < 30.0
    assert 1.8 < (events.height - bought.height) / bought.height < 2.3
    stock = shop.history.sort("at").select("item_id", "at", "on_hand")
    then = bought.join_asof(stock, on="at", by="item_id", check_sortedness=False)
    assert then["on_hand"].min() == 100
    assert (stock["on_hand"] == 0).sum() > 10
    assert shop.promotions.group_by("item_id").len()["len"].max() == 4
    paid = bought.join(shop.items.select("item_id", "list_price"), on="item_id")
    off = (paid["price"] < paid["list_price"]).mean()
    assert isinstance(off, float)
    assert 0.02 < off < 0.4


def test_every_stage_runs_and_every_cell_is_evaluated_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "BLOCK", 777)
    for stage in scale.STAGES.values():
        stage(folder)
    assert scale.copy(folder) > 0.0
    assert pl.read_parquet(folder / "copy.parquet").equals(pl.read_parquet(folder / "events.parquet"))
    assert f"{ITEMS * 500:,} cells" in capsys.readouterr().out
    assert len(FittedDemand.load(folder / "again").item_ids) == ITEMS
    parts = [np.column_stack(block) for block in scale._blocks(ITEMS)]
    assert max(len(part) for part in parts) <= 777
    every = np.concatenate(parts)
    assert len(np.unique(every, axis=0)) == len(every) == ITEMS * scale.SLOTS * len(scale.DISCOUNTS)


def test_the_table_sets_each_stage_beside_the_copy_and_the_size_before(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def timed(command: list[str], env: dict[str, str]) -> tuple[float, float, float]:
        assert env["OMP_NUM_THREADS"] == env["POLARS_MAX_THREADS"] == "1"
        if "--generate" in command:
            sizes.append(int(command[-1]))
            folder = Path(command[command.index("--folder") + 1])
            generate(folder, sizes[-1])
            (folder / scale.FLOOR).write_text("0.5")
        return 1.0, float(sizes[-1]), 2.0

    monkeypatch.setattr(scale, "timed", timed)
    table = scale.measure([10, 30])
    assert table["stage"].to_list() == 2 * list(scale.STAGES)
    assert table.filter(items=30)["over_copy"].unique().to_list() == [60.0]
    assert table.filter(items=30)["over_smaller"].unique().to_list() == [3.0]
    assert table.filter(items=10)["over_smaller"].null_count() == len(scale.STAGES)
