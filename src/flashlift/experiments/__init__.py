"""Proof: design a test of the plan, assign its units, analyze it when it is finished."""

from flashlift.experiments.analyze import analyze
from flashlift.experiments.assign import HashAssigner, Namespace
from flashlift.experiments.changes import difference_in_differences
from flashlift.experiments.cupac import cupac
from flashlift.experiments.design import design, sell_out_probability
from flashlift.experiments.designed import Design
from flashlift.experiments.effect import SaleEffect
from flashlift.experiments.exposure_log import exposure_log
from flashlift.experiments.exposures import ExposureLog, Recomputed, recompute
from flashlift.experiments.facts import Facts, Kind, Lever, Rules
from flashlift.experiments.features import Encoder
from flashlift.experiments.history import customer_history, window_history
from flashlift.experiments.looks import Look, Reading, look_at
from flashlift.experiments.metric import Metric
from flashlift.experiments.monitor import Monitor
from flashlift.experiments.off_policy import PolicyEstimate, PolicyValue, Valuation, check_log, value
from flashlift.experiments.outcome_model import linear, trees
from flashlift.experiments.paired_units import paired_units
from flashlift.experiments.policy_table import PolicyTable
from flashlift.experiments.price_choice import value_prices
from flashlift.experiments.reconcile import reconcile
from flashlift.experiments.reconciliation import Consequence, Mismatch, Reconciliation
from flashlift.experiments.result import Answer, Result
from flashlift.experiments.reward_model import Rewards, cross_fit_rewards
from flashlift.experiments.running_test import Better, Goal, Guardrail, RunningTest
from flashlift.experiments.segments import Segments, effects_by_segment
from flashlift.experiments.stock_split import stock_split
from flashlift.experiments.summary import Summary, summarize
from flashlift.experiments.support import Support, SupportRules
from flashlift.experiments.switchback import switchback
from flashlift.experiments.trial import Trial, estimated_propensity, randomized_trial
from flashlift.experiments.uplift import DRLearner, ResponseModel, TLearner, UpliftLearner, XLearner
from flashlift.experiments.uplift_splits import Splits, UpliftComparison, compare_uplift, value_of_top
from flashlift.experiments.verdicts import Verdict

__all__ = [
    "Answer",
    "Better",
    "Consequence",
    "DRLearner",
    "Design",
    "Encoder",
    "ExposureLog",
    "Facts",
    "Goal",
    "Guardrail",
    "HashAssigner",
    "Kind",
    "Lever",
    "Look",
    "Metric",
    "Mismatch",
    "Monitor",
    "Namespace",
    "PolicyEstimate",
    "PolicyTable",
    "PolicyValue",
    "Reading",
    "Recomputed",
    "Reconciliation",
    "ResponseModel",
    "Result",
    "Rewards",
    "Rules",
    "RunningTest",
    "SaleEffect",
    "Segments",
    "Splits",
    "Summary",
    "Support",
    "SupportRules",
    "TLearner",
    "Trial",
    "UpliftComparison",
    "UpliftLearner",
    "Valuation",
    "Verdict",
    "XLearner",
    "analyze",
    "check_log",
    "compare_uplift",
    "cross_fit_rewards",
    "cupac",
    "customer_history",
    "design",
    "difference_in_differences",
    "effects_by_segment",
    "estimated_propensity",
    "exposure_log",
    "linear",
    "look_at",
    "paired_units",
    "randomized_trial",
    "recompute",
    "reconcile",
    "sell_out_probability",
    "stock_split",
    "summarize",
    "switchback",
    "trees",
    "value",
    "value_of_top",
    "value_prices",
    "window_history",
]
