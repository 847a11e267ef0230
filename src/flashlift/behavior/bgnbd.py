"""The BG/NBD model of repeat buying: the classic baseline of when customers order again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

from flashlift.behavior.histories import Histories
from flashlift.behavior.snapshots import HOUR, Snapshots
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = ["BgNbd", "repeat_buying"]

MIN_CUSTOMERS = 20
BOUND = 12.0  # of |ln parameter|
SHRINK = 1e-3  # keeps parameters finite that the data does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class BgNbd:
    """Orders come at a rate of each customer's own, and after each order the customer may leave for good.

    Rates are gamma(r, alpha) over customers, chances to leave beta(a, b). Fader, Hardie and Lee, "Counting your
    customers the easy way: an alternative to the Pareto/NBD model", Marketing Science 24 (2005).

    Args:
        r: shape of the rates.
        alpha: their scale, in the unit of time (days here).
        a: of the chance to leave.
        b: of the chance to leave.
    """

    r: float
    alpha: float
    a: float
    b: float

    @classmethod
    def fit(cls, orders: FloatArray, last: FloatArray, age: FloatArray) -> BgNbd:
        """Maximum likelihood.

        Args:
            orders: repeat orders of each customer, the first one not counted, (n,).
            last: time from the first order to the last one, (n,).
            age: time from the first order to now, (n,).

        Raises:
            InsufficientDataError: too few customers, or none ordered again.
        """
        if len(orders) < MIN_CUSTOMERS or not orders.any():
            raise InsufficientDataError(
                f"BG/NBD needs {MIN_CUSTOMERS} customers, some with a second order; there are {len(orders)} with "
                f"{orders.sum():.0f} repeat orders. Give it a longer log."
            )
        unit = float(age.mean())  # times near 1 make the search easy

        def loss(logs: FloatArray) -> float:
            r, alpha, a, b = np.exp(np.clip(logs, -BOUND, BOUND))
            trial = cls(r=float(r), alpha=float(alpha), a=float(a), b=float(b))
            return -float(trial.log_likelihood(orders, last / unit, age / unit).mean()) + SHRINK * float(logs @ logs)

        found = minimize(
            loss, np.zeros(4), method="Nelder-Mead", options={"maxiter": 2000, "xatol": 1e-4, "fatol": 1e-8}
        )
        r, alpha, a, b = (float(value) for value in np.exp(np.clip(found.x, -BOUND, BOUND)))
        return cls(r=r, alpha=alpha * unit, a=a, b=b)

    def log_likelihood(self, orders: FloatArray, last: FloatArray, age: FloatArray) -> FloatArray:
        """Of each customer, (n,) (equation 6)."""
        stayed = (
            betaln(self.a, self.b + orders) - betaln(self.a, self.b)
            + gammaln(self.r + orders) - gammaln(self.r) + self.r * np.log(self.alpha)
        )  # fmt: skip
        alive = -(self.r + orders) * np.log(self.alpha + age)
        left = (
            np.log(self.a) - np.log(self.b + np.maximum(orders, 1) - 1) - (self.r + orders) * np.log(self.alpha + last)
        )
        result: FloatArray = stayed + np.where(orders > 0, np.logaddexp(alive, left), alive)
        return result

    def alive(self, orders: FloatArray, last: FloatArray, age: FloatArray) -> FloatArray:
        """P(the customer has not left), (n,)."""
        odds = self.a / (self.b + np.maximum(orders, 1) - 1)
        ratio = np.exp((self.r + orders) * (np.log(self.alpha + age) - np.log(self.alpha + last)))
        result: FloatArray = np.where(orders > 0, 1 / (1 + odds * ratio), 1.0)
        return result

    def probability(self, orders: FloatArray, last: FloatArray, age: FloatArray, ahead: FloatArray) -> FloatArray:
        """P(an order within each time ahead), (n, m): alive, and the rate of gamma(r + x, alpha + T) orders."""
        quiet = ((self.alpha + age)[:, None] / ((self.alpha + age)[:, None] + ahead)) ** (self.r + orders)[:, None]
        result: FloatArray = self.alive(orders, last, age)[:, None] * (1 - quiet)
        return result


def repeat_buying(histories: Histories, snapshots: Snapshots) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Repeat orders, days from first to last order, days since the first, before each snapshot, (n,) each.

    A customer without an order has -1 repeat orders and is none of this model's.
    """
    first = histories.order_offsets[snapshots.customer]
    end = histories.order_end(snapshots.customer, snapshots.at)
    day = 24.0 * HOUR
    if not len(histories.order_at):
        return np.full(len(first), -1.0), np.zeros(len(first)), np.zeros(len(first))
    begin = histories.order_at[np.minimum(first, len(histories.order_at) - 1)]
    last = histories.order_at[np.maximum(end - 1, 0)]
    some = end > first
    return (
        (end - first - 1).astype(np.float64),
        np.where(some, last - begin, 0) / day,
        np.where(some, snapshots.at - begin, 0) / day,
    )
