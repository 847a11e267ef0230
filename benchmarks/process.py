"""A process measured as a whole."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

__all__ = ["arguments", "timed"]


def arguments(doc: str | None, sizes: list[int], stages: Iterable[str]) -> argparse.ArgumentParser:
    """What every scale benchmark is asked: sizes to measure, or, of a measured process, what to do in its folder."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=sizes)
    parser.add_argument("--stage", choices=list(stages))
    parser.add_argument("--generate", type=int)
    parser.add_argument("--folder", type=Path)
    return parser


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
