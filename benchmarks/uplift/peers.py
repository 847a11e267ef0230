"""Learners of causalml, econml and scikit-uplift, over the same logistic regression and trees as ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flashlift.experiments import Trial, UpliftLearner, linear, trees

__all__ = ["peers"]

BINARY, NUMBER = np.array([0.0, 1.0]), np.array([0.0, 0.5])  # outcomes that name the kind of estimator


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A learner of another library: how to make and fit it, and how to ask it."""

    learn: Callable[[Any, Any, Any, Any], Any]  # x, treated (0, 1), outcome, propensity -> fitted
    tell: Callable[[Any, Any], Any]  # fitted, x -> effects

    def fit(self, trial: Trial, *, rng: np.random.Generator) -> Callable[[Any], Any]:
        treated, outcome = trial.arms.treated.astype(int), trial.arms.outcome
        fitted = self.learn(trial.features, treated, outcome, trial.arms.propensity)
        return lambda x: np.asarray(self.tell(fitted, x), dtype=np.float64).reshape(len(x))


def peers() -> tuple[dict[str, UpliftLearner], dict[str, str]]:
    """What is installed, by name, and why the rest is not."""
    found: dict[str, UpliftLearner] = {}
    missing: dict[str, str] = {}
    for library, make in (("causalml", _causalml), ("econml", _econml), ("scikit-uplift", _sklift)):
        try:
            found |= {f"{library} {name}": peer for name, peer in make()}
        except Exception as error:  # an import may fail in any way
            missing[library] = f"{type(error).__name__}: {error}"
    return found, missing


def _causalml() -> Iterator[tuple[str, Peer]]:
    from causalml.inference.meta import BaseDRRegressor, BaseTClassifier, BaseXClassifier

    def fitted(model: Any, *given: Any) -> Any:
        x, t, y, p = given
        model.fit(X=x, treatment=t, y=y, **({} if isinstance(model, BaseTClassifier) else {"p": p}))
        return model

    def asked(model: Any, x: Any) -> Any:
        constant = np.full(len(x), 0.5)  # the treated share of this test
        return model.predict(x) if isinstance(model, BaseTClassifier) else model.predict(x, p=constant)

    for name, maker in (("linear", linear), ("trees", trees)):
        yield f"T, {name}", Peer(learn=lambda *g, m=maker: fitted(BaseTClassifier(m(BINARY)), *g), tell=asked)
        yield (
            f"X, {name}",
            Peer(
                learn=lambda *g, m=maker: fitted(
                    BaseXClassifier(outcome_learner=m(BINARY), effect_learner=m(NUMBER)), *g
                ),
                tell=asked,
            ),
        )
        yield (
            f"DR, {name}",
            Peer(
                learn=lambda *g, m=maker: fitted(
                    BaseDRRegressor(control_outcome_learner=m(NUMBER), treatment_outcome_learner=m(NUMBER),
                                    treatment_effect_learner=m(NUMBER)), *g
                ),
                tell=asked,
            ),
        )  # fmt: skip


def _econml() -> Iterator[tuple[str, Peer]]:
    from econml.dml import CausalForestDML
    from econml.dr import DRLearner
    from econml.metalearners import TLearner, XLearner
    from sklearn.dummy import DummyClassifier

    share = DummyClassifier(strategy="prior")  # drawn by lot: the propensity is the share

    def asked(model: Any, x: Any) -> Any:
        return model.effect(x)

    for name, maker in (("linear", linear), ("trees", trees)):
        yield (
            f"T, {name}",
            Peer(learn=lambda x, t, y, _, m=maker: TLearner(models=m(NUMBER)).fit(y, t, X=x), tell=asked),
        )
        yield (
            f"X, {name}",
            Peer(
                learn=lambda x, t, y, _, m=maker: XLearner(
                    models=m(NUMBER), cate_models=m(NUMBER), propensity_model=share
                ).fit(y, t, X=x),
                tell=asked,
            ),
        )
        yield (
            f"DR, {name}",
            Peer(
                learn=lambda x, t, y, _, m=maker: DRLearner(
                    model_propensity=share, model_regression=m(BINARY), model_final=m(NUMBER), discrete_outcome=True,
                    cv=5, random_state=0
                ).fit(y, t, X=x),
                tell=asked,
            ),
        )  # fmt: skip
    yield (
        "causal forest",
        Peer(
            learn=lambda x, t, y, _: CausalForestDML(
                model_y=linear(BINARY), model_t=share, discrete_treatment=True, discrete_outcome=True,
                n_estimators=200, min_samples_leaf=50, random_state=0, n_jobs=1
            ).fit(y, t, X=x),
            tell=asked,
        ),
    )  # fmt: skip


def _sklift() -> Iterator[tuple[str, Peer]]:
    from sklift.models import ClassTransformation, SoloModel, TwoModels

    def asked(model: Any, x: Any) -> Any:
        return model.predict(x)

    for name, maker in (("linear", linear), ("trees", trees)):
        yield (
            f"two models, {name}",
            Peer(learn=lambda x, t, y, _, m=maker: TwoModels(m(BINARY), m(BINARY)).fit(x, y, t), tell=asked),
        )
        yield (
            f"solo model, {name}",
            Peer(
                learn=lambda x, t, y, _, m=maker: SoloModel(m(BINARY), method="treatment_interaction").fit(x, y, t),
                tell=asked,
            ),
        )
        yield (
            f"class transformation, {name}",
            Peer(learn=lambda x, t, y, _, m=maker: ClassTransformation(m(BINARY)).fit(x, y, t), tell=asked),
        )
