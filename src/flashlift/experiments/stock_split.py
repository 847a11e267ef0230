"""Customers are split, and so is the stock: each arm sells from its own quota."""

from __future__ import annotations

from datetime import datetime
from math import sqrt

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import stdtr, stdtrit

from flashlift.domain import Estimate
from flashlift.errors import InputError
from flashlift.experiments.effect import SaleEffect
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.totals import TotalEffect, within_total

__all__ = ["split_effect", "stock_split"]


def split_effect(
    *,
    customer: IntArray,
    item: IntArray,
    value: FloatArray,
    treated: FloatArray,
    size: FloatArray,
    quota: FloatArray | IntArray,
    sold_out: npt.NDArray[np.bool_],
    group: IntArray,
    level: float = 0.95,
) -> TotalEffect:
    """Effect on all customers, each arm's result divided by its share of them, or of the quota where that ran out.

    Chance enters twice: by which customers are in an arm, and by items, whose demand was what it was in this sale
    alone. The variance is that of clusters both ways (Cameron, Gelbach and Miller 2011, eq. 2.11), never less than
    either of its parts. An offer that is sold out in an arm brings that arm price x quota, whoever buys: sales of it
    have no part in the customers' variance, refunds do.

    Args:
        customer: row number of the customer of each sale or refund, (n_rows,).
        item: row number of its item, (n_rows,).
        value: money of each row, refunds negative, (n_rows,).
        treated: 1 for customers in treatment, else 0, (n_customers,).
        size: forecast of each item's total, above 0, (n_items,).
        quota: units of each item in control and in treatment, above 0, (n_items, 2).
        sold_out: whether the item ran out in control and in treatment, (n_items, 2).
        group: substitution group of each item, from 0 on, (n_items,).
        level: probability that the interval claims.

    Raises:
        InputError: an arm without customers.
        InsufficientDataError: fewer than 3 groups.
    """
    n = len(treated)
    count = np.array([n - treated.sum(), treated.sum()])
    if count.min() < 2:
        raise InputError(f"The arms hold {count[0]:.0f} and {count[1]:.0f} customers. Each needs at least 2.")
    arm = treated[customer].astype(np.int64)
    scale = np.where(sold_out, quota.sum(axis=1, keepdims=True) / quota, n / count)
    scaled = value * scale[item, arm]
    totals = np.stack([np.bincount(group[item], scaled * (arm == a), minlength=group.max() + 1) for a in (0, 1)])
    found = within_total(totals[1], totals[0], np.bincount(group, size).astype(np.float64), level=level)
    free = ~sold_out[item, arm] | (value < 0.0)
    by_customer = np.bincount(customer[free], scaled[free], minlength=n)
    spread = sum(count[a] * by_customer[treated == a].var(ddof=1) for a in (0, 1))
    cell = np.unique(customer[free] * len(size) + item[free], return_inverse=True)[1]
    cells = float((np.bincount(cell, scaled[free]) ** 2).sum()) if free.any() else 0.0
    items = found.std_error**2
    return _widened(found, sqrt(max(items + spread - cells, items, spread)), level)


def stock_split(
    sales: pl.DataFrame,
    customers: pl.DataFrame,
    items: pl.DataFrame,
    *,
    metric: str,
    release: datetime | None = None,
    level: float = 0.95,
) -> SaleEffect:
    """Analyze a finished stock-split.

    Args:
        sales: customer_id, item_id, at, metric: one row per sale or refund (negative).
        customers: customer_id, variant of everybody in the test, buyers or not.
        items: item_id, group, size (forecast, above 0), control, treatment (units of the quotas; `Design.quotas` has
            all of these), control_sold_out, treatment_sold_out (by the release).
        metric: what was measured, in words.
        release: when the quotas of the arms were pooled; sales from then on are left out. None: they never were.
        level: probability that the interval claims.

    Raises:
        InputError: a customer in both arms or a variant that is neither, a sale of an unknown customer or item.
    """
    if customers["customer_id"].n_unique() < customers.height:
        raise InputError("A customer is listed twice. Leave out customers who were in both arms, and say how many.")
    if strange := sorted(set(customers["variant"].unique()) - {"control", "treatment"}, key=str):
        raise InputError(f"A stock-split compares control and treatment; there is also {strange[0]!r}.")
    counted = sales if release is None else sales.filter(pl.col("at") < release)
    for name, frame in (("customer_id", customers), ("item_id", items)):
        unknown = counted.join(frame, on=name, how="anti")
        if unknown.height:
            raise InputError(f"{unknown.height} sales have an unknown {name}, such as {unknown[name][0]!r}. Drop them.")
    people = customers.with_row_index("customer")
    goods = items.with_row_index("item").with_columns(number=pl.col("group").rank("dense") - 1)
    rows = counted.join(people, on="customer_id").join(goods, on="item_id")
    found = split_effect(
        customer=rows["customer"].cast(pl.Int64).to_numpy(),
        item=rows["item"].cast(pl.Int64).to_numpy(),
        value=rows["metric"].cast(pl.Float64).to_numpy(),
        treated=(people["variant"] == "treatment").cast(pl.Float64).to_numpy(),
        size=goods["size"].cast(pl.Float64).to_numpy(),
        quota=goods.select("control", "treatment").to_numpy(),
        sold_out=goods.select("control_sold_out", "treatment_sold_out").to_numpy().astype(bool),
        group=goods["number"].cast(pl.Int64).to_numpy(),
        level=level,
    )
    until = "" if release is None else f", from its start to the release of the quotas at {release:%Y-%m-%d %H:%M} UTC"
    return SaleEffect(
        metric=metric,
        estimand=f"The estimand is the effect on all customers in the sale{until}, if everybody had one arm.",
        assumes="It assumes that customers of one arm do not buy for the other or tell it what they saw.",
        found=found,
        units=int(goods["number"].n_unique()),
    )


def _widened(found: TotalEffect, std_error: float, level: float) -> TotalEffect:
    """The same effect with a larger error."""
    if std_error <= found.std_error:
        return found
    value = found.effect.value
    degrees = found.degrees * (std_error / max(found.std_error, 1e-300)) ** 4 if found.std_error else float("inf")
    degrees = min(degrees, 1e6)  # the other part has the customers' degrees of freedom, which are many
    half = float(stdtrit(degrees, 0.5 + level / 2.0)) * std_error
    return TotalEffect(
        control=found.control,
        effect=Estimate(value=value, ci_lower=value - half, ci_upper=value + half, level=level),
        std_error=std_error,
        degrees=degrees,
        pvalue=float(2.0 * stdtr(degrees, -abs(value) / std_error)),
    )
