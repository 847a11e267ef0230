"""Assignment by a keyed hash: no state, the same variant for ever, nobody can steer it without the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from flashlift.errors import SettingsError

__all__ = ["HashAssigner", "Namespace"]

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
        _check_key(self.experiment, self.key)
        if len(self.weights) < 2 or not all(0.0 < weight < float("inf") for weight in self.weights.values()):
            raise SettingsError(f"Give two or more variants, each with a weight above 0, not {dict(self.weights)}.")

    def assign(self, unit_ids: Sequence[str]) -> list[str]:
        """Variant of each unit; the same unit gets the same variant for ever."""
        variants = np.array(list(self.weights), dtype=object)
        salt = blake2b(self.experiment.encode(), key=self.key, digest_size=32).digest()
        found: list[str] = variants[np.searchsorted(self._borders(), _places(unit_ids, salt), side="right")].tolist()
        return found

    def propensity(self, variant: str) -> float:
        """Probability of a variant."""
        return self.weights[variant] / sum(self.weights.values())

    def _borders(self) -> npt.NDArray[np.uint64]:
        """Inner borders of the variants on the line of hash values."""
        total = sum(self.weights.values())
        inner = [int(part / total * 2**_BITS) for part in accumulate(self.weights.values())][:-1]
        return np.array([min(border, 2**_BITS - 1) for border in inner], dtype=np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Experiments that must not meet: each holds a range of the same line, so a unit is in one of them at most.

    The permanent holdout lies on a line of its own that hangs on the key alone. It is the same people in all
    namespaces, in no experiment for ever: who they are tells what all campaigns together bring.

    Args:
        name: of the namespace.
        key: secret of the shop, 16 to 64 bytes.
        ranges: experiment -> (from, until) within [0, 1], none of them overlapping. An experiment that ends leaves its
            range free for the next one, whose own hash mixes its people anew.
        holdout_frac: share of all units in the permanent holdout, in [0, 1).
        excluded: units that take part in nothing: staff, test accounts, resellers.

    Raises:
        SettingsError: an empty name, a wrong key, ranges that overlap or leave [0, 1], or an impossible holdout.

    Example:
        >>> shop = Namespace(name="prices", key=bytes(16), ranges={"spring": (0.0, 0.5), "summer": (0.5, 1.0)})
        >>> shop.assign("spring", ["ann", "bob", "cyd"], {"control": 1, "treatment": 1})
        ['control', None, None]
    """

    name: str
    key: bytes = field(repr=False)
    ranges: Mapping[str, tuple[float, float]]
    holdout_frac: float = 0.0
    excluded: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _check_key(self.name, self.key)
        if not 0.0 <= self.holdout_frac < 1.0:
            raise SettingsError(f"A holdout of {self.holdout_frac:g} is no share. Set it to 0 or more, and below 1.")
        placed = sorted((start, end, name) for name, (start, end) in self.ranges.items())
        for start, end, name in placed:
            if not 0.0 <= start < end <= 1.0:
                raise SettingsError(f"The range {start:g} to {end:g} of {name!r} is none within 0 to 1. Correct it.")
        for (_, end, one), (start, _, other) in pairwise(placed):
            if start < end:
                raise SettingsError(f"The ranges of {one!r} and {other!r} overlap at {start:g} to {end:g}. Part them.")

    def held_out(self, unit_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Whether each unit is in the permanent holdout, (n,)."""
        salt = blake2b(b"holdout", key=self.key, digest_size=32, person=b"for ever").digest()
        return np.asarray(_places(unit_ids, salt) < np.uint64(self.holdout_frac * 2**_BITS))

    def assign(self, experiment: str, unit_ids: Sequence[str], weights: Mapping[str, float]) -> list[str | None]:
        """Variant of each unit in the experiment; None: it takes no part.

        Raises:
            SettingsError: the namespace does not know the experiment, or weights that `HashAssigner` refuses.
        """
        if experiment not in self.ranges:
            raise SettingsError(
                f"The namespace {self.name!r} holds {sorted(self.ranges)}, not {experiment!r}. Give it a range there."
            )
        start, end = self.ranges[experiment]
        salt = blake2b(self.name.encode(), key=self.key, digest_size=32, person=b"namespace").digest()
        place = _places(unit_ids, salt) / 2.0**_BITS
        takes_part = (place >= start) & ((place < end) | (end == 1.0)) & ~self.held_out(unit_ids)
        variants = HashAssigner(experiment=experiment, key=self.key, weights=weights).assign(unit_ids)
        return [
            variant if inside and unit not in self.excluded else None
            for unit, variant, inside in zip(unit_ids, variants, takes_part, strict=True)
        ]


def _places(unit_ids: Sequence[str], salt: bytes) -> npt.NDArray[np.uint64]:
    """Place of each unit on the line from 0 to 2^64, (n,)."""
    keyed = blake2b(key=salt, digest_size=_BITS // 8)

    def place(unit: str) -> bytes:
        hashed = keyed.copy()  # the key is read once
        hashed.update(unit.encode())
        return hashed.digest()

    return np.frombuffer(b"".join(map(place, unit_ids)), dtype=">u8").astype(np.uint64)


def _check_key(name: str, key: bytes) -> None:
    if not name or not 16 <= len(key) <= 64:
        raise SettingsError(
            f"An experiment needs a name and a key of 16 to 64 bytes; the name is {name!r} and the key has "
            f"{len(key)} bytes."
        )
