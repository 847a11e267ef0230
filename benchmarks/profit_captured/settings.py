"""How large the shops of a board are, and where its results are kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.profit_captured import shops
from benchmarks.worlds_code import digest, market_code

__all__ = ["OUT", "REDUCED", "STANDARD", "Settings"]

OUT = Path(__file__).parents[1] / "out" / "profit_captured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything beside the code that a row's result depends on.

    Args:
        n_events: events in the log of a shop.
        n_draws: demand draws that estimators make.
        n_futures: common futures on which plans are judged.
        randomized_frac: share of past promotions drawn by lot, in [0, 1].
    """

    n_events: int
    n_draws: int
    n_futures: int
    randomized_frac: float = 0.0

    def folder(self, out: Path = OUT) -> Path:
        """Where results are kept: another folder for other settings, and where the simulated shops changed."""
        told = json.dumps([asdict(self), [*market_code(), digest(Path(shops.__file__))]], sort_keys=True)
        return out / hashlib.sha256(told.encode()).hexdigest()[:12]


STANDARD = Settings(n_events=200_000, n_draws=500, n_futures=1_000)
REDUCED = Settings(n_events=30_000, n_draws=200, n_futures=200)
