"""What an offer's forecast rests on: a price that past sales showed, one beyond them, or nothing that the log tells."""

from __future__ import annotations

from math import isinf

import numpy as np
import polars as pl

from flashlift.domain import BEYOND_FRAC
from flashlift.protocols import DemandDraws, FloatArray, IntArray

__all__ = ["NOT_IDENTIFIABLE", "offer_basis"]

NOT_IDENTIFIABLE = "not identifiable from these logs"


def offer_basis(draws: DemandDraws, item: IntArray, discount: FloatArray) -> pl.DataFrame:
    """`support` of offers as a table with words.

    Args:
        draws: draws of a fitted model.
        item: rows of the draws, (n,).
        discount: fractions of the list price, (n,).

    Returns:
        `beyond_frac` (how much deeper than any past sale of the item, else of its category, else of the shop; null
        where the log cannot tell a price response at all) and `basis`, the same in words.
    """
    beyond = [float(distance) for distance in draws.support(item, discount)]
    return pl.DataFrame(
        {"beyond_frac": [None if isinf(d) else d for d in beyond], "basis": [_words(d) for d in beyond]},
        schema={"beyond_frac": pl.Float64, "basis": pl.String},
    )


def _words(distance: float) -> str:
    if isinf(distance):
        return NOT_IDENTIFIABLE
    if distance < BEYOND_FRAC:
        return "within past sales"
    return f"{np.ceil(100 * distance - 1e-9):.0f} points deeper than any past sale"
