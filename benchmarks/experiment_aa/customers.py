"""Made-up customers, drawn into two arms run after run; only running sums are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

import flashlift
from flashlift.protocols import FloatArray
from flashlift.stats.normal import normal_score

__all__ = ["COLUMNS", "Arms", "Population", "drawn", "online_retail", "scores", "shop"]

DATA = Path(flashlift.__file__).parent / "data" / "online_retail.parquet"
COLUMNS = (
    "spend",
    "spend2",
    "past",
    "past2",
    "spend_past",
    "bought",
    "visits",
    "visits2",
    "orders",
    "orders2",
    "mixed",
)


@dataclass(frozen=True, kw_only=True)
class Population:
    """What a customer does in a test, one row each; runs draw from it with replacement.

    Args:
        spend: revenue, (n,).
        past: revenue before the test, (n,).
        visits: visits, at least 1, (n,).
        orders: visits that ended in an order, (n,).
    """

    spend: FloatArray
    past: FloatArray
    visits: FloatArray
    orders: FloatArray

    @cached_property
    def columns(self) -> dict[str, FloatArray]:
        """What is summed: each metric, its square and products."""
        s, p, v, o = self.spend, self.past, self.visits, self.orders
        bought = (s > 0.0).astype(np.float64)
        return dict(zip(COLUMNS, (s, s * s, p, p * p, s * p, bought, v, v * v, o, o * o, v * o), strict=True))


def shop(n: int = 50_000) -> Population:
    """One customer in twenty buys, for amounts with a long tail (skewness of spending 17)."""
    rng = np.random.default_rng(0)
    taste = rng.gamma(0.8, 1.25, n)
    visits = 1.0 + rng.poisson(2.0 * taste)
    orders = rng.binomial(visits.astype(np.int64), np.minimum(0.013 * (0.5 + 0.5 * taste), 1.0)).astype(np.float64)
    basket = rng.lognormal(3.0, 1.0, n)
    past = rng.poisson(0.3 * taste) * basket * rng.lognormal(0.0, 0.3, n)
    return Population(spend=orders * basket, past=past, visits=visits, orders=orders)


def online_retail() -> Population:
    """Customers of the bundled log, wholesalers among them: what each bought in a week, and in the quarter before."""
    rows = (
        pl.read_parquet(DATA)
        .filter(pl.col("CustomerID").is_not_null(), pl.col("Quantity") > 0.0, pl.col("UnitPrice") > 0.0)
        .select("CustomerID", at="InvoiceDate", money=pl.col("Quantity") * pl.col("UnitPrice"))
    )
    weeks = pl.datetime_range(datetime(2011, 4, 1), datetime(2011, 12, 1), "21d", eager=True)
    parts = []
    for start in weeks:
        since = pl.col("at") - pl.lit(start)
        inside = (since >= timedelta(0)) & (since < timedelta(days=7))
        before = (since < timedelta(0)) & (since >= timedelta(days=-91))
        known = rows.group_by("CustomerID", maintain_order=True).agg(
            spend=pl.col("money").filter(inside).sum(),
            past=pl.col("money").filter(before).sum(),
            known=(since < timedelta(0)).any(),
        )
        parts.append(known.filter("known").select("spend", "past"))
    people = pl.concat(parts)
    ones = np.ones(people.height)
    return Population(spend=people["spend"].to_numpy(), past=people["past"].to_numpy(), visits=ones, orders=ones)


@dataclass(frozen=True, kw_only=True)
class Arms:
    """Running sums of both arms at every look: name -> (2, runs, looks); `units` per arm, (looks,)."""

    sums: dict[str, FloatArray]
    units: FloatArray

    def mean(self, name: str) -> FloatArray:
        return np.asarray(self.sums[name] / self.units)

    def cov(self, product: str, one: str, other: str) -> FloatArray:
        """Sample covariance within each arm."""
        n = self.units
        return np.asarray((self.sums[product] - self.sums[one] * self.sums[other] / n) / (n - 1.0))


def drawn(
    people: Population, names: tuple[str, ...], *, runs: int, looks: int, batch: int, rng: np.random.Generator
) -> Iterator[Arms]:
    """All runs in parts of a hundred; `batch` customers join each arm between two looks."""
    units = batch * np.arange(1.0, looks + 1.0)
    for start in range(0, runs, 100):
        part = min(100, runs - start)
        who = rng.integers(len(people.spend), size=(2 * part, looks * batch), dtype=np.uint16)
        sums = {
            name: people.columns[name][who].reshape(2, part, looks, batch).sum(axis=-1).cumsum(axis=-1)
            for name in names
        }
        yield Arms(sums=sums, units=units)


def scores(arms: Arms, metric: str) -> tuple[FloatArray, FloatArray]:
    """The z of the usual test at every look, and the standard error of the effect, (runs, looks) each."""
    effect, parts = METRICS[metric](arms)
    with np.errstate(divide="ignore", invalid="ignore"):  # an early look at which nobody has bought yet
        variance = parts / arms.units
        error = np.sqrt(variance.sum(axis=0))
        degrees = variance.sum(axis=0) ** 2 / ((variance**2).sum(axis=0) / (arms.units - 1.0))
        z = normal_score(effect / error, degrees)
    return np.where(error > 0.0, z, 0.0), error


def _revenue(arms: Arms) -> tuple[FloatArray, FloatArray]:
    mean = arms.mean("spend")
    return mean[1] - mean[0], arms.cov("spend2", "spend", "spend")


def _conversion(arms: Arms) -> tuple[FloatArray, FloatArray]:
    mean = arms.mean("bought")
    return mean[1] - mean[0], arms.cov("bought", "bought", "bought")


def _orders_per_visit(arms: Arms) -> tuple[FloatArray, FloatArray]:
    """Delta method; the unit is the customer."""
    visits = arms.mean("visits")
    ratio = arms.mean("orders") / visits
    spread = (
        arms.cov("orders2", "orders", "orders")
        - 2.0 * ratio * arms.cov("mixed", "visits", "orders")
        + ratio**2 * arms.cov("visits2", "visits", "visits")
    )
    return ratio[1] - ratio[0], np.maximum(spread, 0.0) / visits**2


def _adjusted(arms: Arms) -> tuple[FloatArray, FloatArray]:
    """CUPED with theta of both arms together, as `flashlift.stats.comparison` has it."""
    y, x, n = arms.mean("spend"), arms.mean("past"), arms.units
    yx, xx, yy = (
        arms.cov("spend_past", "spend", "past"),
        arms.cov("past2", "past", "past"),
        arms.cov("spend2", "spend", "spend"),
    )
    between = n / 2.0 / (n - 1.0)  # what the gap between the arms adds to their pooled moments
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = (yx.sum(axis=0) + between * (y[1] - y[0]) * (x[1] - x[0])) / (
            xx.sum(axis=0) + between * (x[1] - x[0]) ** 2
        )
    theta = np.nan_to_num(theta, posinf=0.0, neginf=0.0)
    return (y[1] - y[0]) - theta * (x[1] - x[0]), np.maximum(yy - 2.0 * theta * yx + theta**2 * xx, 0.0)


METRICS = {
    "revenue": _revenue,
    "revenue, CUPED": _adjusted,
    "conversion": _conversion,
    "orders per visit": _orders_per_visit,
}
