"""A training from the outside: its pace, and Ctrl-C between two steps."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from flashlift.behavior.batches import Windows

__all__ = ["Watch", "interrupts_held"]


@dataclass(slots=True, kw_only=True)
class Watch:
    """Time and pace; `seconds` were spent by processes before this one."""

    seconds: float
    began: float = 0.0
    steps: int = 0
    events: int = 0

    def __post_init__(self) -> None:
        self.began = time.monotonic()

    def tick(self, windows: Windows) -> float:
        """A step is done; returns the seconds of the whole training."""
        self.steps, self.events = self.steps + 1, self.events + int(windows.length.sum())
        return self.seconds + self._here

    @property
    def _here(self) -> float:
        return max(time.monotonic() - self.began, 1e-9)

    @property
    def pace(self) -> float:
        """Events per second."""
        return self.events / self._here

    def note(self, loss: float, steps_left: int) -> str:
        """Loss, pace and the time left if no early stop comes."""
        left = round(self._here / self.steps * steps_left)
        known = f"loss {loss:.3f}, " if math.isfinite(loss) else ""
        return f"{known}{self.pace:,.0f} events/s, {left // 60}:{left % 60:02d} left"


@contextmanager
def interrupts_held(*, held: bool) -> Iterator[list[int]]:
    """Collects Ctrl-C instead of raising at once, so that a step ends whole; the second one does not wait."""
    asked: list[int] = []
    if not held or threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield asked
        if asked:
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)
