"""`flashlift train`: watched by a tracker, interrupted, resumed, and drawn in the report."""

from __future__ import annotations

import json
import logging
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flashlift import artifacts, behavior, pipeline
from flashlift.cli import app
from flashlift.demand import FittedDemand, has_statsforecast
from flashlift.errors import ArtifactError, InsufficientDataError
from flashlift.pipeline.shop import Shop
from flashlift.pipeline.traffic import behavior_model, known_traffic
from flashlift.pipeline.train import _behavior
from flashlift.protocols import silent
from flashlift.settings import Settings, load_settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("simulated")
    CliRunner().invoke(app, ["simulate", str(folder), "--events", "4000", "--seed", "3"], catch_exceptions=False)
    path = folder / "flashlift.toml"
    text = path.read_text().replace('work = "work"', 'work = "work"\nkey_file = "keys/shop.key"')
    path.write_text(text + '\n[behavior]\nmax_steps = 12\neval_customers = 100\ntracker = "tensorboard"\n')
    loaded = load_settings(path)
    pipeline.ingest(loaded)
    return loaded


def test_interrupted_it_resumes_and_leaves_curves(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")

    def unjudged(*_: object, **__: object) -> None:
        raise InsufficientDataError("The judging is not part of this test.")

    monkeypatch.setattr(behavior, "intent_report", unjudged)
    shop = Shop.open(settings)

    def stop(task: str, done: float, total: float, note: str = "") -> None:
        if done == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        _behavior(settings, shop, stop)
    kept = shop.folder / "behavior-checkpoint"
    assert [place.name for place in kept.iterdir()] == ["step-00000006"]  # the step at hand is finished
    assert artifacts.read_manifest(shop.folder / "behavior") is None
    with caplog.at_level(logging.INFO):
        evidence = _behavior(settings, shop, lambda *_, **__: None)
    assert "resumes after step 6" in caplog.text
    assert not kept.exists()
    curves = evidence.frames["learning_curves"]
    assert curves["step"].unique().sort().to_list() == [0, 12]
    assert {"train", "valid"} == set(curves["part"])
    assert list((shop.folder / "tracking" / "tensorboard").glob("events.out.tfevents.*"))


def test_another_tracker_does_not_train_again_and_the_report_draws_the_curves(settings: Settings) -> None:
    shop = Shop.open(settings)
    before = artifacts.load(shop.folder / "evidence" / "behavior", "evidence")
    quiet = settings.model_copy(update={"behavior": settings.behavior.model_copy(update={"tracker": "none"})})

    def never(task: str, done: float, total: float, note: str = "") -> None:
        raise AssertionError("trained again")

    assert _behavior(quiet, shop, never).inputs == before.inputs
    page = Path(pipeline.report(quiet)).read_text()
    assert 'id="learning"' in page
    assert "The weights of step" in page


def test_one_model_is_trained_by_itself(settings: Settings) -> None:
    shop = Shop.open(settings)
    before = artifacts.read_manifest(shop.folder / "behavior")
    done = CliRunner().invoke(app, ["train", "demand", "-s", str(settings.shop.work.parent / "flashlift.toml")])
    assert done.exit_code == 0, done.output
    assert "Forecast metrics" in done.output
    assert "WAPE of the forecast from each origin" in done.output
    assert ("statsforecast was not installed" in done.output) == (not has_statsforecast())
    assert "Expected traffic is" in " ".join(done.output.split())
    assert artifacts.read_manifest(shop.folder / "demand") is not None
    assert before == artifacts.read_manifest(shop.folder / "behavior")
    wrong = CliRunner().invoke(app, ["train", "prices", "-s", str(settings.shop.work.parent / "flashlift.toml")])
    assert wrong.exit_code == 2
    assert "'prices' is not one of" in wrong.output


def test_the_demand_model_is_told_what_the_behavior_model_expects(settings: Settings) -> None:
    shop = Shop.open(settings)
    done = shop.evidence("demand")
    assert done is not None
    told = done.frames["traffic_metrics"]
    assert told["of"].to_list() == ["forecasts that are judged", "forecasts of plans"]
    model = FittedDemand.load(shop.folder / "demand")
    assert model.traffic is not None
    assert told["estimate"][1] == model.traffic.estimate
    assert told["weeks"].to_list() == [4, 8]
    assert model.traffic.sentence in Path(pipeline.report(settings)).read_text()
    other = settings.model_copy(update={"behavior": settings.behavior.model_copy(update={"max_steps": 13})})
    assert behavior_model(settings, shop) is not None
    assert behavior_model(other, shop) is None  # trained otherwise: it may have read the answer
    assert known_traffic(other, shop, silent) is None


def test_a_model_of_another_version_is_named_and_made_anew(settings: Settings) -> None:
    shop, told = Shop.open(settings), ["-s", str(settings.shop.work.parent / "flashlift.toml")]
    path = shop.folder / "demand" / "manifest.json"
    assert CliRunner().invoke(app, ["train", "demand", *told]).exit_code == 0
    head = json.loads(path.read_text())
    path.write_text(json.dumps(head | {"layout": 1, "inputs": "of that version"}))
    refused = CliRunner().invoke(app, ["plan", *told])
    assert refused.exit_code == ArtifactError.exit_code
    assert "was made by another version of flashlift (demand of layout 1" in " ".join(refused.output.split())
    assert CliRunner().invoke(app, ["train", "demand", *told]).exit_code == 0
    assert json.loads(path.read_text())["layout"] == head["layout"]
