"""Whether and when a customer buys: network, trees and regression, stacked and calibrated on a later slice.

train before `train_end`    stack and calibrate on [train_end, stop), each on other customers
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashlift.behavior import curves
from flashlift.behavior.aggregates import aggregates
from flashlift.behavior.histories import Histories
from flashlift.behavior.intent import Intent, calibration_snapshots, fit_calibrators, outcomes
from flashlift.behavior.lines import PurchaseLines
from flashlift.behavior.snapshots import Snapshots, spread_snapshots
from flashlift.behavior.stack import Stack
from flashlift.behavior.trees import PurchaseTrees
from flashlift.behavior.watched import Watched
from flashlift.protocols import FloatArray, IntArray

__all__ = ["MODELS", "PurchaseIntent", "Reader", "out_of_fold"]

log = logging.getLogger(__name__)

MODELS = ("network", "trees", "lines")
TRAINING_SNAPSHOTS = 40_000
PER_CUSTOMER = 50  # snapshots of a customer on average, at most
MOMENTS = 24  # of stacking and calibration
AT_EACH = 1500  # customers at each of them
FOLDS = 2  # of customers: who is calibrated on was not stacked on

Reader = Callable[[Snapshots], FloatArray]
"""ln P(no order until each edge) as the network says, (n, K)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseIntent:
    """The default predictor of purchases, and the network's own calibration beside it.

    Args:
        trees: LightGBM on aggregates.
        lines: logistic regression on aggregates.
        stack: how much each of `MODELS` counts.
        calibration: of the stack.
        alone: of the network alone.
    """

    trees: PurchaseTrees
    lines: PurchaseLines
    stack: Stack
    calibration: Intent
    alone: Intent

    @classmethod
    def fit(
        cls,
        histories: Histories,
        edges: FloatArray,
        reader: Reader,
        *,
        borders: tuple[int, int],
        rng: np.random.Generator,
    ) -> PurchaseIntent | None:
        """Train before borders[0], stack and calibrate on [borders[0], borders[1]).

        The slice is not cut in time: its long horizons are watched to their end in its first part only. So the
        calibrators are fitted on blends whose weights come from other customers (cross-fitting).

        Args:
            histories: all events before borders[1] (microseconds).
            edges: ends of the hazard bins in hours, rising, (K,).
            reader: the network, trained on what was before borders[0].
            borders: end of training, of the later slice.
            rng: source of snapshots and of the trees' seed.

        Returns:
            None where the log holds too few orders to learn from or to calibrate on; the log says so.
        """
        train_end, stop = borders
        if not len(histories.order_at):
            return None
        n = min(TRAINING_SNAPSHOTS, PER_CUSTOMER * histories.n_customers)
        moments = spread_snapshots(histories, int(histories.at.min()), train_end, n=n, rng=rng)
        learned = Watched.build(edges, *outcomes(histories, moments, until=train_end))
        if not learned.enough.any():
            log.warning("The training window holds too few orders to learn from: no purchase intent.")
            return None
        design = aggregates(histories, moments)
        trees = PurchaseTrees.fit(design, learned, seed=int(rng.integers(2**31)))
        lines = PurchaseLines.fit(design, learned)
        later = calibration_snapshots(histories, train_end, stop, rng=rng, n_times=MOMENTS, at_most=AT_EACH)
        logs, told = reader(later), outcomes(histories, later, until=stop)
        opinions, seen = _opinions(histories, later, logs, trees, lines), Watched.build(edges, *told)
        fold = rng.integers(FOLDS, size=histories.n_customers)[later.customer]
        blend = out_of_fold(opinions, trees.usual, seen, fold)
        calibration = fit_calibrators(edges, curves.log_survival(blend), *told)
        alone = fit_calibrators(edges, logs, *told)
        if calibration is None or alone is None:
            return None
        stack = Stack.fit(opinions, trees.usual, seen)
        return cls(trees=trees, lines=lines, stack=stack, calibration=calibration, alone=alone)

    def probability(
        self, log_survival: FloatArray, histories: Histories, snapshots: Snapshots, horizons_hours: Sequence[float]
    ) -> FloatArray:
        """Calibrated P(an order begins within h of each snapshot), (n, n_horizons), rising with h.

        Customers without events get the shop's base rate.

        Args:
            log_survival: what the network says of the snapshots, (n, K).
            histories: the events before the snapshots.
            snapshots: who and when.
            horizons_hours: each in (0, last edge].

        Raises:
            InputError: a horizon is outside of that.
        """
        curve = self.stack.probability(_opinions(histories, snapshots, log_survival, self.trees, self.lines))
        return self.calibration.probability(curves.log_survival(curve), _known(histories, snapshots), horizons_hours)

    def network_alone(
        self, log_survival: FloatArray, histories: Histories, snapshots: Snapshots, horizons_hours: Sequence[float]
    ) -> FloatArray:
        """The same from the network alone, calibrated by itself."""
        return self.alone.probability(log_survival, _known(histories, snapshots), horizons_hours)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As arrays to save."""
        parts = self.trees.arrays() | self.lines.arrays() | self.stack.arrays()
        return parts | self.calibration.arrays("intent") | self.alone.arrays("alone")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> PurchaseIntent | None:
        """Back from saved arrays; None if there are none."""
        calibration, alone = Intent.from_arrays(arrays, "intent"), Intent.from_arrays(arrays, "alone")
        if calibration is None or alone is None:
            return None
        trees, lines = PurchaseTrees.from_arrays(arrays), PurchaseLines.from_arrays(arrays)
        return cls(trees=trees, lines=lines, stack=Stack.from_arrays(arrays), calibration=calibration, alone=alone)


def _opinions(
    histories: Histories, snapshots: Snapshots, log_survival: FloatArray, trees: PurchaseTrees, lines: PurchaseLines
) -> list[FloatArray]:
    """P(order before each edge) of each of MODELS, (n, K) each."""
    design = aggregates(histories, snapshots)
    return [-np.expm1(log_survival), trees.probability(design), lines.probability(design)]


def out_of_fold(opinions: Sequence[FloatArray], usual: FloatArray, seen: Watched, fold: IntArray) -> FloatArray:
    """The blend for each row with weights from the rows of the other folds, (n, K).

    Args:
        opinions: P(order before each edge) of each model, (n, K) each.
        usual: log odds of the shop at each edge, (K,).
        seen: outcomes of the n snapshots.
        fold: 0 .. FOLDS - 1 of each row, the same for all rows of a customer, (n,).
    """
    blend = np.empty_like(opinions[0])
    for one in range(FOLDS):
        here, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        stack = Stack.fit([curve[others] for curve in opinions], usual, seen.take(others))
        blend[here] = stack.probability([curve[here] for curve in opinions])
    return blend


def _known(histories: Histories, snapshots: Snapshots) -> npt.NDArray[np.bool_]:
    return np.asarray(histories.end(snapshots.customer, snapshots.at) > histories.offsets[snapshots.customer])
