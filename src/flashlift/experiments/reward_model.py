"""What each action would have earned, told by a model that never saw the round it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.outcome_model import Learner, fit_mean, folds, trees
from flashlift.experiments.policy_table import PolicyTable
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Rewards", "cross_fit_rewards"]

CHUNK = 500_000  # pairs of a round and an action that are predicted at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """A model's rewards for the rounds of a log, in units of the reward.

    Args:
        predicted: of the logged action, (n,).
        expected: of the policy: predictions of all its actions, weighted with their probabilities, (n,).
    """

    predicted: FloatArray
    expected: FloatArray

    @classmethod
    def of_matrix(cls, model: FloatArray, probability: FloatArray, action: IntArray) -> Rewards:
        """From predictions of all actions.

        Args:
            model: reward of each action in each round, (n, n_actions).
            probability: of each action under the policy, (n, n_actions), rows adding up to 1.
            action: column of the logged action, (n,).

        Raises:
            InputError: the shapes differ, a row does not add up to 1, or a prediction is missing.
        """
        if model.shape != probability.shape or action.shape != model.shape[:1]:
            raise InputError(
                f"Predictions {model.shape}, probabilities {probability.shape} and actions {action.shape} do not fit. "
                "Give a row per round and a column per action."
            )
        off = np.abs(probability.sum(axis=1) - 1.0)
        if not np.isfinite(model).all() or off.max() > 1e-6:
            raise InputError(
                f"A prediction is missing, or the probabilities of a round add up to {1.0 + off.max():.6g} or less "
                "rather than 1. Give every action of every round."
            )
        rows = np.arange(action.size)
        return cls(predicted=model[rows, action], expected=(model * probability).sum(axis=1))


def cross_fit_rewards(
    log: pl.DataFrame,
    policy: PolicyTable,
    *,
    context: Sequence[str] = (),
    learner: Callable[[FloatArray], Learner] = trees,
    n_folds: int = 3,
    rng: np.random.Generator,
) -> Rewards:
    """Predict every round by a model fitted on the other folds (cross-fitting: Chernozhukov et al. 2018).

    The model reads the action (one column each), the position and the columns of the context: numbers as they are,
    anything else one column per value. Rows of one `unit_id` share a fold.

    Args:
        log: `action`, `reward`, optionally `position` and `unit_id`, and the context.
        policy: what the policy would do in these rounds.
        context: columns that the model reads beside action and position.
        learner: makes an unfitted estimator, given the rewards (`linear`, `trees`, or any of scikit-learn's kind).
        n_folds: at least 2.
        rng: draws the folds.

    Raises:
        InputError: a column is missing, or has empty cells.
        InsufficientDataError: fewer rounds than folds.
    """
    asked = policy.matched(log)
    names = [*(name for name in ("position",) if name in log.columns and name not in context), *context]
    if missing := [name for name in ("action", "reward", *names) if name not in log.columns]:
        raise InputError(f"The log has no column {', '.join(missing)}. It has {', '.join(log.columns)}.")
    if log.height < max(n_folds, 2) or n_folds < 2:
        raise InsufficientDataError(f"{n_folds} folds cannot be made of {log.height} rounds. Use 2 folds or more.")
    reward = log["reward"].cast(pl.Float64).to_numpy()
    encode = _actions(log["action"], asked.table["action"])
    features, logged = _features(log, names), encode(log["action"])
    predicted, expected = np.zeros(log.height), np.zeros(log.height)
    units = log["unit_id"].to_numpy() if "unit_id" in log.columns else None
    for fold in folds(log.height, n_folds, rng=rng, units=units):
        rest = np.setdiff1d(np.arange(log.height), fold)
        mean = fit_mean(learner(reward), sparse.hstack([features[rest], logged[rest]], format="csr"), reward[rest])
        predicted[fold] = mean(sparse.hstack([features[fold], logged[fold]], format="csr"))
        step = max(CHUNK // asked.most_actions, 1)
        for start in range(0, fold.size, step):
            part = fold[start : start + step]
            pairs = asked.pairs(log[part])
            of = pairs["round"].to_numpy()
            worth = mean(sparse.hstack([features[part][of], encode(pairs["action"])], format="csr"))
            expected[part] = np.bincount(of, worth * pairs["probability"].to_numpy(), minlength=part.size)
    return Rewards(predicted=predicted, expected=expected)


def _features(log: pl.DataFrame, names: Sequence[str]) -> sparse.csr_matrix:
    """Columns of the context, numbers as they are and anything else one column per value, (n, k)."""
    if log.select(names).null_count().sum_horizontal().sum():
        raise InputError(f"A cell of {', '.join(names)} is empty. Fill it in, or leave such rounds out.")
    parts = [sparse.csr_matrix((log.height, 0))]
    for name in names:
        if log.schema[name].is_numeric() and name != "position":
            parts.append(sparse.csr_matrix(log[name].cast(pl.Float64).to_numpy()[:, None]))
        else:
            parts.append(_one_hot(log[name].rank("dense").cast(pl.Int64).to_numpy() - 1))
    return sparse.hstack(parts, format="csr")


def _actions(*seen: pl.Series) -> Callable[[pl.Series], sparse.csr_matrix]:
    """Turns actions into one column each, the same for log and policy."""
    known = pl.concat([one.unique() for one in seen]).unique(maintain_order=True).sort()
    codes = pl.DataFrame({"action": known, "code": np.arange(known.len())})

    def encode(actions: pl.Series) -> sparse.csr_matrix:
        found = actions.to_frame("action").join(codes, on="action", how="left", maintain_order="left")["code"]
        return _one_hot(found.to_numpy(), known.len())

    return encode


def _one_hot(code: IntArray, width: int | None = None) -> sparse.csr_matrix:
    width = int(code.max()) + 1 if width is None else width
    return sparse.csr_matrix((np.ones(code.size), (np.arange(code.size), code)), shape=(code.size, width))
