import json
import math
from dataclasses import replace
from itertools import pairwise

import polars as pl
import pytest
import torch
from tests.behavior.toy import CONFIG, GOAL, Squares, fresh

from flashlift.behavior import loop
from flashlift.behavior.loop import pick_device, train
from flashlift.errors import InsufficientDataError, SettingsError


def run(histories, config=CONFIG, **options):
    network, rng = fresh()
    objective = Squares(histories, **options)
    return network, objective, train(network, objective, config, rng=rng)


def test_it_reaches_the_known_best_weights(histories):
    network, _, training = run(histories, replace(CONFIG, max_steps=300, eval_every=50, weight_decay=0.0))
    assert (network.weight + network.scale).detach().numpy() == pytest.approx(GOAL, abs=0.1)
    assert training.steps == 300


def test_the_curve_has_every_metric_of_every_look(histories):
    _, _, training = run(histories)
    assert training.curves.schema == {"step": pl.Int64, "metric": pl.String, "part": pl.String, "value": pl.Float64}
    assert training.curves["step"].unique().sort().to_list() == [0, 5, 10, 15, 20, 24]
    named = training.curves.select("part", "metric").unique().sort("part", "metric").rows()
    assert named == [("train", "batch_loss"), ("train", "loss"), ("valid", "auc"), ("valid", "loss")]
    assert training.curves.height == 5 * 4 + 3  # before the first step there was no batch
    valid = training.curves.filter(part="valid", metric="loss").sort("value")
    assert (training.best, training.loss) == ({"valid/loss": valid["step"][0]}, valid["value"][0])
    facts = json.loads(json.dumps(training.facts()))
    assert pl.DataFrame(facts["curves"]).equals(training.curves)
    assert (facts["steps"], facts["device"]) == (24, "cpu")


def test_batch_loss_is_the_mean_since_the_last_look(histories, monkeypatch):
    seen = []
    step = loop._step
    monkeypatch.setattr(loop, "_step", lambda *given: seen.append(step(*given)) or seen[-1])
    _, _, training = run(histories)
    told = training.curves.filter(metric="batch_loss")["value"].to_list()
    parts = (seen[0:5], seen[5:10], seen[10:15], seen[15:20], seen[20:24])
    assert told == pytest.approx([sum(part) / len(part) for part in parts])


def test_it_stops_after_patience_and_keeps_the_weights_of_the_best_look(histories):
    looks = [9.0, 5.0, 2.0, 3.0, 2.5, 1.0, 0.5]
    config = replace(CONFIG, max_steps=60, patience=2)
    network, objective, training = run(histories, config, looks=iter(looks))
    assert (training.best, training.loss, training.steps) == ({"valid/loss": 10}, 2.0, 20)
    kept = training.curves.filter(step=10, part="train", metric="loss")["value"].item()
    assert objective.look(network)["train/loss"] == kept


def test_equal_losses_are_no_improvement(histories):
    _, _, training = run(histories, replace(CONFIG, max_steps=60, patience=3), looks=iter([1.0] * 9))
    assert (training.best, training.steps) == ({"valid/loss": 0}, 15)


def test_each_criterion_keeps_its_own_weights_and_any_of_them_keeps_training_going(histories, monkeypatch):
    network, rng = fresh()
    objective, first = (
        Squares(histories, looks=iter([4.0, 3.0, 2.0, 5.0, 5.0, 5.0, 5.0, 5.0])),
        iter([1.0, 2.0, 2.0, 0.5]),
    )
    objective.criteria = ("valid/loss", "valid/other")
    look = objective.look
    objective.look = lambda net: look(net) | {"valid/other": next(first, 9.0)}
    training = train(network, objective, replace(CONFIG, max_steps=60, patience=2), rng=rng)
    assert training.best == {"valid/loss": 10, "valid/other": 15} and training.steps == 25
    assert all(torch.equal(network.state_dict()[name], kept) for name, kept in training.weights["valid/loss"].items())
    assert not torch.equal(training.weights["valid/other"]["weight"], network.weight)


