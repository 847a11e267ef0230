"""Write docs/settings.md from the settings model, so that the two cannot differ.

python docs/make_settings.py
"""

from __future__ import annotations

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from flashlift.settings import Settings

HEAD = """# Settings

One TOML file. Paths are relative to it; `${NAME}` in a text is the environment variable of that name. Unknown keys are
refused. This page is made by `python docs/make_settings.py`. Examples: the bundled demonstration
([online_retail.toml](../src/flashlift/data/online_retail.toml)) and the files in [examples](../examples).
"""


def table(model: type[BaseModel]) -> list[str]:
    """Rows of one section."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if sub_model(field.annotation) is not None:
            default = "see below"
        elif field.is_required():
            default = "required"
        else:
            made = field.get_default(call_default_factory=True)
            default = "none" if made is None or made is PydanticUndefined else f"`{plain(made)}`"
        rows.append(f"| `{name}` | {type_name(field.annotation)} | {default} | {field.description or ''} |")
    return rows


def plain(value: Any) -> str:
    """A default as it would stand in TOML."""
    return str(value).replace("'", '"') if not isinstance(value, bool) else str(value).lower()


def sub_model(annotation: Any) -> type[BaseModel] | None:
    """The section model inside an annotation, if any."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def type_name(annotation: Any) -> str:
    """A type in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(name) for name in parts)
    if origin is Annotated:
        return type_name(parts[0])
    if origin in {Union, UnionType}:
        return " or ".join(type_name(part) for part in parts if part is not NoneType)
    if origin is not None:
        return f"{origin.__name__}[{', '.join(type_name(part) for part in parts)}]"
    return str(annotation.__name__)


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for name, field in Settings.model_fields.items():
        model = sub_model(field.annotation)
        assert model is not None
        brackets = f"[[{name}]]" if get_args(field.annotation) else f"[{name}]"
        lines += [f"## `{brackets}`", "", (model.__doc__ or "").strip(), "", *table(model), ""]
        for inner, part in model.model_fields.items():
            below = sub_model(part.annotation)
            if below is not None:
                many = get_origin(part.annotation) is list
                head = f"### `[[{name}.{inner}]]`" if many else f"### `[{name}.{inner}]`"
                lines += [head, "", (below.__doc__ or "").strip(), "", *table(below), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(page())
