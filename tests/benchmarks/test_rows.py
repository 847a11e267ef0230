from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from benchmarks.profit_captured import estimators, planners
from benchmarks.profit_captured.rows import ORACLE, discover

THE_BOARD = {
    "none+no_sale",
    "flashlift_today+random_items",
    "flashlift_today+flat_20",
    "flashlift_today+flat_30",
    "flashlift_today+fair_rule",
    "per_item+optimal",
    "lightgbm_plug_in+optimal",
    "pooled+optimal",
    "ferreira+ferreira",
    "flashlift_today+optimal",
    "true_response+optimal",
    ORACLE,
}


def test_the_board_has_its_rows_and_their_names_differ() -> None:
    rows = discover()
    assert {row.key for row in rows} >= THE_BOARD
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.about for row in rows)


def test_a_new_file_is_a_new_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {row.key for row in discover()}
    for package in (estimators, planners):
        folder = tmp_path / package.__name__.rpartition(".")[2]
        folder.mkdir()
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    (tmp_path / "estimators" / "brand_new.py").write_text('"""New."""\nNAME = "new"\n')
    (tmp_path / "estimators" / "own_planner.py").write_text('"""Own."""\nNAME = "own"\n')
    (tmp_path / "planners" / "brand_new_rule.py").write_text('"""Rule."""\nNAME = "new rule"\n')
    (tmp_path / "planners" / "own_planner.py").write_text('"""Own."""\nNAME = "own plan"\n')
    (tmp_path / "planners" / "told_rule.py").write_text('"""Told."""\nNAME = "told"\nESTIMATOR = "truth"\n')
    importlib.invalidate_caches()
    found = {row.key: row for row in discover()}
    assert set(found) - before == {
        "brand_new+optimal",
        "flashlift_today+brand_new_rule",
        "own_planner+own_planner",
        "truth+told_rule",
    }
    assert found["brand_new+optimal"].name == "new, optimal"
    assert before <= set(found)
