import benchmarks.language.__main__ as study_of
import numpy as np
import pytest
from benchmarks.language.store import Store
from tests.behavior.language.shops import SPLIT, START, shop

from flashlift.behavior.language import LanguageConfig
from flashlift.behavior.language.lessons import Exam, Lessons

QUICK = LanguageConfig(trainable_share=0.2, head_steps=5, texts_per_batch=16)


@pytest.fixture
def fresh(encoder, monkeypatch):
    monkeypatch.setattr(study_of, "CONFIG", QUICK)
    tables, end = shop(), SPLIT.train_end
    middle = START + (end - START) / 2
    lessons = Lessons.build(tables, middle, 0.1, rng=np.random.default_rng(0))
    valid, test = Exam.build(tables, middle, end, 0.1), Exam.build(tables, end, SPLIT.valid_end, 0.1)
    return lambda: study_of.Study(base=encoder, lessons=lessons, valid=valid, test=test)


def gains(study, folder, step, methods):
    store = Store(folder=folder)
    found = {method: study_of.method_run(study, store, step, method, 3e-3, 3, 0) for method in methods}
    return {method: (run["valid"], run["test"]) for method, run in found.items()}


@pytest.mark.parametrize("step", ["mask", "contrast"])
def test_a_method_gains_the_same_whatever_ran_before_it(fresh, step, tmp_path):
    one = gains(fresh(), tmp_path / "one", step, ("lora", "full"))
    other = gains(fresh(), tmp_path / "other", step, ("full", "lora"))
    assert one == other
    assert one["lora"] != one["full"]


def test_runs_of_another_length_are_kept_apart(fresh, tmp_path):
    study, store = fresh(), Store(folder=tmp_path)
    short = study_of.method_run(study, store, "mask", "lora", 3e-3, 1, 0)
    assert study_of.method_run(study, store, "mask", "lora", 3e-3, 4, 0)["valid"] != short["valid"]
    assert study_of.method_run(study, store, "mask", "lora", 3e-3, 1, 0) == short


def test_the_rate_is_chosen_on_validation(fresh, tmp_path, monkeypatch):
    store = Store(folder=tmp_path)
    monkeypatch.setattr(study_of, "RATES", {("mask", "lora"): (0.1, 0.2), ("mask", "full"): (0.3, 0.4)})
    made_up = {"lora 0.1": (2, 6), "lora 0.2": (1, 9), "full 0.3": (3, 7), "full 0.4": (5, 8)}
    for name, (valid, test) in made_up.items():
        store.keep("method", f"mask {name} 10", 0, {"valid": valid, "test": test, "cpu_seconds": 1})
    table = study_of.methods(fresh(), store, "mask", 10, 1)
    assert table["method"].to_list() == ["lora", "full", "lora / full"]
    assert table["rate"].to_list() == [0.1, 0.4, None]
    assert table["mean"].to_list() == [6, 8, 6 / 8]


def test_a_share_is_said_of_each_seed(fresh, tmp_path, monkeypatch):
    store = Store(folder=tmp_path)
    monkeypatch.setattr(study_of, "RATES", {("contrast", "lora"): (0.1,), ("contrast", "full"): (0.3,)})
    for seed, (lora, full) in enumerate([(1, 2), (3, 4)]):
        store.keep("method", "contrast lora 0.1 10", seed, {"valid": lora, "test": lora, "cpu_seconds": 1})
        store.keep("method", "contrast full 0.3 10", seed, {"valid": full, "test": full, "cpu_seconds": 1})
    share = study_of.methods(fresh(), store, "contrast", 10, 2).row(-1, named=True)
    assert share["mean"] == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert share["ci_lower"] < share["mean"] < share["ci_upper"]
