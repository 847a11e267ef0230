"""The command line: help without heavy imports, and errors in one sentence with their exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flashlift.cli import app

run = CliRunner()
COMMANDS = ("ingest", "adapt", "train", "predict", "curves", "plan", "approve", "reject", "diff", "verify", "explain",
            "pareto", "simulate", "report", "run", "demo", "debrief")  # fmt: skip
EXPERIMENT = ("design", "assign", "monitor", "analyze", "value", "uplift")


def test_help_shows_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from flashlift.cli import app;"
        "r = CliRunner().invoke(app, ['--help']); print(r.output);"
        "heavy = {'torch', 'polars', 'numpy', 'lightgbm', 'altair', 'transformers'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command: str) -> None:
    shown = run.invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "Example: flashlift" in " ".join(shown.output.split())


@pytest.mark.parametrize("command", EXPERIMENT)
def test_every_command_of_tests_shows_an_example(command: str) -> None:
    shown = run.invoke(app, ["experiment", command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: flashlift experiment {command}" in " ".join(shown.output.split())


def test_import_needs_no_heavy_library_and_is_quick() -> None:
    code = "import sys, flashlift; assert not {'torch', 'polars', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SETTINGS = '[shop]\nname = "t"\nwork = "work"\nkey_file = "key/t.key"\n[[sources]]\nformat = "csv"\npath = "log.csv"\n'
GOOD = "customer_id,item_id,event,at,price,quantity\n"


def shop(folder: Path, log: str | None, extra: str = "") -> Path:
    if log is not None:
        (folder / "log.csv").write_text(log)
    (folder / "shop.toml").write_text(SETTINGS + extra)
    return folder / "shop.toml"


@pytest.mark.parametrize(
    ("log", "extra", "code", "words"),
    [
        (None, "", 3, "log.csv"),  # bad path
        (GOOD + "c,i,purchase,2024-01-01T00:00:00Z,1,1\n", "[sources.columns]\nitem_id = 'sku'\n", 3, "sku"),
        (GOOD, "", 3, "empty"),
        ("", "", 3, "empty"),
        (GOOD + "c,i,purchase,2999-01-01T00:00:00Z,1,1\n", "", 3, "future"),
        (GOOD + "c,i,purchase,yesterday,1,1\n", "", 3, "yesterday"),
        (GOOD + "c,i,purchase,2024-01-01T00:00:00Z,1,1\n", "[oops]\nx = 1\n", 4, "oops"),
    ],
    ids=["bad path", "missing column", "no rows", "empty file", "future", "wrong type", "unknown setting"],
)  # fmt: skip
def test_bad_input_is_one_sentence_with_its_own_exit_code(
    tmp_path: Path, log: str | None, extra: str, code: int, words: str
) -> None:
    done = run.invoke(app, ["ingest", "-s", str(shop(tmp_path, log, extra))])
    said = " ".join(done.stderr.split())
    assert done.exit_code == code, said
    assert "Error:" in said
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "work" / "shop" / "manifest.json").exists()


def test_stages_out_of_order_say_what_to_run_first(tmp_path: Path) -> None:
    for command in ("adapt", "train", "predict", "plan", "report"):
        done = run.invoke(app, [command, "-s", str(shop(tmp_path, None))])
        assert done.exit_code == 6, done.stderr
        assert "ingest" in done.stderr


def test_missing_settings_file_is_named(tmp_path: Path) -> None:
    done = run.invoke(app, ["run", "-s", str(tmp_path / "none.toml")])
    assert done.exit_code == 4
    assert "There is no settings file" in " ".join(done.stderr.split())


def test_unwritable_output_is_named(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    done = run.invoke(app, ["demo", str(tmp_path / "blocked" / "x")])
    assert done.exit_code == 5
    assert "Cannot write" in " ".join(done.stderr.split())


def test_a_missing_plan_cannot_be_checked(tmp_path: Path) -> None:
    done = run.invoke(app, ["verify", str(tmp_path / "none")])
    assert done.exit_code == 6
    assert "There is no plan" in " ".join(done.stderr.split())


def test_help_of_plan_shows_every_file_and_option() -> None:
    said = " ".join(run.invoke(app, ["plan", "--help"]).output.split())
    for words in ("--pin", "--forbid", "--out", "plan.csv", "plan.parquet", "plan.json", "plan.ics", "approve"):
        assert words in said


def test_nothing_is_decided_or_compared_without_a_plan(tmp_path: Path) -> None:
    settings = str(shop(tmp_path, None))
    for words in (["approve", "-s", settings], ["reject", "-s", settings], ["diff", str(tmp_path), str(tmp_path)]):
        done = run.invoke(app, words)
        assert done.exit_code == 6, done.stderr
        assert "There is no plan" in " ".join(done.stderr.split())
