"""What a step costs: wall time, and by how much the process grows while it runs."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["Metered", "metered"]

T = TypeVar("T")
_PROCESS = Path("/proc/self")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered(Generic[T]):
    """Result of a step, its seconds, and its memory in MB; None where the system does not tell."""

    result: T
    seconds: float
    peak_mb: float | None


def metered(step: Callable[[], T]) -> Metered[T]:
    """Run `step`; its memory is the peak resident memory of the process during it, less that before it (Linux only).

    Memory that an earlier step freed is first given back to the system, as far as the allocator lets us; what it keeps
    is not counted again, so the figure is good to some 20 %.
    """
    _give_back()
    before = _resident("VmRSS") if _forget_peak() else None
    begin = time.perf_counter()
    result = step()
    seconds = time.perf_counter() - begin
    peak = None if before is None else max(_resident("VmHWM") - before, 0.0)
    return Metered(result=result, seconds=seconds, peak_mb=peak)


def _give_back() -> None:
    gc.collect()
    with suppress(AttributeError, OSError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


def _forget_peak() -> bool:
    """Set the peak to the present, see proc_pid_clear_refs(5); False where that cannot be."""
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _resident(field: str) -> float:
    lines = (_PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
