"""How large the shops of a board are, and where its results are kept."""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import flashlift.account
import flashlift.market
from benchmarks.profit_captured import shops

__all__ = ["OUT", "REDUCED", "STANDARD", "Settings"]

OUT = Path(__file__).parents[1] / "out" / "profit_captured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything beside the code that a row's result depends on.

    Args:
        n_events: events in the log of a shop.
        n_draws: demand draws that estimators make.
        n_futures: common futures on which plans are judged.
        randomized_frac: share of past promotions drawn by lot, in [0, 1].
    """

    n_events: int
    n_draws: int
    n_futures: int
    randomized_frac: float = 0.0

    def folder(self, out: Path = OUT) -> Path:
        """Where results are kept: another folder for other settings, and for worlds that are not the same any more."""
        told = json.dumps([asdict(self), _worlds_code()], sort_keys=True)
        return out / hashlib.sha256(told.encode()).hexdigest()[:12]


STANDARD = Settings(n_events=200_000, n_draws=500, n_futures=1_000)
REDUCED = Settings(n_events=30_000, n_draws=200, n_futures=200)


def _worlds_code() -> list[str]:
    """Digest of each file that makes the worlds and their account; comments and docstrings do not count."""
    files = sorted(Path(flashlift.market.__path__[0]).rglob("*.py"))
    return [_digest(path) for path in (*files, Path(flashlift.account.__file__), Path(shops.__file__))]


def _digest(path: Path) -> str:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
