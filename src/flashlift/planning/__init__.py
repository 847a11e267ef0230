"""The best sale within the limits: which items, when, at what price, with how much stock."""

from flashlift.planning.answers import answers
from flashlift.planning.certificate import Certificate
from flashlift.planning.check import check
from flashlift.planning.decisions import Decision, approve, approved_items, decisions, reject, standing
from flashlift.planning.desk import Desk
from flashlift.planning.differences import Differences, differences
from flashlift.planning.explain import Explained, explain
from flashlift.planning.explore import Explored, explore
from flashlift.planning.finding import Broken
from flashlift.planning.nominated import expected_funding, funded
from flashlift.planning.pareto import pareto
from flashlift.planning.rules import best_sellers, fair_rule, flat_rule, random_plan, slow_movers
from flashlift.planning.solve import solve, solve_certified
from flashlift.planning.store import SavedPlan, explain_saved, load_plan, recheck, reprove, save_plan
from flashlift.planning.table import plan_table
from flashlift.planning.verdict import Verdict, findings_frame
from flashlift.planning.verify import Proof, verify

__all__ = [
    "Broken",
    "Certificate",
    "Decision",
    "Desk",
    "Differences",
    "Explained",
    "Explored",
    "Proof",
    "SavedPlan",
    "Verdict",
    "answers",
    "approve",
    "approved_items",
    "best_sellers",
    "check",
    "decisions",
    "differences",
    "expected_funding",
    "explain",
    "explain_saved",
    "explore",
    "fair_rule",
    "findings_frame",
    "flat_rule",
    "funded",
    "load_plan",
    "pareto",
    "plan_table",
    "random_plan",
    "recheck",
    "reject",
    "reprove",
    "save_plan",
    "slow_movers",
    "solve",
    "solve_certified",
    "standing",
    "verify",
]
