"""A process measured as a whole."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

__all__ = ["timed"]


def timed(command: list[str], env: dict[str, str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MB of a whole process.

    Raises:
        SystemExit: the process failed; its output is shown.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        output = said.read().decode()
    if status:
        raise SystemExit(output)
    print(output, end="")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
