"""From the command line: plan, approve, sell, ingest, debrief."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from flashlift import artifacts, market, planning
from flashlift.cli import app

CONFIG = {"n_events": 80_000, "n_items": 60, "n_customers": 1_500}


def flashlift(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert done.exit_code == code, done.output + repr(done.exception)
    return done


@pytest.fixture(scope="module")
def world() -> market.SimulatedShop:
    return market.simulate(market.MarketConfig(**CONFIG), seed=3)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def planned(world: market.SimulatedShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with an approved plan, its sale not yet run."""
    from flashlift import pipeline

    folder = tmp_path_factory.mktemp("debrief")
    file = pipeline.simulate(folder, market.MarketConfig(**CONFIG), seed=3)  # type: ignore[arg-type]
    text = file.read_text().replace('work = "work"', 'work = "work"\nkey_file = "keys/shop.key"')
    file.write_text(text + "\n[assumptions]\nreturn_frac = 0.03\n")
    flashlift("ingest", "-s", file)
    flashlift("train", "demand", "-s", file)
    flashlift("plan", "-s", file)
    flashlift("approve", "-s", file, "--by", "Ann Lee")
    return folder


def sell(planned: Path, world: market.SimulatedShop, folder: Path, days: float) -> Path:
    """A copy of the shop with so many days of the sale's log ingested since the first slot's start."""
    shutil.copytree(planned, folder)
    saved = planning.load_plan(folder / "work" / "plan")
    slots = saved.campaign.slots
    out = world.run(saved.plan.offers, slots, saved.campaign.costs, seed=1, n_futures=1)
    end: datetime = slots[0].start + timedelta(days=days)
    out.events.filter(pl.col("at") < end).write_parquet(folder / "tables" / "sale.parquet")
    file = folder / "flashlift.toml"
    text = re.sub(r"now = \S+", f"now = {(end + timedelta(days=1)).isoformat()}", file.read_text())
    source = '[[sources]]\nformat = "parquet"\npath = "tables/sale.parquet"\n\n[campaign]'
    file.write_text(text.replace("[campaign]", source, 1))
    flashlift("ingest", "-s", file)
    return file


def test_nothing_to_debrief_yet(planned: Path) -> None:
    done = flashlift("debrief", "-s", planned / "flashlift.toml", code=7)
    assert "before the sale began" in done.output
    flashlift("debrief", "-s", planned / "flashlift.toml", "--plan", planned / "nowhere", code=6)


def test_an_approved_plan_and_its_forecast_are_kept(planned: Path) -> None:
    (kept,) = (planned / "work" / "approved").glob("*/")
    assert planning.load_plan(kept).digest == planning.load_plan(planned / "work" / "plan").digest
    assert artifacts.read_manifest(kept / "forecast") is not None


def test_the_debrief_of_a_sale_that_is_over(planned: Path, world: market.SimulatedShop, tmp_path: Path) -> None:
    file = sell(planned, world, tmp_path / "shop", 31)
    work = tmp_path / "shop" / "work"
    shutil.rmtree(work / "plan")  # the next plan took its place
    shutil.rmtree(work / "demand")  # and the next training
    done = flashlift("debrief", "-s", file)
    assert "Planned was an incremental profit of" in done.output
    told = json.loads((work / "debrief.json").read_text())
    (kept,) = (work / "approved").glob("*/")
    saved = planning.load_plan(kept)
    assert saved.verdict.value is not None
    assert told["planned_profit"] == pytest.approx(saved.verdict.value.value, rel=1e-9)
    assert sum(part["value"] for part in told["reasons"]) == pytest.approx(told["gap"]["value"])
    assert told["days_after"] == 28.0
    assert told["decision"].startswith("approved by Ann Lee")
    assert pl.read_csv(work / "debrief.csv").height == len(saved.plan.offers) == len(told["offers"])
    assert len(told["last_sales"]) > 0 and told["this_sale"]["units"] >= 0
    page = (work / "debrief.html").read_text()
    for anchor in ("reasons", "lessons", "totals", "slots", "last", "limits", "offers", "unknown"):
        assert f'id="{anchor}"' in page
    assert "Debrief of the flash sale" in page
    # once more: the same figures, and the sale is not its own predecessor
    flashlift("debrief", "-s", file, "--plan", kept)
    again = json.loads((work / "debrief.json").read_text())
    for one, other in zip(again["reasons"], told["reasons"], strict=True):
        assert one["value"] == pytest.approx(other["value"], abs=1e-6)
    assert [row["sale"] for row in again["last_sales"]] == [row["sale"] for row in told["last_sales"]]


def test_a_sale_in_progress_and_a_plan_nobody_approved(
    planned: Path, world: market.SimulatedShop, tmp_path: Path
) -> None:
    file = sell(planned, world, tmp_path / "shop", 0.7)  # one of two days
    work = tmp_path / "shop" / "work"
    shutil.rmtree(work / "approved")
    (work / "plan.decisions.jsonl").unlink()
    shutil.rmtree(work / "plan" / "forecast")
    done = flashlift("debrief", "-s", file)
    assert "The sale is not over" in done.output
    assert "never approved" in done.output
    told = json.loads((work / "debrief.json").read_text())
    assert told["decision"] is None and told["days_after"] == 0.0


def test_what_training_on_the_sale_changed(planned: Path, world: market.SimulatedShop, tmp_path: Path) -> None:
    file = sell(planned, world, tmp_path / "shop", 31)
    flashlift("train", "demand", "-s", file)
    flashlift("debrief", "-s", file)
    told = json.loads((tmp_path / "shop" / "work" / "debrief.json").read_text())
    assert told["learned"]
    for row in told["learned"]:
        assert row["before_ci_lower"] <= row["before"] <= row["before_ci_upper"] < 0.0
        assert row["after_ci_lower"] <= row["after"] <= row["after_ci_upper"] < 0.0
    page = (tmp_path / "shop" / "work" / "debrief.html").read_text()
    assert "What the demand model learned" in page
