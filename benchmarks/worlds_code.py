"""The simulated worlds as digests of their code: results of a changed world are not results of the old one."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import flashlift.account
import flashlift.market

__all__ = ["digest", "worlds_code"]


def worlds_code() -> list[str]:
    """Digest of each file that makes the worlds and their account; comments and docstrings do not count."""
    files = sorted(Path(flashlift.market.__path__[0]).rglob("*.py"))
    return [digest(path) for path in (*files, Path(flashlift.account.__file__))]


def digest(path: Path) -> str:
    """Digest of a Python file without its comments and docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
