"""What is in the next order: is its category foreseen, and its value? Calibration on a later slice, and judgment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from scipy.optimize import minimize_scalar

from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.intent import calibration_snapshots
from flashlift.behavior.model import EventTransformer
from flashlift.behavior.own_categories import own_categories
from flashlift.behavior.predict import BehaviorModel
from flashlift.behavior.reading import inference, read
from flashlift.behavior.sample import read_sample
from flashlift.behavior.snapshots import Snapshots, next_order, spent
from flashlift.domain import Split
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Tables

__all__ = ["calibrate_categories", "order_report"]

ENOUGH = 50  # orders


def calibrate_categories(
    network: EventTransformer, histories: Histories, start: int, stop: int, config: BehaviorConfig,
    *, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Temperature scaling (Guo et al. 2017) of the category head on orders of [start, stop) (microseconds), in place.

    Left as it is where fewer than 50 orders with a category are seen.
    """
    if not len(histories.order_at):
        return
    snapshots, index = _ahead(histories, start, stop, rng)
    category = histories.order_category[index]
    snapshots, category = snapshots.take(np.flatnonzero(category > 0)), category[category > 0]
    if len(category) < ENOUGH:
        return
    with inference(config.threads):
        answer = read(network, histories, snapshots, config).answer
        logits = network.category_logits(answer, own_categories(histories, snapshots)).double()
        target = torch.from_numpy(category - 1)

        def loss(log_scale: float) -> float:
            return float(torch.nn.functional.cross_entropy(logits * np.exp(log_scale), target))

        best = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10.0)), method="bounded").x
    network.category_scale.fill_(float(np.exp(best)))


def order_report(
    model: BehaviorModel, tables: Tables, *, split: Split, seed: int, n_times: int = 12, n_bootstrap: int = 200,
    level: float = 0.9,
) -> pl.DataFrame:  # fmt: skip
    """Judge category and value of the next order on cross-sections of the test window.

    Beside the category: the most frequent one of the log so far, and that of the customer's last order. Beside the
    value: the geometric mean of the log so far, and that of the customer's own orders.

    Args:
        model: fitted on the same split.
        tables: the log, test window included.
        split: global time split.
        seed: of snapshots and bootstrap.
        n_times: moments of the test window.
        n_bootstrap: bootstrap samples of customers.
        level: probability that the intervals claim.

    Returns:
        target (category or value), model, metric (accuracy; ln error: mean absolute error of ln value), value,
        ci_lower, ci_upper, n. Rows of what the log does not hold are absent.

    Raises:
        InsufficientDataError: fewer than 50 orders follow the moments.
    """
    rng = np.random.default_rng(seed)
    events = read_sample(tables.events, split.test_end, model.config.max_events, rng=rng)
    histories = Histories.build(events, model.vocabulary, before=split.test_end, promotions=model.promotions)
    snapshots, index = _ahead(histories, instant(split.valid_end), instant(split.test_end), rng, n_times=n_times)
    if len(index) < ENOUGH:
        raise InsufficientDataError(
            f"Only {len(index)} orders follow the moments of the test window, too few to judge their category and "
            "value. Give a longer test window."
        )
    with inference(model.config.threads):
        answer = read(model.network, histories, snapshots, model.config).answer
        logits = model.network.category_logits(answer, own_categories(histories, snapshots)).numpy()
        own_orders = spent(histories, snapshots)
        foreseen = model.network.order_value(answer, torch.from_numpy(own_orders))[0].double().numpy()
    last = histories.order_end(snapshots.customer, snapshots.at) - 1
    known = last >= histories.order_offsets[snapshots.customer]
    past = histories.order_at < instant(split.valid_end)
    rows = []
    category = histories.order_category[index]
    if (category > 0).any():
        usual = np.bincount(histories.order_category[past & (histories.order_category > 0)]).argmax()
        own = np.where(known, histories.order_category[last], usual)
        says = logits.argmax(axis=1) + 1
        named = {"network": says, "category of the last order": own, "most frequent category": np.full(len(own), usual)}
        judged = np.flatnonzero(category > 0)
        hits = {name: (choice == category)[judged].astype(np.float64) for name, choice in named.items()}
        rows += _rows("category", "accuracy", hits, snapshots.customer[judged], rng, n_bootstrap, level)
    value = np.log(histories.order_value[index].astype(np.float64))
    if np.isfinite(value).any():
        usual_value = float(np.nanmean(np.log(histories.order_value[past])))
        total, count = own_orders.T
        own_value = np.where(count > 0, total / np.maximum(count, 1), usual_value)
        named_value = {
            "network": foreseen,
            "mean of own orders": own_value,
            "mean of all": np.full(len(value), usual_value),
        }
        judged = np.flatnonzero(np.isfinite(value))
        errors = {name: np.abs(guess - value)[judged] for name, guess in named_value.items()}
        rows += _rows("value", "ln error", errors, snapshots.customer[judged], rng, n_bootstrap, level)
    schema = {"target": pl.String, "model": pl.String, "metric": pl.String, "value": pl.Float64, "ci_lower": pl.Float64,
              "ci_upper": pl.Float64, "n": pl.Int64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _ahead(
    histories: Histories, start: int, stop: int, rng: np.random.Generator, n_times: int = 12
) -> tuple[Snapshots, IntArray]:
    """Cross-sections of [start, stop), and the next order of each, where there is one before `stop`."""
    snapshots = calibration_snapshots(histories, start, stop, rng=rng, n_times=n_times)
    index, seen = next_order(histories, snapshots, until=stop)
    return snapshots.take(np.flatnonzero(seen)), index[seen]


def _rows(
    target: str, metric: str, scores: dict[str, FloatArray], customer: IntArray, rng: np.random.Generator,
    n_bootstrap: int, level: float,
) -> list[tuple[str, str, str, float, float, float, int]]:  # fmt: skip
    """Mean of each score with a percentile interval over customers."""
    _, owner = np.unique(customer, return_inverse=True)
    n = int(owner.max()) + 1
    weights = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstrap)[:, owner].astype(np.float64)
    mean: Callable[[FloatArray], npt.NDArray[np.float64]] = lambda score: weights @ score / weights.sum(axis=1)  # noqa: E731
    rows = []
    for name, score in scores.items():
        lower, upper = np.quantile(mean(score), [(1 - level) / 2, (1 + level) / 2])
        rows.append((target, name, metric, float(score.mean()), float(lower), float(upper), len(score)))
    return rows
