"""ZOZOTOWN's logs of two policies (Saito et al. 2021): what does the log of the random one say of Bernoulli Thompson?

The value that is to be met is the mean click rate of the other log (0.0042 for all items). The log does not hold the
policy's probabilities of actions that were not taken, so they are estimated, in one of three ways:

- shares: how often bts showed each item at each position of its own log, all customers and days together;
- stated: bts's propensity of the items it showed, averaged per item and position and made to add up to 1. It describes
  moments at which the item was shown, so it favors items that are rarely likely;
- prior: 100,000 draws of the Beta prior with which bts began, as the Open Bandit Pipeline does for its published
  figures. The prior stands in that package (prior_bts.yaml), not in the log, and never learns.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from flashlift.experiments import PolicyTable, PolicyValue, Valuation, cross_fit_rewards, linear, value

CONTEXT = [f"user_feature_{k}" for k in range(4)]
PUBLISHED = {"ips": 0.004553, "dm": 0.003545, "dr": 0.004727}  # quickstart notebook of the Open Bandit Pipeline


def log(folder: Path, policy: str, items: str) -> pl.DataFrame:
    """A round for each line of a log."""
    table = pl.read_parquet(folder / f"{policy}_{items}.parquet")
    return table.select(
        "position",
        *CONTEXT,
        action="item_id",
        reward=pl.col("click").cast(pl.Float64),
        propensity="propensity_score",
    )


def shares(bts: pl.DataFrame) -> PolicyTable:
    """How often bts showed each item at each position."""
    return _policy(bts.group_by("position", "action").agg(mass=pl.len().cast(pl.Float64)))


def stated(bts: pl.DataFrame) -> PolicyTable:
    """Its propensity of what it showed, averaged."""
    return _policy(bts.group_by("position", "action").agg(mass=pl.col("propensity").mean()))


def prior(file: Path, items: str, *, draws: int = 100_000) -> PolicyTable:
    """How often each item is first, second and third among draws of its Beta prior."""
    import yaml

    found = yaml.safe_load(file.read_text())[items]
    alpha, beta = np.array(found["alpha"]), np.array(found["beta"])
    generator = np.random.RandomState(12345)  # that of the published figures
    count = np.zeros((alpha.size, 3))
    for _ in range(draws):
        count[generator.beta(alpha, beta).argsort()[::-1][:3], [0, 1, 2]] += 1
    rows = [(p + 1, a, count[a, p]) for a in range(alpha.size) for p in range(3)]
    return _policy(pl.DataFrame(rows, schema=["position", "action", "mass"], orient="row"))


def judged(random: pl.DataFrame, policy: PolicyTable) -> PolicyValue:
    """Every estimator, with logistic regression as the model of a click."""
    rewards = cross_fit_rewards(random, policy, context=CONTEXT, learner=linear, rng=np.random.default_rng(12345))
    return value(random, policy, Valuation(metric="clicks per impression"), rewards=rewards)


def on_policy(log_of_policy: pl.DataFrame) -> float:
    """The mean reward, by the estimators: a policy that repeats the log has the weight 1 everywhere."""
    named = log_of_policy.with_row_index("round_id")
    same = named.select("round_id", "action", probability=pl.lit(1.0))
    found = value(named.with_columns(propensity=pl.lit(1.0)), PolicyTable(table=same))
    return found.estimates["ips"].policy_value  # type: ignore[index]


def _policy(mass: pl.DataFrame) -> PolicyTable:
    table = mass.with_columns(probability=pl.col("mass") / pl.col("mass").sum().over("position"))
    return PolicyTable(table=table.select("position", "action", "probability").sort("position", "action"))
