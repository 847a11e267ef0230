"""The simulated worlds as digests of their code: results of a changed world are not results of the old one."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

import flashlift.account
import flashlift.market
from flashlift.market import worlds

__all__ = ["digest", "market_code", "world_code"]

WORLDS = Path(worlds.__path__[0])


def market_code() -> list[str]:
    """Digest of each file that all worlds and their account are made of."""
    files = sorted(path for path in Path(flashlift.market.__path__[0]).rglob("*.py") if path.parent != WORLDS)
    return [digest(path) for path in (*files, Path(flashlift.account.__file__))]


@cache
def world_code(world: str) -> str:
    """Digest of the world's file and of the files of other worlds that it is made of."""
    found, open_names = dict[str, str](), [world, "log_linear"]  # every world begins with the plainest law
    while open_names:
        path = WORLDS / f"{open_names.pop()}.py"
        if path.stem not in found and path.exists():  # a name without a world has its rows fail, one by one
            found[path.stem] = digest(path)
            open_names += _imported(path)
    return hashlib.sha256("".join(found[name] for name in sorted(found)).encode()).hexdigest()


def digest(path: Path) -> str:
    """Digest of a Python file without its comments and docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _imported(path: Path) -> list[str]:
    """Names of the worlds that a world's file imports from."""
    prefix = f"{worlds.__name__}."
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return [node.module.removeprefix(prefix) for node in nodes if node.module and node.module.startswith(prefix)]
