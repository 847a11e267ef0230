"""Tests in several processes: the longest files first, and a terminal as wide as in one process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

LONGEST = ("test_readme.py", "e2e/test_pipeline.py")

# Workers of pytest-xdist are told a width of 80, and rich keeps for good the width it finds when it is imported.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest = [Path(__file__).parent / name for name in LONGEST]
    items.sort(key=lambda item: item.path not in longest)  # a stable sort keeps the tests of a file together
