from __future__ import annotations

import sys
import time

import numpy as np
import pytest
from benchmarks.profit_captured.meter import metered


def test_seconds_and_result() -> None:
    found = metered(lambda: time.sleep(0.05) or "done")
    assert found.result == "done"
    assert found.seconds >= 0.05


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_is_the_peak_of_the_step_alone() -> None:
    before = np.ones(40_000_000)  # 305 MB that do not count
    large = metered(lambda: float(np.ones(20_000_000).sum()))  # 153 MB, freed before the end
    small = metered(lambda: float(np.ones(2_000_000).sum()))
    if large.peak_mb is None or small.peak_mb is None:
        pytest.skip("this machine does not let a process reset its peak")
    assert 140.0 < large.peak_mb < 250.0  # above: what the interpreter may need beside
    assert small.peak_mb < 60.0
    assert before[0] == 1.0
