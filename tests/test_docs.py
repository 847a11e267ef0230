"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from flashlift.domain import Campaign
from flashlift.events import ADAPTERS, RULES
from flashlift.market import WORLDS
from flashlift.settings import load_settings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("script", "page"), [("make_settings", "settings.md"), ("make_plan_schema", "plan.schema.json")]
)
def test_pages_made_from_a_model_are_the_model(script: str, page: str) -> None:
    spec = importlib.util.spec_from_file_location(script, ROOT / "docs" / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / page).read_text() == module.page(), f"run: python docs/{script}.py"


def test_data_page_names_every_rule_and_adapter() -> None:
    text = (ROOT / "docs" / "data.md").read_text()
    for name in (*RULES, *ADAPTERS):
        assert f"`{name}`" in text, name


def test_the_page_of_worlds_names_every_world() -> None:
    text = (ROOT / "docs" / "worlds.md").read_text()
    for name in WORLDS:
        assert f"| `{name}` |" in text, name


def test_every_example_is_valid_and_makes_a_campaign() -> None:
    from datetime import UTC, datetime

    files = [*(ROOT / "examples").glob("*.toml"), ROOT / "src" / "flashlift" / "data" / "online_retail.toml"]
    assert len(files) >= 4
    for file in files:
        settings = load_settings(file, environ={"FLASHLIFT_DATA": "/data"})
        assert isinstance(settings.build_campaign(datetime(2001, 3, 1, tzinfo=UTC)), Campaign)


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_page_of_a_plans_files_names_every_option_and_key() -> None:
    import typer

    from flashlift.cli import app
    from flashlift.pipeline import PlanDocument
    from flashlift.pipeline.plan_files import FORMATS

    text = (ROOT / "docs" / "planning-files.md").read_text()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name in ("plan", "approve", "reject", "diff"):
        for parameter in commands[name].params:
            for word in parameter.opts if parameter.param_type_name == "option" else [parameter.name.upper()]:
                assert f"`{word}`" in text, f"{name} {word}"
    for key in PlanDocument.model_fields:
        assert f"`{key}`" in text, key
    for kind in FORMATS:
        assert f"`plan{kind}`" in text


GUIDES = ("analysis", "debrief", "demand", "monitoring", "off_policy", "planning", "planning-files", "uplift")


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in GUIDES)])
def test_the_examples_print_what_is_shown(page: str) -> None:
    text = (ROOT / page).read_text()
    found = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL)
    assert found
    names: dict[str, object] = {}  # a later example of a page goes on from the earlier ones
    for example, shown in found:
        said = io.StringIO()
        with redirect_stdout(said):
            exec(example, names)
        assert said.getvalue() == shown


@pytest.mark.parametrize("name", ["quickstart", "behavior"])
def test_notebook_was_executed_without_errors(name: str) -> None:
    cells = json.loads((ROOT / "examples" / f"{name}.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    assert not [out for cell in code for out in cell["outputs"] if out["output_type"] == "error"]
