"""Charts as PNG files, without a browser and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vl_convert

from flashlift.charts.theme import Chart
from flashlift.errors import OutputError

__all__ = ["save_png"]


def save_png(chart: Chart, path: Path, *, scale: float = 2.0) -> None:
    """Write the chart as a PNG of `scale` pixels per point.

    Raises:
        OutputError: the place cannot be written.
    """
    spec: dict[str, Any] = chart.to_dict()
    png = vl_convert.vegalite_to_png(spec, scale=scale)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror}. Choose a folder you may write to.") from error
