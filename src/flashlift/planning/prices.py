"""From a discount step to the price on the tag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flashlift.protocols import FloatArray

__all__ = ["sale_prices"]


def sale_prices(
    list_price: FloatArray, ladder: Sequence[float], endings: Sequence[float]
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Sale price of every item at every step of the ladder.

    Without endings the price is rounded to the cent; with some it is the nearest price that ends so. A step is
    dropped where its price is not positive, not below the list price, the price of a shallower step, or, because of
    its ending, a smaller discount than the smallest of the ladder.

    Args:
        list_price: price outside the sale, (n_items,).
        ladder: discounts as fractions of the list price, in rising order.
        endings: fractional endings of a price such as 0.99.

    Returns:
        Prices and whether the step exists, both (n_items, n_steps); the price of a dropped step has no meaning.

    Example:
        >>> sale_prices(np.array([10.0]), (0.2, 0.3), (0.99,))
        (array([[7.99, 6.99]]), array([[ True,  True]]))
    """
    wanted = np.rint(np.outer(list_price, 1.0 - np.asarray(ladder, dtype=np.float64)) * 100.0)
    cents = wanted
    if endings:
        tails = np.array([round(ending * 100.0) for ending in endings])
        near = np.rint((wanted[..., None] - tails) / 100.0) * 100.0 + tails
        best = np.abs(near - wanted[..., None]).argmin(axis=-1)
        cents = np.take_along_axis(near, best[..., None], axis=-1)[..., 0]
    ceiling = np.column_stack([np.rint(list_price * 100.0), cents])[:, :-1]
    exists = (cents > 0.0) & (cents < np.minimum.accumulate(ceiling, axis=1)) & (cents < list_price[:, None] * 100.0)
    if endings:
        exists &= cents <= list_price[:, None] * (1.0 - ladder[0]) * 100.0 + 0.5
    return cents / 100.0, exists
