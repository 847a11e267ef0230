import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.behavior import toy
from tests.behavior.log import SPLIT, TINY, shop, tables
from tests.behavior.toy import CONFIG, Squares, fresh

from flashlift import artifacts
from flashlift.behavior import checkpoint, fit
from flashlift.behavior.loop import train
from flashlift.errors import ArtifactError, OutputError


class Crash(Exception):
    pass


def crash_after(steps):
    left = [steps]

    def before():
        left[0] -= 1
        if left[0] < 0:
            raise Crash

    return before


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def whole(histories):
    with torch.random.fork_rng(devices=[]):
        network, rng = fresh()
        objective = Squares(histories)
        training = train(network, objective, CONFIG, rng=rng)
        return network.state_dict(), training, objective.batches, rng.random(), torch.rand(1)


@pytest.mark.parametrize("died", range(25))
def test_crashed_after_any_step_it_ends_with_the_same_bits(histories, whole, tmp_path, died):
    weights, training, batches, number, tensor = whole
    network, rng = fresh()
    if died < CONFIG.max_steps:
        with pytest.raises(Crash):
            train(network, Squares(histories, before=crash_after(died)), CONFIG, rng=rng, checkpoint=tmp_path / "c")
    else:  # it had just ended
        train(network, Squares(histories), CONFIG, rng=rng, checkpoint=tmp_path / "c")
    network, rng = fresh()
    objective = Squares(histories)
    again = train(network, objective, CONFIG, rng=rng, checkpoint=tmp_path / "c")
    kept = died // CONFIG.eval_every * CONFIG.eval_every if died < CONFIG.max_steps else died
    assert len(objective.batches) == CONFIG.max_steps - kept  # only what was lost is done again
    for (start, stop), (start_whole, stop_whole) in zip(objective.batches, batches[kept:], strict=True):
        assert (start == start_whole).all() and (stop == stop_whole).all()
    assert same(network.state_dict(), weights)
    assert again.curves.equals(training.curves)
    assert (again.steps, again.best, again.loss) == (training.steps, training.best, training.loss)
    assert rng.random() == number
    assert torch.equal(torch.rand(1), tensor)


def test_early_stopping_waits_as_long_as_without_the_crash(histories, tmp_path):
    looks, config = [9.0, 3.0, 2.0, 2.5, 2.6, 1.0], replace(CONFIG, max_steps=150, patience=2)
    network, rng = fresh()
    objective = Squares(histories, looks=iter(looks[:4]), before=crash_after(17))
    with pytest.raises(Crash):
        train(network, objective, config, rng=rng, checkpoint=tmp_path / "c")
    network, rng = fresh()
    training = train(network, Squares(histories, looks=iter(looks[4:])), config, rng=rng, checkpoint=tmp_path / "c")
    assert (training.steps, training.best["valid/loss"], training.loss) == (20, 10, 2.0)


