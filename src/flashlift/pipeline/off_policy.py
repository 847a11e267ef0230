"""What another policy, or another choice of prices, would have earned: from files to the value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from flashlift import experiments
from flashlift.errors import InputError
from flashlift.experiments.outcome_model import Learner
from flashlift.experiments.price_choice import CHOICES
from flashlift.pipeline.table_file import read_table, renamed
from flashlift.protocols import FloatArray

__all__ = ["AskedValue", "value_policy", "value_prices"]

MODELS: Mapping[str, Callable[[FloatArray], Learner]] = {"linear": experiments.linear, "trees": experiments.trees}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedValue:
    """What is asked of a log.

    Args:
        valuation: metric in words, kind of interval, level, and when the log is refused.
        action, reward, propensity: names of these columns in the log; `action` also in the policy.
        unit: column of the log whose rows depend on each other, such as the customer; None: every round is its own.
        context: columns that the model of the reward reads beside action and position.
        model: `trees` (LightGBM), `linear` (logistic or ridge regression) or `none`: then IPS, SNIPS and clipped IPS.
        seed: of folds and bootstrap.
    """

    valuation: experiments.Valuation = field(default_factory=experiments.Valuation)
    action: str = "action"
    reward: str = "reward"
    propensity: str = "propensity"
    unit: str | None = None
    context: tuple[str, ...] = ()
    model: Literal["trees", "linear", "none"] = "trees"
    seed: int = 0


def value_policy(log: Path, policy: Path, asked: AskedValue | None = None) -> experiments.PolicyValue:
    """Value the policy of one file on the rounds of another.

    Args:
        log: CSV or Parquet, a row per round: action, reward, propensity, optionally position, a unit, and whatever else
            the policy and the model look at.
        policy: CSV or Parquet: action, probability, and the columns of the log that the policy looks at, if any
            (`flashlift.experiments.PolicyTable`).
        asked: names of columns and how to value.

    Raises:
        InputError: a file, column or value that cannot be used, with its place.
        InsufficientDataError: the log cannot tell the value of this policy, with the reason.
    """
    asked = asked or AskedValue()
    if asked.model != "none" and asked.model not in MODELS:
        raise InputError(f"There is no model {asked.model!r} of the reward. Choose {', '.join(MODELS)} or none.")
    names = {"action": asked.action, "reward": asked.reward, "propensity": asked.propensity}
    rounds = renamed(read_table(log), log, names | ({"unit_id": asked.unit} if asked.unit else {}))
    taken = experiments.PolicyTable(
        table=renamed(read_table(policy), policy, {"action": asked.action, "probability": "probability"})
    )
    experiments.check_log(rounds)
    rng = np.random.default_rng(asked.seed)
    rewards = None
    if asked.model != "none":
        rewards = experiments.cross_fit_rewards(
            rounds, taken, context=asked.context, learner=MODELS[asked.model], rng=rng
        )
    return experiments.value(rounds, taken, asked.valuation, rewards=rewards, rng=rng)


def value_prices(lots: Path, sold: Path, *, choice: str = "planned") -> experiments.PolicyValue:
    """Value prices for the offers of a plan that drew theirs by lot.

    Args:
        lots: exploration.csv of the plan, or of several sales with a column `sale`.
        sold: CSV or Parquet: item_id, slot_id (and sale), units, unit_cost.
        choice: `planned`, `lowest`, `highest`, or a file of item_id, slot_id (and sale) and price.

    Raises:
        InputError: a file, column or value that cannot be used.
        InsufficientDataError: too few places were explored.
    """
    chosen = choice if choice in CHOICES else read_table(Path(choice))
    return experiments.value_prices(read_table(lots), read_table(sold), chosen)  # type: ignore[arg-type]
