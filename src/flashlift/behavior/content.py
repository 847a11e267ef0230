"""Text vectors as the network reads them: projected to its width, evened out, of unit length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from flashlift.behavior.vocabulary import Vocabulary

__all__ = ["Content"]

Float32 = npt.NDArray[np.float32]
FLAT = 1e-5  # components with so small a share of the largest spread are noise of rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A projection onto principal components of the shop's own texts, and the vectors it gave.

    Each component is divided by the root of its spread: half of a whitening. Principal components as they are drown
    what tells near neighbors apart in what most texts share; fully whitened, they raise noise.

    Args:
        mean: of the normalized text vectors, (d,).
        components: rows are scaled directions, (C, d).
        vectors: unit vectors by code, zero where an item has no text, (V, C).
    """

    mean: Float32
    components: Float32
    vectors: Float32

    @classmethod
    def fit(cls, item_ids: Sequence[str], texts: npt.NDArray[Any], vocabulary: Vocabulary, width: int) -> Self:
        """Principal components of the text vectors of the items (n, d); zero rows stand for items without a text."""
        unit, known = _normalized(texts)
        mean = unit[known].sum(axis=0) / max(known.sum(), 1)
        _, spread, directions = np.linalg.svd(unit[known] - mean, full_matrices=False)
        there = np.flatnonzero(spread[:width] > FLAT * spread[0]) if len(spread) else np.zeros(0, dtype=np.int64)
        components = np.zeros((width, texts.shape[1]), dtype=np.float32)
        components[there] = directions[there] / np.sqrt(spread[there, None])
        empty = cls(mean=mean, components=components, vectors=np.zeros((vocabulary.size, width), dtype=np.float32))
        return empty.extended(item_ids, texts, vocabulary)

    def extended(self, item_ids: Sequence[str], texts: npt.NDArray[Any], vocabulary: Vocabulary) -> Self:
        """With the vectors of these items; codes of `vocabulary` continue those known before."""
        width = len(self.components)
        unit, known = _normalized(texts)
        projected, _ = _normalized((unit - self.mean) @ self.components.T)
        vectors = np.zeros((vocabulary.size, width), dtype=np.float32)
        vectors[: len(self.vectors)] = self.vectors
        codes = vocabulary.codes(item_ids)
        rows = known & (codes > 0)
        vectors[codes[rows]] = projected[rows]
        return type(self)(mean=self.mean, components=self.components, vectors=vectors)

    def arrays(self) -> dict[str, Float32]:
        """As arrays to save."""
        return {"content.mean": self.mean, "content.components": self.components, "content.vectors": self.vectors}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self | None:
        """Back from saved arrays; None if there are none."""
        if "content.mean" not in arrays:
            return None
        return cls(**{name: arrays[f"content.{name}"] for name in ("mean", "components", "vectors")})


def _normalized(rows: npt.NDArray[Any]) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Rows of unit length, and which were not zero."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(norm, 1e-9)).astype(np.float32), norm[:, 0] > 1e-9
