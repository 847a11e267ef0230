"""Charts as files: pictures and pages, without a browser and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vl_convert

from flashlift.artifacts import write_bytes
from flashlift.charts.theme import Chart
from flashlift.errors import OutputError

__all__ = ["save"]


def save(chart: Chart, path: Path, *, scale: float = 2.0) -> None:
    """Write the chart as .png (of `scale` pixels per point), .svg, or .html (one page that needs nothing else).

    Raises:
        OutputError: another kind of file, or the place cannot be written.
    """
    spec: dict[str, Any] = chart.to_dict()
    match path.suffix.lower():
        case ".png":
            content = vl_convert.vegalite_to_png(spec, scale=scale)
        case ".svg":
            content = vl_convert.vegalite_to_svg(spec).encode()
        case ".html":
            content = vl_convert.vegalite_to_html(spec, bundle=True).encode()
        case _:
            raise OutputError(f"Cannot draw {path}: its kind is unknown. Name a .png, .svg or .html file.")
    write_bytes(path, content)
