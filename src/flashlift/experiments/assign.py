"""Assignment by a keyed hash: no state, the same variant for ever, nobody can steer it without the key."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate

from flashlift.errors import SettingsError

__all__ = ["HashAssigner"]

_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HashAssigner:
    """Puts units into variants by a keyed BLAKE2b hash (RFC 7693) of their identifier. An `Assigner`.

    The experiment's name is hashed into the key, so two experiments split the same units independently.

    Args:
        experiment: name of the experiment, its salt.
        key: secret of the shop, 16 to 64 bytes.
        weights: variant -> share, in a fixed order, any positive scale.

    Raises:
        SettingsError: an empty name, a key of the wrong length, fewer than two variants, a weight not above 0.

    Example:
        >>> assigner = HashAssigner(experiment="spring", key=bytes(16), weights={"control": 1, "treatment": 1})
        >>> assigner.assign(["ann", "bob", "ann"])
        ['control', 'treatment', 'control']
    """

    experiment: str
    key: bytes = field(repr=False)
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.experiment or not 16 <= len(self.key) <= 64:
            raise SettingsError(
                f"An experiment needs a name and a key of 16 to 64 bytes; the name is {self.experiment!r} and the "
                f"key has {len(self.key)} bytes."
            )
        if len(self.weights) < 2 or not all(0.0 < weight < float("inf") for weight in self.weights.values()):
            raise SettingsError(f"Give two or more variants, each with a weight above 0, not {dict(self.weights)}.")

    def assign(self, unit_ids: Sequence[str]) -> list[str]:
        """Variant of each unit; the same unit gets the same variant for ever."""
        salted = blake2b(self.experiment.encode(), key=self.key, digest_size=32).digest()
        variants, borders = list(self.weights), self._borders()
        return [
            variants[bisect_right(borders, int.from_bytes(blake2b(unit.encode(), key=salted, digest_size=8).digest()))]
            for unit in unit_ids
        ]

    def _borders(self) -> list[int]:
        """Inner borders of the variants on the line of hash values."""
        total = sum(self.weights.values())
        return [int(part / total * 2**_BITS) for part in accumulate(self.weights.values())][:-1]
