"""Which way to choose customers is better? The same repeated splits for all of them, and paired intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from flashlift.domain import Estimate
from flashlift.errors import InputError
from flashlift.experiments.trial import Trial
from flashlift.experiments.uplift import UpliftLearner
from flashlift.protocols import FloatArray, IntArray, Progress, silent
from flashlift.stats.off_policy import Estimator, Rounds, contributions
from flashlift.stats.qini import Arms, QiniCurve, qini_curve, top_share, uplift_at
from flashlift.stats.repeated_splits import corrected_interval

__all__ = ["Splits", "UpliftComparison", "compare_uplift", "value_of_top"]

GRID = np.linspace(0.0, 1.0, 21)  # shares at which curves are averaged over splits


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """How models are compared.

    Args:
        n_splits: random splits into training and test, at least 2.
        test_frac: share of each arm that is held out.
        top_fracs: shares of customers whose uplift and value are told.
        level: probability that the intervals claim.
    """

    n_splits: int = 20
    test_frac: float = 0.5
    top_fracs: tuple[float, ...] = (0.1, 0.3)
    level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class UpliftComparison:
    """Models on held-out customers, in the same splits.

    Args:
        measured: `model`, `split`, and a column per metric: `qini`, `normalized_qini`, `auuc`, `uplift_at_<k>` and
            `value_at_<k>` (k in percent).
        gains: `model`, `split`, `targeted_frac`, `gain`.
        reference: the model that the others are compared with.
        splits: how it was measured.
        metric: the outcome, in words.
    """

    measured: pl.DataFrame
    gains: pl.DataFrame
    reference: str
    splits: Splits
    metric: str

    def to_polars(self) -> pl.DataFrame:
        """One row per model and metric: mean with interval, and the same of the paired difference to the reference.

        The normalized Qini is left out where the average effect was not above 0 in some split.
        """
        metrics = [c.name for c in self.measured.drop("model", "split") if not c.null_count()]
        models = self.measured["model"].unique(maintain_order=True).to_list()
        values = {m: self.measured.filter(pl.col("model") == m) for m in models}
        rows = []
        for model in models:
            for metric in metrics:
                own, other = (values[name][metric].to_numpy() for name in (model, self.reference))
                told, gap = (self._interval(v) for v in (own, own - other))
                rows.append(
                    {
                        "model": model,
                        "metric": metric,
                        "value": told.value,
                        "ci_lower": told.ci_lower,
                        "ci_upper": told.ci_upper,
                        "difference": gap.value,
                        "difference_ci_lower": gap.ci_lower,
                        "difference_ci_upper": gap.ci_upper,
                        "std": float(own.std(ddof=1)),
                    }
                )
        return pl.DataFrame(rows)

    def curves(self) -> pl.DataFrame:
        """Mean Qini curve of each model: `model`, `targeted_frac`, `gain`, `ci_lower`, `ci_upper`."""
        rows = []
        for (model, frac), part in self.gains.group_by("model", "targeted_frac", maintain_order=True):
            told = self._interval(part["gain"].to_numpy())
            rows.append((model, frac, told.value, told.ci_lower, told.ci_upper))
        return pl.DataFrame(rows, schema=["model", "targeted_frac", "gain", "ci_lower", "ci_upper"], orient="row")

    def paragraph(self) -> str:
        """Who wins, for a campaign manager."""
        table = self.to_polars().filter(pl.col("metric") == "qini")
        best = table.sort("value", descending=True).row(0, named=True)
        top = self.splits.top_fracs[-1]
        there = self.to_polars().filter(pl.col("metric") == f"uplift_at_{100 * top:g}")
        uplift = there.row(by_predicate=pl.col("model") == best["model"], named=True)
        everyone = float(self.gains.filter(pl.col("targeted_frac") == 1.0)["gain"].mean())  # type: ignore[arg-type]
        return (
            f"Treating a customer changes {self.metric} by {everyone:+.4g} on average. Among the {top:.0%} that "
            f"{best['model']} puts first it is {uplift['value']:+.4g} ({100 * self.splits.level:.4g}% interval "
            f"{uplift['ci_lower']:+.4g} to {uplift['ci_upper']:+.4g}). {self._verdict(best)} Customers were held out "
            f"in {self.splits.n_splits} splits, the same for all models, and the intervals know that splits overlap. "
            "The estimand is the effect on customers like these, in such a campaign; it assumes that treatment was "
            "drawn with the stated probabilities and that one customer's treatment does not change another (no shared "
            "scarce stock)."
        )

    def _verdict(self, best: Mapping[str, Any]) -> str:
        if best["model"] == self.reference:
            return f"No model ranks customers better than {self.reference}."
        words = f"{best['difference']:+.3g} ({best['difference_ci_lower']:+.3g} to {best['difference_ci_upper']:+.3g})"
        if best["difference_ci_lower"] > 0.0:
            return f"It ranks better than {self.reference}: Qini {words}."
        return f"Whether it ranks better than {self.reference} is open: Qini {words}."

    def _interval(self, values: FloatArray) -> Estimate:
        return corrected_interval(values, test_frac=self.splits.test_frac, level=self.splits.level)


def compare_uplift(
    trial: Trial,
    models: Mapping[str, UpliftLearner],
    *,
    reference: str,
    metric: str = "the outcome",
    splits: Splits | None = None,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> UpliftComparison:
    """Fit every model on the training part of each split and judge it on the rest.

    Args:
        trial: the test.
        models: what to compare, by name.
        reference: name of the model that the others are compared with, usually a `ResponseModel`.
        metric: the outcome, in words.
        splits: how many, how large.
        rng: draws the splits, and what models draw; a model sees the same split whatever the others are.
        progress: told how many fits are done.

    Raises:
        InputError: the reference is none of the models, or the splits are too few.
        InsufficientDataError: an arm of a split is empty or has a constant outcome.
    """
    splits = splits or Splits()
    if reference not in models or splits.n_splits < 2 or not 0.0 < splits.test_frac < 1.0:
        raise InputError(
            f"Compare with one of {', '.join(models)}, in 2 or more splits that hold out a share between 0 and 1; "
            f"given {reference!r}, {splits.n_splits} and {splits.test_frac:g}."
        )
    measured: list[dict[str, object]] = []
    gains: list[tuple[str, int, float, float]] = []
    for split, seed in enumerate(rng.integers(2**63, size=splits.n_splits)):
        train, test = _split(trial.arms, splits.test_frac, np.random.default_rng(seed))
        held, learned = trial.rows(test), trial.rows(train)
        for k, (name, model) in enumerate(models.items()):
            progress("uplift", split * len(models) + k, splits.n_splits * len(models), note=name)
            score = model.fit(learned, rng=np.random.default_rng(seed))(held.features)
            curve = qini_curve(score, held.arms)
            measured.append({"model": name, "split": split, **_metrics(score, held.arms, curve, splits.top_fracs)})
            gains += [(name, split, float(u), float(g)) for u, g in zip(GRID, curve.at(GRID), strict=True)]
    progress("uplift", splits.n_splits * len(models), splits.n_splits * len(models))
    return UpliftComparison(
        measured=pl.DataFrame(measured),
        gains=pl.DataFrame(gains, schema=["model", "split", "targeted_frac", "gain"], orient="row"),
        reference=reference,
        splits=splits,
        metric=metric,
    )


def value_of_top(score: FloatArray, arms: Arms, frac: float) -> FloatArray:
    """Contributions (n,) to the value of treating the first `frac` by score and nobody else, by IPS.

    Their mean is the outcome per unit of all. It needs the test to have been randomized with the stated propensities.
    """
    top = top_share(score, frac)
    policy = np.where(arms.treated, top, 1.0 - top)
    return contributions(Estimator.IPS, Rounds(weight=policy * arms.weight, reward=arms.outcome))


def _split(arms: Arms, test_frac: float, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Rows of training and test; the same share of each arm is held out."""
    test = np.zeros(arms.treated.size, dtype=np.bool_)
    for rows in (np.flatnonzero(arms.treated), np.flatnonzero(~arms.treated)):
        test[rng.permutation(rows)[: max(round(test_frac * rows.size), 1)]] = True
    return np.flatnonzero(~test), np.flatnonzero(test)


def _metrics(score: FloatArray, arms: Arms, curve: QiniCurve, top_fracs: Sequence[float]) -> dict[str, float | None]:
    found = {"normalized_qini": curve.normalized_qini, "qini": curve.qini, "auuc": curve.auuc}
    for frac in top_fracs:
        found[f"uplift_at_{100 * frac:g}"] = uplift_at(score, arms, frac)
        found[f"value_at_{100 * frac:g}"] = float(value_of_top(score, arms, frac).mean())
    return found
