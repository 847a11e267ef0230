from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.profit_captured.page import place_between
from benchmarks.profit_captured.report import Board, publish
from benchmarks.profit_captured.result import Result, save
from benchmarks.profit_captured.rows import ORACLE, discover
from benchmarks.profit_captured.settings import STANDARD

from flashlift.errors import InputError

PAGE = "Words.\n\n<!-- begin scoreboard -->\nold\n<!-- end scoreboard -->\n\nMore words.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two worlds, two seeds; ours earns half of the oracle's, the fair rule loses three times that, one row failed."""
    values = {ORACLE: 20.0, "flashlift_today+optimal": 10.0, "flashlift_today+fair_rule": -60.0, "none+no_sale": 0.0}
    for world in ("calm", "wild"):
        for seed in (100, 101):
            for row, value in values.items():
                bound = 25.0 if row == ORACLE and world == "calm" else None
                save(Result(world=world, seed=seed, row=row, value=value, value_se=1.0, bound=bound), tmp_path)
            error = "ValueError in per_item.py, line 1: broken" if (world, seed) == ("wild", 100) else None
            value = None if error else 5.0
            save(Result(world=world, seed=seed, row="per_item+optimal", value=value, error=error), tmp_path)
    return tmp_path


def read(folder: Path) -> Board:
    keys = (ORACLE, "flashlift_today+optimal", "flashlift_today+fair_rule", "none+no_sale", "per_item+optimal")
    board = Board.read(folder, ("calm", "wild"), (100, 101), [row for row in discover() if row.key in keys])
    assert board is not None
    return board


def test_the_page_says_what_the_results_say(folder: Path) -> None:
    board = read(folder)
    assert board.complete
    assert [row.key for row in board.rows][:3] == [ORACLE, "flashlift_today+optimal", "none+no_sale"]
    files = publish(board, STANDARD, command="the command", folder=folder)
    text = (folder / "scoreboard.md").read_text()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert ["flashlift, optimal", *["0.50 (0.50 to 0.50)"] * 3] in lines
    assert ["per-item regression, optimal", "failed (1 of 4)", "0.25 (0.25 to 0.25)", "failed (1 of 2)"] in lines
    assert ["calm", "20.0", "0.7", "0.200"] in lines
    assert ["wild", "20.0", "0.7", "offers touch each other: no bound"] in lines
    assert "wild 100): ValueError in per_item.py, line 1: broken" in text
    assert "`the command`: 2 seeds (100-101), 2 worlds" in text
    picture = next(path for path in files if path.suffix == ".png").read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_only_the_part_between_the_markers_changes(folder: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "scoreboard.md").write_text(PAGE)
    publish(read(folder), STANDARD, command="c", folder=folder, docs=docs)
    text = (docs / "scoreboard.md").read_text()
    assert text.startswith("Words.\n\n<!-- begin scoreboard -->\n\n`c`")
    assert text.endswith("<!-- end scoreboard -->\n\nMore words.\n")
    assert "old" not in text
    assert (docs / "images" / "scoreboard.png").exists()
    with pytest.raises(InputError, match="randomized"):
        place_between(PAGE, "scoreboard-randomized-0.02", "text")


def test_nothing_played_is_no_board(tmp_path: Path) -> None:
    assert Board.read(tmp_path, ("calm",), (100,), discover()) is None
