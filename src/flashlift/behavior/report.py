"""How good is the purchase intent? The model beside its baselines on the test window."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.behavior.baselines import AggregateIntent, Learner
from flashlift.behavior.bgnbd import BgNbd, repeat_buying
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.intent import calibration_snapshots, outcomes
from flashlift.behavior.judge import average_precision, customer_weights, figures, paired
from flashlift.behavior.model import HAZARD_HOURS
from flashlift.behavior.predict import BehaviorModel
from flashlift.behavior.reading import inference, read
from flashlift.behavior.sample import read_sample
from flashlift.behavior.snapshots import HOUR, Snapshots
from flashlift.behavior.survival import KaplanMeier, integrated_brier, median_error
from flashlift.domain import Split
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray
from flashlift.schema import Customers, Tables
from flashlift.stats.calibration import reliability

__all__ = ["average_precision", "intent_report", "segment_report", "timing_report"]

log = logging.getLogger(__name__)

LEARNERS: tuple[Learner, ...] = ("lightgbm", "logistic")
RIVAL = "lightgbm on aggregates"
DAY = 24 * HOUR
GRID = 40  # times at which a curve is judged
LONGEST_SHARE = 0.75  # of the test window
SEGMENT_BORDERS = (1, 5, 20, 100)  # events so far
NEW_DAYS = 30
MIN_SEGMENT = 200  # snapshots
MIN_ORDERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWindow:
    """The histories of a log and the borders of its split, in microseconds."""

    histories: Histories
    train_end: int
    start: int
    stop: int

    @classmethod
    def build(cls, model: BehaviorModel, tables: Tables, split: Split, *, rng: np.random.Generator) -> LastWindow:
        """Read the log up to the end of the test window.

        Raises:
            InsufficientDataError: the model has no purchase intent.
        """
        if model.intent is None:
            raise InsufficientDataError("The behavior model has no purchase intent to judge. Train it on a longer log.")
        events = read_sample(tables.events, split.test_end, model.config.max_events, rng=rng)
        return cls(
            histories=Histories.build(events, model.vocabulary, before=split.test_end, promotions=model.promotions),
            train_end=instant(split.train_end),
            start=instant(split.valid_end),
            stop=instant(split.test_end),
        )

    @property
    def borders(self) -> tuple[int, int, int]:
        """End of training; begin and end of the window on which the baselines are calibrated."""
        return self.train_end, (self.train_end + self.start) // 2, self.start

    def moments(
        self, horizon_hours: float, *, n_times: int, at_most: int, rng: np.random.Generator
    ) -> tuple[Snapshots, FloatArray]:
        """Cross-sections that are all watched for the horizon, and whether each one orders within it.

        Raises:
            InsufficientDataError: the window is too short, or the outcomes are all alike.
        """
        end = self.stop - int(horizon_hours * HOUR)
        if end <= self.start:
            raise InsufficientDataError(
                f"The test window is shorter than the horizon of {horizon_hours:g} hours. Ask for a shorter one."
            )
        snapshots = calibration_snapshots(self.histories, self.start, end, rng=rng, n_times=n_times, at_most=at_most)
        hours, seen, _ = outcomes(self.histories, snapshots, until=self.stop)
        outcome = (seen & (hours < horizon_hours)).astype(np.float64)
        if not 0 < outcome.sum() < len(outcome):
            raise InsufficientDataError(
                f"{outcome.sum():.0f} of {len(outcome)} customers order within {horizon_hours:g} hours in the test "
                "window, so predictions cannot be compared. Ask for another horizon."
            )
        return snapshots, outcome


def intent_report(
    model: BehaviorModel,
    tables: Tables,
    *,
    split: Split,
    horizons_hours: Sequence[float],
    seed: int,
    n_times: int = 6,
    at_most: int = 1000,
    n_bootstrap: int = 200,
    level: float = 0.9,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge P(order within h) on cross-sections of customers at `n_times` moments of the test window.

    The baselines see the same log and the same aggregates, train on the same window and are calibrated on the
    same one. The base rate of brier_skill is that of the test window itself, which is a strict reference.

    Args:
        model: fitted on the same split.
        tables: the log, test window included.
        split: global time split.
        horizons_hours: horizons to judge, each shorter than the test window.
        seed: of snapshots, baselines and bootstrap.
        n_times: moments of the test window.
        at_most: customers at each of them.
        n_bootstrap: bootstrap samples of customers behind the intervals.
        level: probability that the intervals claim.

    Returns:
        metrics: model, horizon_hours, pr_auc, pr_auc_ci_lower, pr_auc_ci_upper, gain, gain_ci_lower, gain_ci_upper
            (of pr_auc relative to LightGBM's, paired), the columns of `judge.figures` (n are snapshots), and
            mean_gain, mean_gain_ci_lower, mean_gain_ci_upper over the horizons, with the
            same customers drawn at all of them. A baseline that a horizon gives too few orders has no row there.
        reliability: model, horizon_hours, bin, predicted, observed, n.

    Raises:
        InsufficientDataError: no purchase intent in the model, or no order (or nothing else) within a horizon.
    """
    rng = np.random.default_rng(seed)
    window = LastWindow.build(model, tables, split, rng=rng)
    metrics: list[dict[str, Any]] = []
    curves: list[pl.DataFrame] = []
    gains: dict[str, list[FloatArray | None]] = {}
    tails = [(1 - level) / 2, (1 + level) / 2]
    for horizon in horizons_hours:
        snapshots, outcome = window.moments(horizon, n_times=n_times, at_most=at_most, rng=rng)
        answers = _answers(model, window.histories, snapshots, [horizon])
        predictions = {name: curve[:, 0] for name, curve in answers.items()}
        predictions |= _baselines(window, snapshots, horizon, rng)
        weights = customer_weights(snapshots.customer, window.histories.n_customers, n_bootstrap, seed=seed)
        whole, drawn, gained = paired(predictions, outcome, weights, against=RIVAL)
        for name, predicted in predictions.items():
            row: dict[str, Any] = {"model": name, "horizon_hours": float(horizon), "pr_auc": whole[name]}
            row["pr_auc_ci_lower"], row["pr_auc_ci_upper"] = np.nanquantile(drawn[name], tails).tolist()
            row |= _gain("gain", gained.get(name), tails)
            metrics.append(row | figures(predicted, outcome, rng=rng, customer=snapshots.customer))
            gains.setdefault(name, []).append(gained.get(name))
            named = [pl.lit(name).alias("model"), pl.lit(float(horizon)).alias("horizon_hours")]
            curves.append(reliability(predicted, outcome).select(*named, pl.all()))
    for row in metrics:
        known = [one for one in gains[row["model"]] if one is not None]
        row.update(_gain("mean_gain", np.mean(known, axis=0) if known else None, tails))
    return pl.DataFrame(metrics, infer_schema_length=None), pl.concat(curves)


