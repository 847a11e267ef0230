import pytest
from tests.behavior.log import SPLIT, tables

from flashlift.behavior import intent_report
from flashlift.behavior.report import segment_report, timing_report
from flashlift.errors import InsufficientDataError


def test_the_report_puts_the_model_beside_its_baselines(model, events):
    metrics, curves = intent_report(model, tables(events), split=SPLIT, horizons_hours=[24.0, 72.0], seed=0,
                                    n_bootstrap=20)  # fmt: skip
    assert metrics.select("model", "horizon_hours").rows() == [
        (name, horizon) for horizon in (24.0, 72.0)
        for name in ("stack", "transformer", "lightgbm on aggregates", "logistic on aggregates")
    ]  # fmt: skip
    assert metrics.null_count().sum_horizontal()[0] == 0
    assert metrics.filter(model="lightgbm on aggregates")["gain"].to_list() == [0.0, 0.0]
    assert (metrics["gain_ci_lower"] <= metrics["gain_ci_upper"]).all()
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


def test_curves_are_judged_beside_kaplan_meier_and_bg_nbd(model, events):
    table = timing_report(model, tables(events), split=SPLIT, seed=0)
    assert table["model"].to_list() == ["stack", "transformer", "kaplan-meier", "bg/nbd"]
    score = dict(table.select("model", "integrated_brier").rows())
    assert (
        score[("stack", "transformer")[0]] < score["kaplan-meier"]
    )  # half of the shop buys ten times as often as the rest
    assert (table["median_error_hours"] > 0).all()


def test_segments_are_named_and_cover_every_snapshot_once_per_kind(model, events):
    table = segment_report(model, tables(events), split=SPLIT, horizon_hours=72.0, seed=0)
    assert set(table["kind"]) <= {"history", "customer"}
    assert table.filter(kind="customer")["n"].sum() <= 12 * 120
    assert ((table["predicted"] - table["base_rate"]).abs() < 0.15).all()
