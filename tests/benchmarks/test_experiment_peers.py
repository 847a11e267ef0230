"""The processes of the comparison agree on a small file, and a figure that is off by a millionth stops the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.experiment_peers import __main__ as peers


def test_flashlift_and_tea_tasting_find_the_same(tmp_path: Path) -> None:
    peers.generate(tmp_path, 20_000)
    for stage in peers.STAGES.values():
        stage(tmp_path)
    peers._agree(tmp_path)
    found = json.loads((tmp_path / "flashlift.json").read_text())
    assert list(found) == ["mean", "ratio", "cuped"]
    found["mean"][0] += 1e-6
    (tmp_path / "flashlift.json").write_text(json.dumps(found))
    with pytest.raises(AssertionError):
        peers._agree(tmp_path)
