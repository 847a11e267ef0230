"""Proof: design a test of the plan, assign its units, analyze it when it is finished."""

from flashlift.experiments.analyze import Result, Summary, analyze, summarize
from flashlift.experiments.assign import HashAssigner
from flashlift.experiments.design import Design, Facts, Lever, Rules, design, sell_out_probability
from flashlift.experiments.exposure_log import exposure_log
from flashlift.experiments.history import customer_history
from flashlift.experiments.off_policy import PolicyEstimate, PolicyValue, Valuation, value
from flashlift.experiments.policy_table import PolicyTable
from flashlift.experiments.price_choice import value_prices
from flashlift.experiments.reward_model import Rewards, cross_fit_rewards
from flashlift.experiments.support import Support, SupportRules

__all__ = [
    "Design",
    "Facts",
    "HashAssigner",
    "Lever",
    "PolicyEstimate",
    "PolicyTable",
    "PolicyValue",
    "Result",
    "Rewards",
    "Rules",
    "Summary",
    "Support",
    "SupportRules",
    "Valuation",
    "analyze",
    "cross_fit_rewards",
    "customer_history",
    "design",
    "exposure_log",
    "sell_out_probability",
    "summarize",
    "value",
    "value_prices",
]
