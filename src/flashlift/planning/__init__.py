"""The best sale within the limits: which items, when, at what price, with how much stock."""

from flashlift.planning.check import Broken, Verdict, check
from flashlift.planning.rules import best_sellers, fair_rule, flat_rule, random_plan, slow_movers
from flashlift.planning.solve import solve
from flashlift.planning.store import load_plan, save_plan
from flashlift.planning.table import plan_table

__all__ = [
    "Broken",
    "Verdict",
    "best_sellers",
    "check",
    "fair_rule",
    "flat_rule",
    "load_plan",
    "plan_table",
    "random_plan",
    "save_plan",
    "slow_movers",
    "solve",
]
