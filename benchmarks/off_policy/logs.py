"""Logs whose every probability is known: kinds of customers, a logging policy, another policy and its true value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashlift.protocols import FloatArray
from flashlift.stats.off_policy import Rounds

KINDS, ACTIONS, FOLDS = 200, 10, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How far the two policies are apart, how often a reward comes, and how long a log is.

    Args:
        words: what it is like.
        logging, target: slope of each policy's log odds in the action's appeal; 0 draws evenly.
        level: log odds of a reward where the appeal is 0.
        rounds: of each log.
    """

    words: str
    logging: float
    target: float
    level: float
    rounds: int


SETTINGS = (
    Setting(words="drawn evenly, rewards 1 in 10", logging=0.0, target=1.5, level=-2.2, rounds=2000),
    Setting(words="policies that agree", logging=1.0, target=1.5, level=-1.0, rounds=2000),
    Setting(words="opposed policies", logging=0.7, target=-0.7, level=-1.0, rounds=2000),
    Setting(words="far apart, heavy weights", logging=1.5, target=-1.0, level=-1.0, rounds=2000),
    Setting(words="rewards 1 in 100", logging=0.0, target=1.0, level=-4.6, rounds=10_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The truth behind the logs of one setting: tables of kinds x actions."""

    setting: Setting
    logging: FloatArray
    target: FloatArray
    reward: FloatArray

    @property
    def value(self) -> float:
        """Of the target policy; kinds are equally frequent."""
        return float((self.target * self.reward).sum(axis=1).mean())


def world(setting: Setting, rng: np.random.Generator) -> World:
    """Appeals of the actions to each kind, and what follows from them."""
    appeal = rng.normal(size=(KINDS, ACTIONS))
    return World(
        setting=setting,
        logging=_softmax(setting.logging * appeal),
        target=_softmax(setting.target * appeal),
        reward=1.0 / (1.0 + np.exp(-setting.level - appeal)),
    )


def drawn(truth: World, rng: np.random.Generator) -> Rounds:
    """A log, with a cross-fitted model that knows ten groups of kinds only: wrong, as models are."""
    n = truth.setting.rounds
    kind = rng.integers(KINDS, size=n)
    action = (truth.logging[kind].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=ACTIONS - 1)
    reward = (rng.random(n) < truth.reward[kind, action]).astype(np.float64)
    predicted, expected = _cell_means(truth, kind, action, reward, rng)
    return Rounds(
        weight=truth.target[kind, action] / truth.logging[kind, action],
        reward=reward,
        predicted=predicted,
        expected=expected,
    )


def _cell_means(
    truth: World, kind: np.ndarray, action: np.ndarray, reward: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Mean reward of each action in each group of kinds, on the other folds; five rounds of the overall mean added."""
    fold, group = rng.integers(FOLDS, size=kind.size), kind % 10
    cell = group * ACTIONS + action
    predicted, expected = np.empty(kind.size), np.empty(kind.size)
    for k in range(FOLDS):
        out, rest = fold == k, fold != k
        count = np.bincount(cell[rest], minlength=10 * ACTIONS)
        total = np.bincount(cell[rest], reward[rest], minlength=10 * ACTIONS)
        means = ((total + 5.0 * reward[rest].mean()) / (count + 5.0)).reshape(10, ACTIONS)
        predicted[out] = means[group[out], action[out]]
        expected[out] = (means[group[out]] * truth.target[kind[out]]).sum(axis=1)
    return predicted, expected


def _softmax(odds: FloatArray) -> FloatArray:
    raised = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
