import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from tests.behavior.log import SPLIT, tables

from flashlift.behavior import intent_report
from flashlift.behavior.report import average_precision
from flashlift.errors import InsufficientDataError


def test_average_precision_equals_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    predicted, outcome = rng.integers(0, 20, 300) / 20, (rng.random(300) < 0.2).astype(float)
    weight = rng.integers(0, 3, 300).astype(float)
    assert average_precision(predicted, outcome) == pytest.approx(average_precision_score(outcome, predicted), abs=1e-9)
    expected = average_precision_score(outcome, predicted, sample_weight=weight)
    assert average_precision(predicted, outcome, weight) == pytest.approx(expected, abs=1e-9)


def test_the_report_puts_the_model_beside_its_baselines(model, events):
    metrics, curves = intent_report(model, tables(events), split=SPLIT, horizons_hours=[24.0, 72.0], seed=0,
                                    n_bootstrap=20)  # fmt: skip
    assert metrics.select("model", "horizon_hours").rows() == [
        (name, horizon) for horizon in (24.0, 72.0)
        for name in ("transformer", "lightgbm on aggregates", "logistic on aggregates")
    ]  # fmt: skip
    assert metrics.null_count().sum_horizontal()[0] == 0
    # Half of the shop buys ten times as often as the rest: whoever reads the log knows who.
    assert (metrics["pr_auc_ci_lower"] > metrics["base_rate"]).all()
    assert (metrics["brier_skill"] > 0.1).all()
    assert curves["n"].sum() == metrics["n"].sum()
    assert curves.columns == ["model", "horizon_hours", "bin", "predicted", "observed", "n"]


def test_the_report_repeats(model, events):
    one, two = (
        intent_report(model, tables(events), split=SPLIT, horizons_hours=[24.0], seed=4, n_bootstrap=5)[0]
        for _ in range(2)
    )
    assert one.equals(two)


def test_a_horizon_longer_than_the_test_window_is_refused(model, events):
    with pytest.raises(InsufficientDataError, match="shorter than the horizon"):
        intent_report(model, tables(events), split=SPLIT, horizons_hours=[720.0], seed=0)
