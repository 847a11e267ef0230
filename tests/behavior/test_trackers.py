import getpass
import platform
import struct
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.behavior import toy
from tests.behavior.toy import CONFIG, Squares, fresh

from flashlift.behavior.loop import train
from flashlift.behavior.trackers import TensorBoard, WeightsAndBiases, open_tracker
from flashlift.errors import SettingsError

METRICS = {"train/loss": 0.5, "valid/loss": 0.75, "valid/ndcg@10": 0.125}


def scalars(folder):
    """Every scalar of the event files in a folder: name -> [(step, value)]."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder))
    reader.Reload()
    return {name: [(e.step, e.value) for e in reader.Scalars(name)] for name in reader.Tags()["scalars"]}


def records(raw):
    """Records of a log in LevelDB's format, which W&B writes after a head of 7 bytes."""
    place, part = 7, b""
    while place + 7 <= len(raw):
        _, length, kind = struct.unpack_from("<IHB", raw, place)
        part += raw[place + 7 : place + 7 + length]
        if kind in (1, 4):  # whole, or the last part
            yield part
            part = b""
        place += 7 + length
        if 32768 - place % 32768 < 7:  # no room for another head in this block
            place += 32768 - place % 32768


def test_none_is_no_tracker(tmp_path):
    assert open_tracker("none", tmp_path, name="shop") is None
    assert not list(tmp_path.iterdir())


def test_tensorboard_reads_back_the_curves_of_a_training(tmp_path):
    pytest.importorskip("tensorboard")
    tracker = open_tracker("tensorboard", tmp_path, name="shop")
    assert isinstance(tracker, TensorBoard)
    with torch.random.fork_rng(devices=[]):
        network, rng = fresh()
        training = train(network, Squares(toy.data()), CONFIG, rng=rng, tracker=tracker)
    tracker.close()
    found = scalars(tmp_path / "tensorboard")
    assert set(found) == {"train/loss", "train/batch_loss", "valid/loss", "valid/auc", "train/events_per_second"}
    for name, points in found.items():
        if name != "train/events_per_second":
            part, metric = name.split("/")
            curve = training.curves.filter(part=part, metric=metric)
            assert [step for step, _ in points] == curve["step"].to_list()
            np.testing.assert_allclose([value for _, value in points], curve["value"].to_numpy(), rtol=1e-6)  # float32


@pytest.mark.filterwarnings("default")
def test_wandb_without_a_key_keeps_an_offline_run_and_tells_nothing_of_the_machine(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    tracker = open_tracker("wandb", tmp_path / "w", name="shop")
    assert isinstance(tracker, WeightsAndBiases)
    tracker.log(40, METRICS)
    tracker.log(80, METRICS)
    tracker.close()
    (path,) = (tmp_path / "w").rglob("run-*.wandb")
    for _ in range(200):  # its own process writes the file, a moment after the run has ended
        if path.stat().st_size > 7:
            break
        time.sleep(0.05)
    rows, raw = [], path.read_bytes()
    for data in records(raw):
        record = Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            rows.append({item.nested_key[0] if item.nested_key else item.key: item.value_json
                         for item in record.history.item})  # fmt: skip
    assert [int(row["_step"]) for row in rows] == [40, 80]
    for row in rows:
        assert {name: float(row[name]) for name in METRICS} == METRICS
    assert not list((tmp_path / "w").rglob("requirements.txt"))
    for secret in (platform.node(), str(Path.cwd()), getpass.getuser()):
        assert len(secret) < 5 or secret.encode() not in raw


@pytest.mark.parametrize(("kind", "package"), [("tensorboard", "tensorboard"), ("wandb", "wandb")])
def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch, kind, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match=rf"{package}, which is not installed.*flashlift\[track\]"):
        open_tracker(kind, tmp_path, name="shop")
