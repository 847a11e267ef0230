"""The README's tree names what there is, and its notebooks run."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]


def test_the_tree_names_what_there_is() -> None:
    text = (ROOT / "README.md").read_text()
    tree = re.search(r"src/flashlift/\n(.*?)```", text, re.DOTALL)
    assert tree is not None
    named = set(re.findall(r"^  (\w+)(?:\.py|/)", tree.group(1), re.MULTILINE))
    package = ROOT / "src" / "flashlift"
    there = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert named == there - {"__init__"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("name", ["quickstart", "behavior"])
def test_the_notebook_runs(name: str, tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert sum("image/png" in out.get("data", {}) for out in outputs) >= 3
