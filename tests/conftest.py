"""The longest files first, so that no process is left with one of them when the others have nothing more to do."""

from __future__ import annotations

from pathlib import Path

import pytest

LONGEST = ("test_readme.py", "e2e/test_pipeline.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest = [Path(__file__).parent / name for name in LONGEST]
    items.sort(key=lambda item: item.path not in longest)  # a stable sort keeps the tests of a file together
