"""Planned against actual: by offer, by slot, in total, and how true the forecast's intervals were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import polars as pl

from flashlift.domain import Offer, Slot
from flashlift.experiments.debrief.account import Account
from flashlift.experiments.debrief.happened import NOT_RUN
from flashlift.protocols import FloatArray
from flashlift.schema import SaleItems

__all__ = ["Calibration", "Compared", "by_offer", "by_slot", "calibration", "in_total"]

_EDGES = (0.05, 0.95)
_LEVEL = 0.9
_KNOWN = 1e-3  # width of an interval, as a share of the figure, that is no doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A sale beside its forecast; arrays (n_offers, n_draws) where not said otherwise.

    Args:
        offers: the plan.
        facts: what became of them (`flashlift.experiments.debrief.happened`).
        account: of the offers.
        planned: units forecast within quotas.
        wanted: units wanted, given what was sold.
        return_frac: share that comes back.
    """

    offers: Sequence[Offer]
    facts: pl.DataFrame
    account: Account
    planned: FloatArray
    wanted: FloatArray
    return_frac: FloatArray

    @property
    def price(self) -> FloatArray:
        """Planned prices, (n_offers, 1)."""
        return np.array([offer.price for offer in self.offers])[:, None]

    @property
    def paid(self) -> FloatArray:
        """Prices paid; the planned one where nothing tells another, (n_offers, 1)."""
        paid = self.facts["price"].to_numpy().astype(np.float64)[:, None]
        return np.where(np.isfinite(paid), paid, self.price)

    @property
    def ran(self) -> FloatArray:
        """1 for offers that ran, else 0, (n_offers, 1)."""
        return (self.facts["status"] != NOT_RUN).to_numpy().astype(np.float64)[:, None]

    @property
    def units(self) -> FloatArray:
        """Units sold in offers that ran, (n_offers, 1)."""
        return self.ran * self.facts["units"].to_numpy().astype(np.float64)[:, None]


def by_offer(one: Compared, items: pl.DataFrame, slots: Sequence[Slot]) -> pl.DataFrame:
    """A row per offer, in the order of the plan.

    Returns:
        item_id, title, category, slot_id, start, end, status, planned_price, price (paid), list_price, quota, units and
        `planned_*` of units with their 90 % interval, `inside` (the units lie in it), `pit` (share of the forecast
        below them, ties halved), sell_through, sold_out, why_out, lost_units with interval (wanted, not had), returned,
        views, most (units of one customer), planned_contribution, contribution (of the units in the slot, after
        returns; the no-sale side is not in it).
    """
    lower, upper = np.quantile(one.planned, _EDGES, axis=1)
    units = one.facts["units"].to_numpy().astype(np.float64)
    lost = np.maximum(one.wanted - one.units, 0.0)
    ends = np.quantile(lost, _EDGES, axis=1)
    told = items.select(SaleItems.item_id.name, SaleItems.title.name, SaleItems.category.name)
    when = pl.DataFrame(
        {"slot_id": [s.slot_id for s in slots], "start": [s.start for s in slots], "end": [s.end for s in slots]}
    )
    quota = one.facts["quota"].to_numpy()
    frame = one.facts.with_columns(
        price=pl.Series(np.where(np.isfinite(one.paid), one.paid, np.nan)[:, 0]),
        planned_units=one.planned.mean(axis=1),
        planned_ci_lower=lower,
        planned_ci_upper=upper,
        inside=(units >= lower) & (units <= upper),
        pit=((one.planned < units[:, None]) + 0.5 * (one.planned == units[:, None])).mean(axis=1),
        sell_through=np.divide(one.units[:, 0], quota, out=np.zeros(len(quota)), where=quota > 0),
        lost_units=lost.mean(axis=1),
        lost_ci_lower=ends[0],
        lost_ci_upper=ends[1],
        planned_contribution=(one.planned * one.account.margin(one.price)).mean(axis=1),
        contribution=(one.units * one.account.margin(one.paid, one.return_frac)).mean(axis=1),
    )
    frame = frame.join(told, on="item_id", how="left", maintain_order="left")
    frame = frame.join(when, on="slot_id", how="left", maintain_order="left")
    first = ["item_id", "title", "category", "slot_id", "start", "end", "status", "planned_price", "price"]
    return frame.select(*first, pl.exclude(*first))


def by_slot(one: Compared, slots: Sequence[Slot], traffic: pl.DataFrame) -> pl.DataFrame:
    """A row per slot: offers planned and run, units and contribution beside their forecast, sell-through, traffic."""
    number = {slot.slot_id: k for k, slot in enumerate(slots)}
    of = np.array([number[offer.slot_id] for offer in one.offers], dtype=np.int64)

    def summed(values: FloatArray) -> FloatArray:
        out = np.zeros((len(slots), *values.shape[1:]))
        np.add.at(out, of, values)
        return out

    forecast = summed(one.planned)
    lower, upper = np.quantile(forecast, _EDGES, axis=1)
    units = summed(one.units)[:, 0]
    quota = summed(one.facts["quota"].to_numpy().astype(np.float64)[:, None])[:, 0]
    frame = pl.DataFrame(
        {
            "slot_id": [s.slot_id for s in slots],
            "start": [s.start for s in slots],
            "end": [s.end for s in slots],
            "positions": [s.positions for s in slots],
            "offers": np.bincount(of, minlength=len(slots)),
            "ran": summed(one.ran)[:, 0].astype(np.int64),
            "sold_out": summed(one.facts["sold_out"].to_numpy().astype(np.float64)[:, None])[:, 0].astype(np.int64),
            "planned_units": forecast.mean(axis=1),
            "planned_ci_lower": lower,
            "planned_ci_upper": upper,
            "units": units,
            "inside": (units >= lower) & (units <= upper),
            "sell_through": np.divide(units, quota, out=np.zeros(len(slots)), where=quota > 0),
            "planned_contribution": summed(one.planned * one.account.margin(one.price)).mean(axis=1),
            "contribution": summed(one.units * one.account.margin(one.paid, one.return_frac)).mean(axis=1),
        }
    )
    names = {name: f"traffic_{name}" for name in ("ci_lower", "ci_upper", "low", "high")}
    told = {"value": "traffic", "units": "control_units", "expected_units": "control_expected"}
    factor = traffic.rename(names | told)
    return frame.join(factor, on="slot_id", how="left", maintain_order="left")


