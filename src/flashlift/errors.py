"""Every exception flashlift raises on purpose.

    FlashliftError                 exit code 1
    ├── InputError                 3   the data given: a missing file or column, a wrong type, an empty table
    ├── SettingsError              4   the settings file: an unknown key, an impossible value
    ├── OutputError                5   a place that cannot be written
    ├── ArtifactError              6   a saved artifact that is missing, damaged or of another version
    ├── InsufficientDataError      7   the data is sound but cannot answer what was asked
    └── InfeasibleError            8   limits that no plan can keep together; it names them

A message is one sentence that says what is wrong, with the value and the place, and then the fix.
The command line prints the message alone and leaves with the exit code of the class. Beside these, `flashlift verify`
leaves with 1 where a plan is not what it says, and `flashlift experiment analyze` with 9 where the arms do not hold
the intended shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

__all__ = [
    "ArtifactError",
    "FlashliftError",
    "InfeasibleError",
    "InputError",
    "InsufficientDataError",
    "OutputError",
    "SettingsError",
]


class FlashliftError(Exception):
    """Base of all errors that flashlift raises on purpose."""

    exit_code: ClassVar[int] = 1


class InputError(FlashliftError):
    """The data handed in cannot be used as it is."""

    exit_code = 3


class SettingsError(FlashliftError):
    """The settings cannot be understood or contradict each other."""

    exit_code = 4


class OutputError(FlashliftError):
    """A result cannot be written where it was asked for."""

    exit_code = 5


class ArtifactError(FlashliftError):
    """A saved artifact is missing, damaged, or written by another version."""

    exit_code = 6


class InsufficientDataError(FlashliftError):
    """The data is sound, but holds too little to answer the question."""

    exit_code = 7


class InfeasibleError(FlashliftError):
    """No plan keeps all limits.

    Attributes:
        limits: names of a set of limits that conflict; every one of them is needed for the conflict.
        relaxation: name of a row of a limit -> by how much to move its bound so that, with all of these moves, a plan
            exists: the smallest moves in sum, each as a share of its bound. Empty where none was found in time.
    """

    exit_code = 8

    def __init__(self, message: str, limits: tuple[str, ...], relaxation: Mapping[str, float] | None = None) -> None:
        super().__init__(message)
        self.limits = limits
        self.relaxation = dict(relaxation or {})