CHILD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import numpy as np
    from tests.behavior.log import SPLIT, TINY, shop, tables
    from flashlift.behavior import fit

    def progress(task, done, total, note=""):
        print(done, flush=True)

    fit(tables(shop(np.random.default_rng(5))), split=SPLIT, config=TINY, seed=0, progress=progress,
        checkpoint=Path(sys.argv[1]))
    """
)


def child(folder):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True, env=os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip


def at_step(process, step):
    for line in process.stdout:
        if int(line) >= step:
            return
    raise AssertionError(f"the child ended before step {step}")


def test_a_fit_killed_twice_equals_one_that_was_not(model, events, tmp_path, caplog):
    for step in (15, 25):
        process = child(tmp_path / "c")
        at_step(process, step)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
        process.stdout.close()
    with caplog.at_level(logging.INFO):
        resumed = fit(tables(events), split=SPLIT, config=TINY, seed=0, checkpoint=tmp_path / "c")
    assert "resumes after step 20" in caplog.text
    assert same(model.network.state_dict(), resumed.network.state_dict())
    assert resumed.facts | {"minutes": 0} == model.facts | {"minutes": 0}
    for name, value in (model.intent.arrays() if model.intent else {}).items():
        np.testing.assert_array_equal(value, resumed.intent.arrays()[name])
    assert not (tmp_path / "c").exists()  # deleted after success


RANDOM_KILLS = textwrap.dedent(
    """
    import os, random, signal, sys, time
    from dataclasses import replace
    from pathlib import Path
    import torch
    from tests.behavior import toy
    from flashlift.behavior.loop import train

    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # loads late what every child would load
    chance, cut_short, longest, trial, step = random.Random(0), 0, 0.25, 0, 0
    while trial < 8 or (step < 2 and trial < 40):
        trial += 1
        pid = os.fork()  # before polars has threads
        if not pid:
            config = replace(toy.CONFIG, eval_every=1, max_steps=150, patience=99)
            network, rng = toy.fresh()
            train(network, toy.Squares(toy.data()), config, rng=rng, checkpoint=Path(sys.argv[1]))
            os._exit(0)
        time.sleep(chance.uniform(0.2, 1.0) * longest)
        os.kill(pid, signal.SIGKILL)
        cut_short += os.waitpid(pid, 0)[1] == signal.SIGKILL
        kept = sorted(place.name for place in Path(sys.argv[1]).glob("step-*"))
        step = int(kept[-1].removeprefix("step-")) if kept else 0
        longest *= 1.0 if step >= 2 else 1.5  # a machine that is busy needs longer to come so far
    print(cut_short, step)
    """
)


def test_killed_at_random_moments_also_while_it_saves(histories, tmp_path):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", RANDOM_KILLS, str(tmp_path / "c")], env=env, capture_output=True,
                          text=True, check=True)  # fmt: skip
    cut_short, step = (int(word) for word in done.stdout.split())
    assert cut_short >= 2 and step >= 2
    config = replace(CONFIG, eval_every=1, max_steps=150, patience=99)
    network, rng = fresh()
    plain = train(network, Squares(histories), config, rng=rng)
    resumed, rng = fresh()
    again = train(resumed, Squares(histories), config, rng=rng, checkpoint=tmp_path / "c")
    assert same(network.state_dict(), resumed.state_dict())
    assert again.curves.equals(plain.curves)


def test_ctrl_c_just_before_the_end_is_not_lost(histories, tmp_path):
    looks, config = [9.0, 1.0, 2.0, 3.0, 4.0], replace(CONFIG, patience=2)

    def stop(task, done, total, note=""):
        if done == 15:  # the last step: nothing was better for two looks
            os.kill(os.getpid(), signal.SIGINT)

    network, rng = fresh()
    with pytest.raises(KeyboardInterrupt):
        train(network, Squares(histories, looks=iter(looks)), config, rng=rng, progress=stop, checkpoint=tmp_path / "c")
    network, rng = fresh()
    objective = Squares(histories)
    training = train(network, objective, config, rng=rng, checkpoint=tmp_path / "c")
    assert (training.steps, training.best["valid/loss"], len(objective.batches)) == (15, 5, 0)


def test_ctrl_c_ends_the_step_and_keeps_it(histories, whole, tmp_path, caplog):
    handler = signal.getsignal(signal.SIGINT)
    count = [0]

    def before():
        count[0] += 1
        if count[0] == 8:
            os.kill(os.getpid(), signal.SIGINT)

    network, rng = fresh()
    with pytest.raises(KeyboardInterrupt):
        train(network, Squares(histories, before=before), CONFIG, rng=rng, checkpoint=tmp_path / "c")
    assert "Interrupted after step 8" in caplog.text
    assert signal.getsignal(signal.SIGINT) is handler
    network, rng = fresh()
    objective = Squares(histories)
    training = train(network, objective, CONFIG, rng=rng, checkpoint=tmp_path / "c")
    assert len(objective.batches) == CONFIG.max_steps - 8
    assert same(network.state_dict(), whole[0])
    assert training.curves.equals(whole[1].curves)


def test_a_training_in_another_thread_leaves_signals_alone(histories, tmp_path):
    done = []

    def work():
        network, rng = fresh()
        done.append(train(network, Squares(histories), CONFIG, rng=rng, checkpoint=tmp_path / "c"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done[0].steps == CONFIG.max_steps


def interrupted(histories, folder, steps=12):
    network, rng = fresh()
    with pytest.raises(Crash):
        train(network, Squares(histories, before=crash_after(steps)), CONFIG, rng=rng, checkpoint=folder)


@pytest.mark.parametrize("what", ["data", "settings", "seed or first weights", "version"])
def test_a_checkpoint_of_another_training_is_left_aside_with_the_reason(histories, tmp_path, caplog, monkeypatch, what):
    interrupted(histories, tmp_path / "c")
    network, rng = fresh(1 if what == "seed or first weights" else 0)
    objective = Squares(toy.data(6) if what == "data" else histories)
    config = replace(CONFIG, learning_rate=0.2) if what == "settings" else CONFIG
    if what == "version":
        monkeypatch.setattr(checkpoint, "version", lambda name: "0.0.0")
    training = train(network, objective, config, rng=rng, checkpoint=tmp_path / "c")
    assert f"is of another {what}: training begins anew" in caplog.text
    assert len(objective.batches) == training.steps == CONFIG.max_steps
    assert len(list((tmp_path / "c").iterdir())) == 1  # replaced


def test_more_minutes_are_no_other_training(histories, tmp_path):
    interrupted(histories, tmp_path / "c")
    network, rng = fresh()
    objective = Squares(histories)
    train(network, objective, replace(CONFIG, max_minutes=99.0), rng=rng, checkpoint=tmp_path / "c")
    assert len(objective.batches) == CONFIG.max_steps - 10


def resume(histories, folder):
    network, rng = fresh()
    return train(network, Squares(histories), CONFIG, rng=rng, checkpoint=folder)


@pytest.mark.parametrize("name", ["manifest.json", "arrays.safetensors", "curves.parquet"])
def test_a_damaged_checkpoint_is_refused_with_the_fix(histories, tmp_path, name):
    interrupted(histories, tmp_path / "c")
    path = tmp_path / "c" / "step-00000010" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match=r"cannot be resumed from .*step-00000010 .*Delete .*c to train from the"):
        resume(histories, tmp_path / "c")


def test_a_checkpoint_with_a_part_missing_is_refused(histories, tmp_path):
    interrupted(histories, tmp_path / "c")
    place = tmp_path / "c" / "step-00000010"
    saved = artifacts.load(place, checkpoint.KIND)
    arrays = {name: value for name, value in saved.arrays.items() if name != "network.scale"}
    artifacts.save(replace(saved, arrays=arrays), place)
    with pytest.raises(ArtifactError, match=r"network\.scale"):
        resume(histories, tmp_path / "c")


def test_the_newest_of_two_is_taken_and_half_written_ones_are_swept_away(histories, tmp_path):
    interrupted(histories, tmp_path / "c")  # step 10
    older = tmp_path / "c" / "step-00000005"
    older.mkdir()
    (tmp_path / "c" / ".step-00000015-abc").mkdir()
    (tmp_path / "c" / "note.txt").write_text("mine")
    network, rng = fresh()
    objective = Squares(histories)
    train(network, objective, CONFIG, rng=rng, checkpoint=tmp_path / "c")
    assert len(objective.batches) == CONFIG.max_steps - 10
    checkpoint.remove(tmp_path / "c")
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["note.txt"]  # nothing of others is touched
    checkpoint.remove(tmp_path / "none")


def test_nothing_is_pickled_and_only_the_owner_may_read(histories, tmp_path):
    interrupted(histories, tmp_path / "c")
    place = tmp_path / "c" / "step-00000010"
    assert {path.name for path in place.iterdir()} == {"manifest.json", "arrays.safetensors", "curves.parquet"}
    assert place.stat().st_mode & 0o077 == 0
    told = json.loads((place / "manifest.json").read_text())["manifest"]
    assert set(told["belongs"]) == {"version", "settings", "data", "seed or first weights"}


def test_a_place_that_cannot_be_written_is_named(histories, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        resume(histories, tmp_path / "file")


def test_a_checkpoint_changes_no_bit_of_the_model(model, events, tmp_path):
    kept = fit(tables(events), split=SPLIT, config=TINY, seed=0, checkpoint=tmp_path / "c")
    assert same(model.network.state_dict(), kept.network.state_dict())
    assert shop(np.random.default_rng(5)).equals(events)
