from pathlib import Path

import pytest
from tests.charts import tables

from flashlift import charts
from flashlift.errors import OutputError

BEGINS = {".png": b"\x89PNG", ".svg": b"<svg", ".html": b"<!DOCTYPE html>"}


@pytest.mark.parametrize("kind", BEGINS)
def test_each_kind_of_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / f"q{kind}"
    charts.save(charts.quality(tables.rules()), path, scale=1)
    content = path.read_bytes()
    assert content.startswith(BEGINS[kind])
    assert [other.name for other in path.parent.iterdir()] == [path.name]  # nothing half-written stays


def test_a_page_needs_no_network(tmp_path: Path) -> None:
    charts.save(charts.quality(tables.rules()), tmp_path / "q.html")
    page = (tmp_path / "q.html").read_text()
    assert 'src="http' not in page and "vegaEmbed" in page


def test_an_unknown_kind_and_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    chart = charts.quality(tables.rules())
    with pytest.raises(OutputError, match=r"q\.pdf: its kind is unknown"):
        charts.save(chart, tmp_path / "q.pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        charts.save(chart, tmp_path / "file" / "q.png")
