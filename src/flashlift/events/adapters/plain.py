"""How every adapter begins: the files it is given, their format, and the user's own settings on top of its mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flashlift.events.read import file_format, files
from flashlift.events.source import Source

__all__ = ["as_plain"]


def as_plain(source: Source, columns: Mapping[str, str], **defaults: Any) -> list[Source]:
    """One plain source per file; whatever the user set wins over the adapter's defaults.

    Args:
        source: as the user defined it.
        columns: the adapter's mapping.
        defaults: other fields of Source that the adapter presets.
    """
    own = {name: value for name, value in defaults.items() if getattr(source, name) in (None, ())}
    merged = {name: {**value, **getattr(source, name)} for name, value in defaults.items() if isinstance(value, dict)}
    base = replace(source, **{**own, **merged, "columns": {**columns, **source.columns}})
    return [replace(base, format=file_format(path), path=path) for path in files(source)]