def test_gradients_are_clipped_to_norm_one(histories, monkeypatch):
    norms = []
    step = torch.optim.AdamW.step

    def watched(self, *given):
        weights = [w for group in self.param_groups for w in group["params"]]
        norms.append(float(torch.linalg.vector_norm(torch.cat([w.grad.flatten() for w in weights]))))
        return step(self, *given)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run(histories, factor=1e6)
    assert len(norms) == 24
    assert norms == pytest.approx([1.0] * 24, abs=1e-4)


def test_the_rate_warms_up_and_falls_along_a_cosine():
    rates = [loop._warm_then_cosine(step, 200) for step in range(1, 201)]
    assert rates[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert all(a > b for a, b in pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(loop.FLOOR)
    assert rates[104] == pytest.approx((1 + loop.FLOOR) / 2)  # half of the way down
    assert loop._warm_then_cosine(1, 1) == 1.0


def test_every_pass_reads_every_event_once_and_cuts_anew(histories):
    _, objective, _ = run(histories, replace(CONFIG, max_steps=40, patience=99))
    in_train = int((histories.at < objective.train_end).sum())
    passes, covered = [[]], 0
    for start, stop in objective.batches:
        passes[-1].extend(k for a, b in zip(start, stop, strict=True) for k in range(a, b))
        covered += int((stop - start).sum())
        if len(passes[-1]) >= in_train:
            passes.append([])
    whole = passes[:-1]
    assert len(whole) >= 3
    for events in whole:
        assert sorted(events) == sorted(set(events))
        assert len(events) == in_train
    assert whole[0] != whole[1]


def test_a_loss_that_is_not_finite_is_refused(histories):
    with pytest.raises(SettingsError, match=r"diverged: the loss of step 1 is inf\. Lower the learning rate, now 0\.1"):
        run(histories, factor=math.inf)
    with pytest.raises(SettingsError, match="valid/loss at step 5 is nan"):
        run(histories, looks=iter([1.0, math.nan]))


def test_the_safety_net_is_logged_and_keeps_what_there_is(histories, caplog):
    _, _, training = run(histories, replace(CONFIG, max_minutes=0.0))
    assert "ran out of its 0 minutes at step 1" in caplog.text
    assert (training.steps, training.best) == (1, {"valid/loss": 1})


def test_progress_tells_pace_and_time_left(histories):
    told = []
    network, rng = fresh()
    config = replace(CONFIG, eval_every=10)
    train(network, Squares(histories), config, rng=rng, progress=lambda *given: told.append(given))
    assert [given[1] for given in told] == [5, 10, 15, 20, 24]
    assert all(note.startswith("loss ") for *_, note in told[:-1])
    assert all("events/s" in note and note.endswith("left") for *_, note in told[:-1])
    assert all("inf" not in note for *_, note in told)
    assert told[-1][:3] == ("train behavior", 24, 24)


def test_the_tracker_is_told_every_look(histories):
    class Tracker:
        def __init__(self):
            self.told = []

        def log(self, step, metrics):
            self.told.append((step, metrics))

    tracker = Tracker()
    network, rng = fresh()
    training = train(network, Squares(histories), CONFIG, rng=rng, tracker=tracker)
    assert [step for step, _ in tracker.told] == [0, 5, 10, 15, 20, 24]
    for step, metrics in tracker.told:
        assert step == 0 or metrics["train/events_per_second"] > 0
        assert metrics["valid/loss"] == training.curves.filter(step=step, part="valid", metric="loss")["value"].item()


def test_devices():
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="no CUDA device"):
            pick_device("cuda")


def test_no_events_to_train_on_is_refused(histories):
    network, rng = fresh()
    objective = Squares(histories)
    objective.train_end = int(histories.at.min())
    with pytest.raises(InsufficientDataError, match="no events to train on"):
        train(network, objective, CONFIG, rng=rng)