def timing_report(
    model: BehaviorModel, tables: Tables, *, split: Split, seed: int, n_times: int = 12, at_most: int = 1000
) -> pl.DataFrame:
    """Judge the whole curve of the time to purchase beside Kaplan-Meier and BG/NBD, under censoring.

    Kaplan-Meier is fitted on the calibration window, BG/NBD on all orders before the test window; customers
    without an order get Kaplan-Meier's curve from BG/NBD.

    Returns:
        model, integrated_brier (over [0, horizon_hours]), median_error_hours (null where nobody ordered), n,
        horizon_hours. BG/NBD has no row where too few customers order twice.

    Raises:
        InsufficientDataError: no purchase intent in the model.
    """
    rng = np.random.default_rng(seed)
    window = LastWindow.build(model, tables, split, rng=rng)
    assert model.intent is not None
    histories, start, stop = window.histories, window.start, window.stop
    longest = min(float(HAZARD_HOURS[-1]), LONGEST_SHARE * (stop - start) / HOUR)
    grid = longest * np.arange(1, GRID + 1) / GRID
    snapshots = calibration_snapshots(histories, start, stop, rng=rng, n_times=n_times, at_most=at_most)
    hours, seen, watched = outcomes(histories, snapshots, until=stop)
    answers = _answers(model, histories, snapshots, grid.tolist())
    everybody = _everybody(window, grid, at_most, rng)
    answers["kaplan-meier"] = np.tile(everybody, (len(hours), 1))
    try:
        answers["bg/nbd"] = _repeat_buyers(window, snapshots, grid, everybody)
    except InsufficientDataError as error:
        log.warning("No row of BG/NBD: %s", error)
    return pl.DataFrame(
        [
            {
                "model": name,
                "integrated_brier": integrated_brier(curve, grid, hours, seen, watched),
                "median_error_hours": median_error(curve, grid, hours, seen),
                "n": len(hours),
                "horizon_hours": longest,
            }
            for name, curve in answers.items()
        ],
        infer_schema_length=None,
    )


