"""What each action would have earned, told by a model that never saw the round it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.features import Encoder
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
    if log.height < max(n_folds, 2) or n_folds < 2:
        raise InsufficientDataError(f"{n_folds} folds cannot be made of {log.height} rounds. Use 2 folds or more.")
    reward = log["reward"].cast(pl.Float64).to_numpy()
    rounds = log.with_columns(pl.col("position").cast(pl.String)) if "position" in names else log
    features = Encoder.of(rounds, names).matrix(rounds)
    actions = pl.concat([log.select("action"), asked.table.select("action")]).cast(pl.String)
    encoder = Encoder.of(actions, ["action"])
    logged = encoder.matrix(actions[: log.height])
    predicted, expected = np.zeros(log.height), np.zeros(log.height)
    units = log["unit_id"].rank("dense").to_numpy() if "unit_id" in log.columns else None
    for fold in folds(log.height, n_folds, rng=rng, units=units):
        rest = np.setdiff1d(np.arange(log.height), fold)
        mean = fit_mean(learner(reward), sparse.hstack([features[rest], logged[rest]], format="csr"), reward[rest])
        predicted[fold] = mean(sparse.hstack([features[fold], logged[fold]], format="csr"))
        step = max(CHUNK // asked.most_actions, 1)
        for start in range(0, fold.size, step):
            part = fold[start : start + step]
            pairs = asked.pairs(log[part])
            of = pairs["round"].to_numpy()
            taken = encoder.matrix(pairs.select(pl.col("action").cast(pl.String)))
            worth = mean(sparse.hstack([features[part][of], taken], format="csr"))
            expected[part] = np.bincount(of, worth * pairs["probability"].to_numpy(), minlength=part.size)
    return Rewards(predicted=predicted, expected=expected)
