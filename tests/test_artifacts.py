"""Artifacts survive the round trip, and never half of one is seen."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashlift import artifacts
from flashlift.errors import ArtifactError, OutputError


def test_round_trip(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "限时"]})
    array = np.arange(6.0).reshape(2, 3).T  # not contiguous
    artifacts.save(
        artifacts.Artifact(kind="demand", manifest={"n": 1}, inputs="d", arrays={"w": array}, frames={"f": frame}),
        tmp_path / "one",
    )
    back = artifacts.load(tmp_path / "one", "demand")
    assert back.manifest == {"n": 1}
    assert back.inputs == "d"
    np.testing.assert_array_equal(back.arrays["w"], array)
    assert back.frames["f"].equals(frame)


def test_files_are_private(tmp_path: Path) -> None:
    artifacts.save(artifacts.Artifact(kind="k", frames={"f": pl.DataFrame({"a": [1]})}), tmp_path / "one")
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "one").iterdir()} == {0o600}


def test_replacing_leaves_nothing_behind(tmp_path: Path) -> None:
    for n in range(3):
        artifacts.save(artifacts.Artifact(kind="k", manifest={"n": n}), tmp_path / "one")
    assert [p.name for p in tmp_path.iterdir()] == ["one"]
    assert artifacts.load(tmp_path / "one", "k").manifest == {"n": 2}


def test_missing_wrong_kind_and_damage_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="There is no k in"):
        artifacts.load(tmp_path / "one", "k")
    artifacts.save(artifacts.Artifact(kind="k", arrays={"w": np.ones(3)}), tmp_path / "one")
    with pytest.raises(ArtifactError, match="holds 'k'"):
        artifacts.load(tmp_path / "one", "other")
    (tmp_path / "one" / "arrays.safetensors").write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="damaged"):
        artifacts.load(tmp_path / "one", "k")
    (tmp_path / "one" / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifacts.load(tmp_path / "one", "k")


def test_another_layout_is_told_from_damage(tmp_path: Path) -> None:
    artifacts.save(artifacts.Artifact(kind="demand", layout=2), tmp_path / "one")
    assert artifacts.load(tmp_path / "one", "demand", 2).layout == 2
    with pytest.raises(ArtifactError, match=r"another version of flashlift \(demand of layout 2, this one reads 3\)"):
        artifacts.load(tmp_path / "one", "demand", 3)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        artifacts.save(artifacts.Artifact(kind="k"), tmp_path / "file" / "one")
    with pytest.raises(OutputError, match="Cannot write"):
        artifacts.write_text(tmp_path / "file" / "x.html", "x")


@given(st.lists(st.text(), max_size=4))
def test_digest_depends_on_every_part_and_on_their_borders(parts: list[str]) -> None:
    assert artifacts.digest(*parts) == artifacts.digest(*parts)
    assert artifacts.digest(*parts) != artifacts.digest(*parts, "")


def test_digest_reads_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    assert artifacts.digest(tmp_path / "a") == artifacts.digest(tmp_path / "b")
    (tmp_path / "b").write_bytes(b"2")
    assert artifacts.digest(tmp_path / "a") != artifacts.digest(tmp_path / "b")


def test_lines_are_added_and_nothing_that_stood_there_changes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    for k in range(3):
        artifacts.append_line(path, f"line {k} 限时")
    assert path.read_text(encoding="utf-8").splitlines() == [f"line {k} 限时" for k in range(3)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        artifacts.append_line(tmp_path / "file" / "x.jsonl", "x")
