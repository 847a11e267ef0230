"""p-values adjusted for being several: of the family-wise error rate and of the false discovery rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flashlift.errors import InputError
from flashlift.protocols import FloatArray

__all__ = ["benjamini_hochberg", "holm"]


def holm(pvalues: npt.ArrayLike) -> FloatArray:
    """Adjusted p-values, (n,): rejecting those below alpha errs anywhere with probability at most alpha.

    Holds however the p-values depend on each other. Source: Holm, Scandinavian Journal of Statistics 6, 1979.

    Raises:
        InputError: a p-value outside [0, 1].
    """
    p, order = _sorted(pvalues)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _unsorted(stepped, order)


def benjamini_hochberg(pvalues: npt.ArrayLike) -> FloatArray:
    """Adjusted p-values, (n,): of those rejected below alpha, a share of at most alpha is expected to be false.

    Holds for independent p-values, and for those that depend positively on each other. Source: Benjamini and Hochberg,
    JRSS B 57(1), 1995.

    Raises:
        InputError: a p-value outside [0, 1].
    """
    p, order = _sorted(pvalues)
    ranked = p[order] * len(p) / np.arange(1, len(p) + 1)
    return _unsorted(np.minimum.accumulate(ranked[::-1])[::-1], order)


def _sorted(pvalues: npt.ArrayLike) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    p = np.asarray(pvalues, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0.0) & (p <= 1.0)).all():
        raise InputError(f"p-values must be a row of numbers in [0, 1], not {p.tolist()}.")
    return p, np.argsort(p, kind="stable")


def _unsorted(adjusted: FloatArray, order: npt.NDArray[np.intp]) -> FloatArray:
    found = np.empty_like(adjusted)
    found[order] = np.minimum(adjusted, 1.0)
    return found
