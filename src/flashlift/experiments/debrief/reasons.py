"""The gap between what a sale was to earn and what it earned, split into causes that add up to it.

One cause after the other is changed from what was forecast to what happened, in the order of `REASONS`; what the
account of profit changes by at that step is the cause's part. Another order would give other parts where causes
multiply (few visitors make a flat response cheaper). Demand is followed without bounds up to the step at which stock
ends it; what the plan itself expected to lose to its quotas is taken off that step. So the parts of every draw add up
to the gap of that draw exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.experiments.debrief.account import Account, Sale
from flashlift.protocols import FloatArray

__all__ = ["REASONS", "Actual", "Gap", "split_gap"]

REASONS: Mapping[str, str] = {
    "not run": "Offers that never ran at their price.",
    "price": "Prices executed otherwise than planned, with the units that the forecast expects at them.",
    "traffic": "More or fewer customers than forecast, told from items that no offer touches in the same hours.",
    "response": "All offers together sold more or less than forecast for their prices, given the traffic. Price and "
    "being shown cannot be told apart.",
    "single items": "What single offers sold beyond that: their own demand, their own response, or chance, which one "
    "sale cannot tell apart.",
    "sell-out": "Demand that met an empty shelf, less what the plan itself expected to lose to its quotas.",
    "returns": "More or fewer units came back than planned.",
    "other items": "Taken from substitutes or brought to complements, other than forecast.",
    "other days": "Taken from the items' days after the sale or brought to them, other than forecast.",
}
"""Causes in the order in which they are changed."""

MERGED = "traffic and response"
TRIFLE_FRAC = 0.1  # of the plan, or of the gap: smaller parts are not told as reasons
_ALIKE = -0.9  # correlation from which two parts are one
_LEVEL = (0.05, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """What happened, as draws where it is not seen; arrays broadcast to (n_offers, n_draws).

    Args:
        ran: whether each offer ran, (n_offers,).
        price: price paid.
        expected: units forecast at the price paid, unlimited.
        traffic: factor on forecast traffic.
        response: factor on the response of all offers.
        wanted: units wanted.
        replaced: units that the slots would have sold without the sale.
        sold: units sold.
        return_frac: share of them that comes back.
        moved: factor on effects on other items.
        later: factor on effects on other days.
        stock: units on hand when the sale began, as far as it shows, of each touched item, (n_touched, 1).
    """

    ran: npt.NDArray[np.bool_]
    price: FloatArray
    expected: FloatArray
    traffic: FloatArray
    response: FloatArray
    wanted: FloatArray
    replaced: FloatArray
    sold: FloatArray
    return_frac: FloatArray
    moved: FloatArray
    later: FloatArray
    stock: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The gap and its parts.

    Args:
        planned: expected incremental profit of the plan.
        reasons: names of the parts.
        parts: draws, (n_reasons, n_draws).
    """

    planned: float
    reasons: tuple[str, ...]
    parts: FloatArray

    @property
    def total(self) -> FloatArray:
        """Actual less planned, (n_draws,)."""
        return np.asarray(self.parts.sum(axis=0))

    @property
    def actual(self) -> FloatArray:
        """Incremental profit that the sale made, (n_draws,)."""
        return np.asarray(self.planned + self.total)

    def to_polars(self) -> pl.DataFrame:
        """`reason`, `value`, `ci_lower`, `ci_upper` (90 %), `stands_out`, `meaning`; in the order of the changes.

        A part stands out where chance does not explain it and it is no trifle.
        """
        lower, upper = np.quantile(self.parts, _LEVEL, axis=1)
        value = self.parts.mean(axis=1)
        large = np.abs(value) >= TRIFLE_FRAC * max(abs(self.planned), abs(float(self.total.mean())))
        return pl.DataFrame(
            {
                "reason": self.reasons,
                "value": value,
                "ci_lower": lower,
                "ci_upper": upper,
                "stands_out": large & ((lower > 0.0) | (upper < 0.0)),
                "meaning": [meaning_of(reason) for reason in self.reasons],
            }
        )


def meaning_of(reason: str) -> str:
    """What a part of the gap is."""
    if reason == MERGED:
        return (
            "More or fewer customers, or another response of all offers: too few items outside the sale sold in its "
            "hours to tell the two apart."
        )
    return REASONS[reason]


def split_gap(
    account: Account,
    planned: float,
    wanted: FloatArray,
    replaced: FloatArray,
    price: FloatArray,
    actual: Actual,
    *,
    control_units: float,
    fewest: float = 20.0,
) -> Gap:
    """Change one cause after the other.

    Args:
        account: of the offers.
        planned: its expected value within quotas.
        wanted: units forecast at the planned price, unlimited, mean over draws, (n_offers, 1).
        replaced: the same without the sale.
        price: planned prices, (n_offers, 1).
        actual: what happened.
        control_units: units sold of items outside the sale, which tell the traffic.
        fewest: of these units, below which traffic and response are one part.
    """
    ran = actual.ran[:, None].astype(np.float64)
    steps = [
        Sale(sold=wanted, replaced=replaced, price=price),
        Sale(sold=ran * wanted, replaced=ran * replaced, price=price),
        Sale(sold=ran * actual.expected, replaced=ran * replaced, price=actual.price),
        Sale(sold=ran * actual.expected * actual.traffic, replaced=ran * replaced * actual.traffic, price=actual.price),
        Sale(
            sold=ran * actual.expected * actual.traffic * actual.response,
            replaced=ran * replaced * actual.traffic,
            price=actual.price,
        ),
        Sale(sold=actual.wanted, replaced=actual.replaced, price=actual.price),
        Sale(sold=actual.sold, replaced=actual.replaced, price=actual.price),
    ]
    values = [np.broadcast_to(account.value(step), actual.response.shape) for step in steps]
    short = replace(account, stock=actual.stock)  # what the shelf really held, where it was emptied
    values[-1] = np.broadcast_to(short.value(steps[-1]), actual.response.shape)
    changes = [after - before for before, after in pairwise(values)]
    changes[-1] = changes[-1] + values[0] - planned
    others = short.value(steps[-1], moved=actual.moved)
    days = short.value(steps[-1], moved=actual.moved, later=actual.later)
    parts = np.stack([*changes, _returns(account, actual), others - values[-1], days - others])
    return _merged(Gap(planned=planned, reasons=tuple(REASONS), parts=parts), control_units < fewest)


def _returns(account: Account, actual: Actual) -> FloatArray:
    """What other returns of units sold in the sale change, (n_draws,)."""
    differs = account.margin(actual.price, actual.return_frac) - account.margin(actual.price)
    return np.asarray(np.broadcast_to(differs * actual.sold, actual.wanted.shape).sum(axis=0))


def _merged(gap: Gap, blind: bool) -> Gap:
    """Traffic and response as one part where the log cannot tell them apart."""
    first = gap.reasons.index("traffic")
    pair = gap.parts[first : first + 2]
    alike = pair.std(axis=1).min() > 0.0 and float(np.asarray(np.corrcoef(pair))[0, 1]) < _ALIKE
    if not (blind or alike):
        return gap
    return Gap(
        planned=gap.planned,
        reasons=(*gap.reasons[:first], MERGED, *gap.reasons[first + 2 :]),
        parts=np.concatenate([gap.parts[:first], pair.sum(axis=0, keepdims=True), gap.parts[first + 2 :]]),
    )
