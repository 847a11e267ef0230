"""The logs of the off-policy benchmark are what they claim, and its tables leave out what is not told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.off_policy.coverage import coverage
from benchmarks.off_policy.logs import SETTINGS, drawn, world
from benchmarks.off_policy.open_bandit import judged, log, on_policy, prior, shares, stated
from benchmarks.off_policy.rules import RULES, rules

from flashlift.stats.off_policy import Estimator, contributions


def test_the_value_of_a_world_is_what_its_logs_say_on_average() -> None:
    truth = world(SETTINGS[0], np.random.default_rng(1))
    np.testing.assert_allclose(truth.logging.sum(axis=1), 1.0)
    rounds = [drawn(truth, np.random.default_rng(k)) for k in range(40)]
    for name in (Estimator.IPS, Estimator.DR):
        found = np.array([contributions(name, one).mean() for one in rounds])
        assert found.mean() == pytest.approx(truth.value, abs=4 * found.std() / 40**0.5)
    model = np.concatenate([one.predicted - one.reward for one in rounds])  # type: ignore[operator]
    assert model.mean() == pytest.approx(0.0, abs=0.01)  # right on average, 4 standard errors


def test_coverage_counts_what_is_told() -> None:
    table = coverage(replace(SETTINGS[1], rounds=300), 8, bootstrapped=True)
    assert table.filter(estimator="dm")["coverage"].to_list() == [None]
    assert set(table.filter(estimator="snips")["interval"]) == {"normal", "bootstrap"}
    assert table.filter(interval="normal")["coverage"].min() >= 50.0  # type: ignore[operator]


def test_every_rule_is_judged_on_every_limited_estimator() -> None:
    assert rules(replace(SETTINGS[0], rounds=300), 3).height == 3 * len(RULES)


def test_a_pair_of_logs_is_read_and_valued(tmp_path: Path) -> None:
    rng, n = np.random.default_rng(2), 3000
    rate = np.linspace(0.02, 0.3, 4)
    for name, p in (("random", np.full(4, 0.25)), ("bts", np.array([0.1, 0.2, 0.3, 0.4]))):
        item = rng.choice(4, n, p=p)
        columns = {
            "item_id": item,
            "position": rng.integers(1, 4, n),
            "click": (rng.random(n) < rate[item]).astype(int),
            "propensity_score": p[item],
            **{f"user_feature_{k}": rng.choice(["a", "b"], n) for k in range(4)},
        }
        pl.DataFrame(columns).write_parquet(tmp_path / f"{name}_all.parquet")
    random, bts = log(tmp_path, "random", "all"), log(tmp_path, "bts", "all")
    assert on_policy(bts) == bts["reward"].mean()
    told = judged(random, shares(bts)).headline.interval
    assert told is not None
    assert told.ci_lower <= float(np.array([0.1, 0.2, 0.3, 0.4]) @ rate) <= told.ci_upper
    assert stated(bts).table.group_by("position").agg(pl.col("probability").sum())["probability"].to_list() == (
        pytest.approx([1.0] * 3)
    )
    (tmp_path / "prior.yaml").write_text("all:\n  alpha: [1, 1, 1, 90]\n  beta: [9, 9, 9, 10]\n")
    first = prior(tmp_path / "prior.yaml", "all", draws=200).table.filter(position=1, action=3)
    assert first["probability"].item() > 0.95
