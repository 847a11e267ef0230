"""Business accounts: several people each, orders of several lines and many units, on weekdays in office hours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.market.rhythm import OFFICE, OFFICE_HOURS, seconds_of_day
from flashlift.market.visits import ORDER, Visits, Window
from flashlift.market.words import CHANNELS
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Accounts", "make_accounts", "place_orders", "take_lots"]

_UNITS_PER_HEAD = 3.0  # of who buys for a business, relative to others
_LINES_PER_ORDER = 4.0
_LEAST_LOT, _LOT_STOP = 2, 0.25  # units of a lot: the least and a geometric number on top, where so many are sold


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Who buys for a business.

    Args:
        buyer: row numbers of these customers, (n_buyers,).
        account: number of the account of each.
        founder: place in `buyer` of the first person of the account of each.
        weight: chance that an order is placed by each; sums to 1.
        unit_frac: share of a weekday's units that businesses buy, where enough is sold to fill their lots.
    """

    buyer: IntArray
    account: IntArray
    founder: IntArray
    weight: FloatArray
    unit_frac: float

    def take(self, chosen: npt.NDArray[np.bool_], private: float) -> Accounts | None:
        """The buyers among some of the customers, who do the share `private` of all private buying."""
        kept = chosen[self.buyer]
        ordered = float(self.weight[kept].sum())
        if ordered == 0.0:
            return None
        business, other = self.unit_frac * ordered, (1.0 - self.unit_frac) * private
        _, account = np.unique(self.account[kept], return_inverse=True)
        return Accounts(
            buyer=(np.cumsum(chosen) - 1)[self.buyer[kept]],
            account=account,
            founder=np.searchsorted(account, account),
            weight=self.weight[kept] / ordered,
            unit_frac=business / (business + other),
        )


def make_accounts(frac: float, activity: FloatArray, *, rng: np.random.Generator) -> Accounts | None:
    """Accounts of two to six people each; `frac` of the customers, rounded down, belong to one.

    Args:
        frac: in [0, 1); 0, or too few customers for one account, gives none.
        activity: of each customer; a busy one also orders more often.
        rng: of the choice.
    """
    n = int(frac * len(activity))
    if n < 2:
        return None
    buyer = rng.permutation(len(activity))[:n]
    ends = rng.integers(2, 7, n).cumsum()
    account = np.searchsorted(ends, np.arange(n), side="right")
    if (account == account[-1]).sum() == 1:
        account[-1] = account[-2]  # nobody is left alone
    weight = activity[buyer] / activity[buyer].sum()
    heads = _UNITS_PER_HEAD * frac
    return Accounts(
        buyer=buyer,
        account=account,
        founder=np.searchsorted(account, account),
        weight=weight,
        unit_frac=heads / (1.0 - frac + heads),
    )


def take_lots(sold: npt.NDArray[np.integer], units: int, *, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Items and quantities that businesses take out of `sold`: at most one lot of an item, no single units.

    What sells most is taken most. The lots hold `units` units, or one less, or what there is.
    """
    item = np.flatnonzero(sold >= _LEAST_LOT)
    item = item[np.argsort(rng.exponential(size=len(item)) / sold[item].astype(np.float64) ** 3)]
    size = np.minimum(sold[item], _LEAST_LOT + rng.geometric(_LOT_STOP, len(item)))
    size = np.minimum(size, units - (size.cumsum() - size))
    return item[size >= _LEAST_LOT], size[size >= _LEAST_LOT].astype(np.int64)


def place_orders(
    accounts: Accounts, window: Window, item: IntArray, quantity: IntArray, *, rng: np.random.Generator
) -> Visits:
    """Orders of about four lines, fewer on a slow day, by people who know what they want and hardly look around."""
    n = max(1, round(len(item) / _LINES_PER_ORDER))
    return Visits.within(
        window.bounds(*OFFICE_HOURS),
        customer=accounts.buyer[rng.choice(len(accounts.buyer), size=n, p=accounts.weight)],
        begins=seconds_of_day(OFFICE[None], np.zeros(n, dtype=np.int64), window.within, rng),
        visit=rng.integers(n, size=len(item)),
        item=item,
        quantity=quantity,
        manner=np.full(len(item), ORDER),
        channel=CHANNELS.index("web"),
    )
