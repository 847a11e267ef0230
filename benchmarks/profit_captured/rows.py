"""The rows of the board: which estimator goes with which planner. Files are found by themselves."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType

from benchmarks.profit_captured import estimators, planners
from benchmarks.profit_captured.case import Estimator, Planner

__all__ = ["ORACLE", "Row", "discover"]

OURS, EXACT = "flashlift_today", "optimal"
ORACLE = "truth+oracle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way of planning a sale.

    Args:
        key: name of the two files, `flashlift_today+optimal`; names its results.
        name: name on the board.
        about: first lines of the two files' docstrings.
        estimator: file name of the estimator; None for a planner that needs none.
        estimate: the estimator.
        planner: the planner.
    """

    key: str
    name: str
    about: str
    estimator: str | None
    estimate: Estimator | None
    planner: Planner


def discover() -> list[Row]:
    """All rows: every planner with the estimator it was made for, and every other estimator with the exact planner.

    A planner was made for the estimator that its `ESTIMATOR` names (None: for none), else for the one of its own file
    name, else for flashlift's.
    """
    known: dict[str | None, ModuleType | None] = {None: None}
    known.update(_modules(estimators))
    plans = _modules(planners)
    exact = plans.pop(EXACT)
    made_for = {name: getattr(module, "ESTIMATOR", name if name in known else OURS) for name, module in plans.items()}
    free = [name for name in known if name is not None and (name == OURS or name not in made_for.values())]
    rows = [_row(made_for[name], known[made_for[name]], name, module) for name, module in plans.items()]
    rows += [_row(name, known[name], EXACT, exact) for name in free]
    return sorted(rows, key=lambda row: (row.estimator or "", row.key))


def _row(estimator: str | None, learn: ModuleType | None, planner: str, plan: ModuleType) -> Row:
    learns = learn.NAME if learn else "-"
    about = [first for first in (_first_line(learn), _first_line(plan)) if first]
    return Row(
        key=f"{estimator or 'none'}+{planner}",
        name=f"{learns}, {plan.NAME}",
        about=" ".join(about),
        estimator=estimator,
        estimate=learn,
        planner=plan,
    )


def _modules(package: ModuleType) -> dict[str, ModuleType]:
    names = sorted(found.name for found in pkgutil.iter_modules(package.__path__))
    return {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}


def _first_line(module: ModuleType | None) -> str:
    return (module.__doc__ or "").strip().split("\n")[0] if module else ""
