"""Finished runs on disk, one small JSON file each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from flashlift import artifacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Marks of runs by study, name and seed."""

    folder: Path

    def has(self, study: str, name: str, seed: int) -> bool:
        return self._path(study, name, seed).is_file()

    def keep(self, study: str, name: str, seed: int, marks: dict[str, float]) -> None:
        artifacts.write_text(self._path(study, name, seed), json.dumps(marks))

    def read(self, study: str, name: str, seed: int) -> dict[str, float]:
        return json.loads(self._path(study, name, seed).read_text())

    def _path(self, study: str, name: str, seed: int) -> Path:
        return self.folder / f"{study}_{name.replace(' ', '_')}_{seed}.json"