def in_total(one: Compared, planned_value: FloatArray, actual_value: FloatArray) -> pl.DataFrame:
    """figure, planned, planned_ci_lower, planned_ci_upper, actual, ci_lower, ci_upper, inside.

    The interval of an actual figure is null where the log tells it exactly. The incremental profit is never seen, only
    estimated: what would have happened without the sale is in it.
    """
    listed = one.account.offer_list_price
    own = np.maximum(listed - one.price, 0.0) - (one.account.brings(one.price) - one.price)
    paid_own = np.maximum(listed - one.paid, 0.0) - (one.account.brings(one.paid) - one.paid)
    quota = float(one.facts["quota"].sum())
    back = one.units * one.return_frac
    return pl.DataFrame(
        [
            _row("units sold", one.planned, one.units),
            _row("gross sales", one.planned * one.price, one.units * one.paid),
            _row("discount given", one.planned * own, one.units * paid_own),
            _row("units returned", one.planned * one.account.campaign.costs.return_frac, back),
            _row("sell-through", one.planned / max(quota, 1.0), one.units / max(quota, 1.0)),
            _row(
                "contribution in the slots",
                one.planned * one.account.margin(one.price),
                one.units * one.account.margin(one.paid, one.return_frac),
            ),
            _row("incremental profit", planned_value[None], actual_value[None]),
        ],
        schema=_TOTALS,
        orient="row",
    )


_TOTALS = {
    "figure": pl.String,
    "planned": pl.Float64,
    "planned_ci_lower": pl.Float64,
    "planned_ci_upper": pl.Float64,
    "actual": pl.Float64,
    "ci_lower": pl.Float64,
    "ci_upper": pl.Float64,
    "inside": pl.Boolean,
}


def _row(name: str, planned: FloatArray, actual: FloatArray) -> tuple[object, ...]:
    forecast, seen = planned.sum(axis=0), actual.sum(axis=0)
    lower, upper = (float(edge) for edge in np.quantile(forecast, _EDGES))
    value = float(seen.mean())
    known = np.ptp(np.quantile(seen, _EDGES)) <= _KNOWN * abs(value)
    ends = [None, None] if known else [float(edge) for edge in np.quantile(seen, _EDGES)]
    return (name, float(forecast.mean()), lower, upper, value, *ends, lower <= value <= upper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How true the forecast was over all offers that ran.

    Args:
        n: offers judged.
        inside_frac: share of them whose units lie in the forecast's 90 % interval.
        ci_lower: of that share, by Wilson's interval at 90 %; offers of one sale share its traffic, so the true
            interval is wider; and
        ci_upper: .
        bias_frac: units sold / units forecast - 1.
        pit: offers in each fifth of their forecast, from the lowest; even where the forecast is true.
    """

    n: int
    inside_frac: float
    ci_lower: float
    ci_upper: float
    bias_frac: float
    pit: tuple[int, ...]

    @property
    def sentence(self) -> str:
        """The same in words."""
        if not self.n:
            return "No offer ran at its price, so the forecast cannot be judged."
        fair = self.ci_lower <= _LEVEL <= self.ci_upper
        verdict = "which is as it should be" if fair else ("too few" if self.inside_frac < _LEVEL else "more than that")
        return (
            f"{self.inside_frac:.0%} of {self.n} offers sold within the forecast's 90% interval, {verdict} (for so few "
            f"offers {self.ci_lower:.0%} to {self.ci_upper:.0%} is what chance leaves open); together they sold "
            f"{abs(self.bias_frac):.0%} {'more' if self.bias_frac >= 0 else 'less'} than forecast."
        )


def calibration(offers: pl.DataFrame) -> Calibration:
    """Judge the intervals on offers that ran, at whatever price they did.

    Args:
        offers: from `by_offer`.
    """
    ran = offers.filter(pl.col("status") != NOT_RUN)
    n, hits = ran.height, int(ran["inside"].sum())
    if not n:
        return Calibration(n=0, inside_frac=0.0, ci_lower=0.0, ci_upper=1.0, bias_frac=0.0, pit=(0,) * 5)
    z = NormalDist().inv_cdf((1 + _LEVEL) / 2)
    middle, scale = (hits + z * z / 2) / (n + z * z), z / (n + z * z)
    half = scale * sqrt(hits * (n - hits) / n + z * z / 4)
    fifth = np.minimum((ran["pit"].to_numpy() * 5).astype(np.int64), 4)
    planned = float(ran["planned_units"].sum())
    return Calibration(
        n=n,
        inside_frac=hits / n,
        ci_lower=max(middle - half, 0.0),
        ci_upper=min(middle + half, 1.0),
        bias_frac=float(ran["units"].sum()) / planned - 1.0 if planned > 0.0 else 0.0,
        pit=tuple(int(k) for k in np.bincount(fifth, minlength=5)),
    )