def segment_report(
    model: BehaviorModel,
    tables: Tables,
    *,
    split: Split,
    horizon_hours: float,
    seed: int,
    n_times: int = 12,
    at_most: int = 1000,
) -> pl.DataFrame:
    """The default predictor by segment of customers: for the model card.

    Segments are the length of the history, new customers (first event within 30 days) and others, and the region where
    the tables tell it; those with too few snapshots or orders are left out.

    Returns:
        kind, segment, n, base_rate, predicted (mean), pr_auc, brier_skill, ece.

    Raises:
        InsufficientDataError: no purchase intent in the model, or no order (or nothing else) within the horizon.
    """
    rng = np.random.default_rng(seed)
    window = LastWindow.build(model, tables, split, rng=rng)
    snapshots, outcome = window.moments(horizon_hours, n_times=n_times, at_most=at_most, rng=rng)
    predicted = next(iter(_answers(model, window.histories, snapshots, [horizon_hours]).values()))[:, 0]
    rows = []
    for kind, segment, chosen in _segments(window.histories, snapshots, tables.customers):
        one, other = predicted[chosen], outcome[chosen]
        if chosen.sum() < MIN_SEGMENT or min(other.sum(), (1 - other).sum()) < MIN_ORDERS:
            continue
        judged = figures(one, other, rng=rng)
        rows.append(
            {"kind": kind, "segment": segment, "n": len(one), "base_rate": float(other.mean()),
             "predicted": float(one.mean()), "pr_auc": average_precision(one, other)}
            | {name: judged[name] for name in ("brier_skill", "ece")}
        )  # fmt: skip
    schema = {"kind": pl.String, "segment": pl.String, "n": pl.Int64, "base_rate": pl.Float64, "predicted": pl.Float64,
              "pr_auc": pl.Float64, "brier_skill": pl.Float64, "ece": pl.Float64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def _answers(
    model: BehaviorModel, histories: Histories, snapshots: Snapshots, horizons_hours: Sequence[float]
) -> dict[str, FloatArray]:
    """What the model says, the default predictor first, (n, n_horizons) each."""
    assert model.intent is not None
    with inference(model.config.threads):
        logs = read(model.timing, histories, snapshots, model.config).log_survival
    return {
        "stack": model.intent.probability(logs, histories, snapshots, horizons_hours),
        "transformer": model.intent.network_alone(logs, histories, snapshots, horizons_hours),
    }


def _gain(name: str, gains: FloatArray | None, tails: list[float]) -> dict[str, float | None]:
    """The difference on all rows, and its interval from the resamples."""
    columns = (name, f"{name}_ci_lower", f"{name}_ci_upper")
    if gains is None:
        return dict.fromkeys(columns)
    lower, upper = np.nanquantile(gains[1:], tails)
    return dict(zip(columns, (float(gains[0]), float(lower), float(upper)), strict=True))


def _baselines(
    window: LastWindow, snapshots: Snapshots, horizon: float, rng: np.random.Generator
) -> dict[str, FloatArray]:
    found = {}
    for learner in LEARNERS:
        try:
            fitted = AggregateIntent.fit(window.histories, learner, horizon, borders=window.borders, rng=rng)
        except InsufficientDataError:
            continue
        found[f"{learner} on aggregates"] = fitted.probability(window.histories, snapshots)
    return found


def _everybody(window: LastWindow, grid: FloatArray, at_most: int, rng: np.random.Generator) -> FloatArray:
    """P(order before each time) of the whole shop by Kaplan-Meier on the calibration window, (m,)."""
    _, middle, start = window.borders
    before = calibration_snapshots(window.histories, middle, start, rng=rng, at_most=at_most)
    hours, seen, _ = outcomes(window.histories, before, until=start)
    return 1 - KaplanMeier.fit(hours, seen).at(grid)


def _repeat_buyers(window: LastWindow, snapshots: Snapshots, grid: FloatArray, everybody: FloatArray) -> FloatArray:
    histories = window.histories
    people = np.arange(histories.n_customers)
    known = repeat_buying(histories, Snapshots(customer=people, at=np.full(len(people), window.start)))
    buyers = known[0] >= 0
    fitted = BgNbd.fit(*(column[buyers] for column in known))
    orders, last, age = repeat_buying(histories, snapshots)
    curve = fitted.probability(np.maximum(orders, 0.0), last, age, grid / 24)
    return np.where((orders >= 0)[:, None], curve, everybody)


def _segments(
    histories: Histories, snapshots: Snapshots, customers: pl.DataFrame | None
) -> Iterable[tuple[str, str, npt.NDArray[np.bool_]]]:
    who = snapshots.customer
    events = histories.end(who, snapshots.at) - histories.offsets[who]
    for low, high in zip(SEGMENT_BORDERS, [*SEGMENT_BORDERS[1:], None], strict=True):
        label = f"{low} or more events" if high is None else f"{low} to {high - 1} events"
        yield "history", label, (events >= low) & (events < (high or np.inf))
    new = snapshots.at - histories.at[histories.offsets[who]] < NEW_DAYS * DAY
    yield "customer", f"first event within {NEW_DAYS} days", new
    yield "customer", "older", ~new
    if customers is not None:
        names = pl.DataFrame({Customers.customer_id.name: histories.customers})
        region = names.join(customers, on=Customers.customer_id.name, how="left", maintain_order="left")
        place = region[Customers.region.name].fill_null("").to_numpy()[who]
        for name in sorted(set(place) - {""}):
            yield "region", name, place == name
