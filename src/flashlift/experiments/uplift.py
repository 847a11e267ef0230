"""Whom does a deal change? Learners of the effect on each customer, tau(x) = E[outcome treated - outcome not | x].

All take any estimator with `fit` and `predict` or `predict_proba` (`linear`, `trees`, or one of yours), outcomes of 0
and 1 or any numbers, and the propensities of the trial. A response model is no learner of effects: it ranks by the
outcome of the treated, as campaigns usually do, and is what the others have to beat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from flashlift.experiments.outcome_model import Learner, Mean, fit_mean, folds, linear
from flashlift.experiments.trial import Trial
from flashlift.protocols import FloatArray

__all__ = ["DRLearner", "ResponseModel", "TLearner", "UpliftLearner", "XLearner"]

Maker = Callable[[FloatArray], Learner]  # an unfitted estimator for these outcomes


class UpliftLearner(Protocol):
    """Learns a score of units from a trial."""

    def fit(self, trial: Trial, *, rng: np.random.Generator) -> Mean:
        """A function of features (m, k): the expected effect, or whatever else ranks units, (m,)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseModel:
    """Expected outcome of the treated."""

    outcome: Maker = linear

    def fit(self, trial: Trial, *, rng: np.random.Generator) -> Mean:
        """Learns from the treated alone."""
        return _arm(self.outcome, trial, treated=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TLearner:
    """Two models of the outcome, one for each arm; their difference (Künzel, Sekhon, Bickel and Yu, PNAS 2019)."""

    outcome: Maker = linear

    def fit(self, trial: Trial, *, rng: np.random.Generator) -> Mean:
        """Learns an outcome model in each arm."""
        above, below = (_arm(self.outcome, trial, treated=treated) for treated in (True, False))
        return lambda x: above(x) - below(x)


@dataclass(frozen=True, slots=True, kw_only=True)
class XLearner:
    """Effects imputed in each arm by the outcome model of the other, then learned (Künzel et al. 2019, eqs. 8-9).

    The two learned effects are weighted with the share of the treated: most weight is on the one that was imputed with
    the larger arm's outcome model.

    Args:
        outcome: makes the models of the outcome.
        effect: makes the models of the imputed effects.
    """

    outcome: Maker = linear
    effect: Maker = linear

    def fit(self, trial: Trial, *, rng: np.random.Generator) -> Mean:
        """Learns outcomes, then effects, in each arm."""
        above, below = (_arm(self.outcome, trial, treated=treated) for treated in (True, False))
        t, y, x = trial.arms.treated, trial.arms.outcome, trial.features
        in_treated, in_control = y[t] - below(x[t]), above(x[~t]) - y[~t]
        of_treated = fit_mean(self.effect(in_treated), x[t], in_treated)
        of_control = fit_mean(self.effect(in_control), x[~t], in_control)
        share = float(trial.arms.propensity.mean())
        return lambda x: share * of_control(x) + (1.0 - share) * of_treated(x)


@dataclass(frozen=True, slots=True, kw_only=True)
class DRLearner:
    """Regression of a doubly robust score of each unit on its features (Kennedy, EJS 2023, algorithm 1).

    The score is mu_1 - mu_0 + (treated - e) / (e (1 - e)) (outcome - mu of the own arm), with the outcome models mu
    fitted on the other folds. It is right on average where either the propensities e or the outcome models are.

    Args:
        outcome: makes the models of the outcome.
        effect: makes the model of the effect.
        n_folds: at least 2.
    """

    outcome: Maker = linear
    effect: Maker = linear
    n_folds: int = 5

    def fit(self, trial: Trial, *, rng: np.random.Generator) -> Mean:
        """Learns outcomes fold by fold, then the effect on all rows."""
        score = np.empty(trial.size)
        for fold in folds(trial.size, self.n_folds, rng=rng):
            rest = trial.rows(np.setdiff1d(np.arange(trial.size), fold))
            above, below = (
                _arm(self.outcome, rest, treated=treated)(trial.features[fold]) for treated in (True, False)
            )
            t, y, e = trial.arms.treated[fold], trial.arms.outcome[fold], trial.arms.propensity[fold]
            score[fold] = above - below + (t - e) / (e * (1.0 - e)) * (y - np.where(t, above, below))
        return fit_mean(self.effect(score), trial.features, score)


def _arm(maker: Maker, trial: Trial, *, treated: bool) -> Mean:
    rows = np.flatnonzero(trial.arms.treated == treated)
    outcome = trial.arms.outcome[rows]
    return fit_mean(maker(trial.arms.outcome), trial.features[rows], outcome)
