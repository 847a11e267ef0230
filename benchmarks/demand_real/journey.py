"""The Complete Journey: how units answer to a price cut, with display or mailer and without.

Item-weeks of the whole chain; the depth is the median paid price against the median base price of the week's lines,
so a week without a sale has no price, and only items sold in nearly every week are studied. Each kind of sale is
fitted on a log without the weeks of the other kind (a week left out is a week without stock to the model).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.demand_real import own
from benchmarks.demand_real.regression import by_brand, clustered
from benchmarks.demand_real.weekly import CUT
from flashlift.protocols import FloatArray
from flashlift.stats.normal import NORMAL_90

__all__ = ["NEEDS", "TITLE", "lifts", "read"]

TITLE = "The Complete Journey, display and mailer"
NEEDS = "complete_journey/transactions.parquet"
_WEEKS = 40
_SOLD_WEEKS = 36
_SHOWN_FRAC = 0.1  # of the chain's stores
_DEPTHS = (0.0, 0.1, 0.2, 0.3)
_LEAST = 1e-6  # a sale without a discount


def read(data: Path) -> pl.DataFrame:
    """Rows as `weekly.tables` needs them, and `depth`; `deal` stands for display or mailer in a tenth of the stores."""
    folder = (data / NEEDS).parent
    lines = pl.read_parquet(data / NEEDS).filter((pl.col("quantity") > 0) & (pl.col("sales_value") > 0))
    products = pl.read_parquet(folder / "products.parquet").filter(pl.col("department") != "FUEL")
    paid = pl.col("sales_value") / pl.col("quantity")
    base = (pl.col("sales_value") + pl.col("retail_disc") + pl.col("coupon_match_disc")) / pl.col("quantity")
    weeks = (
        lines.join(products.select("product_id", "product_category"), on="product_id")
        .filter(pl.col("product_category") != "COUPON/MISC ITEMS")
        .group_by("product_id", "product_category", "week")
        .agg(pl.col("quantity").sum().alias("units"), paid.median().alias("price"), base.median().alias("usual"))
        .filter(pl.len().over("product_id") >= _SOLD_WEEKS)
    )
    shown = (pl.col("display_location") != "0") | (pl.col("mailer_location") != "0")
    promotions = pl.scan_parquet(folder / "promotions.parquet")
    stores = promotions.select(pl.col("store_id").n_unique()).collect().item()
    listed = (
        promotions.filter(shown)
        .group_by("product_id", "week")
        .agg(pl.col("store_id").n_unique().alias("here"))
        .filter(pl.col("here") >= _SHOWN_FRAC * stores)
        .select("product_id", "week", deal=pl.lit(True))
        .collect(engine="streaming")
    )
    rows = weeks.join(listed, on=["product_id", "week"], how="left").with_columns(pl.col("deal").fill_null(False))
    depth = (1 - pl.col("price") / pl.col("usual")).clip(lower_bound=0.0)
    return rows.select(
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.col("product_category").str.to_lowercase().alias("brand"),
        pl.lit(0, pl.Int64).alias("store"),
        pl.col("week").cast(pl.Int64) - 1,
        pl.col("units").cast(pl.Int64),
        "price",
        "usual",
        "deal",
        pl.lit(False).alias("feat"),
        (pl.col("deal") | (depth >= CUT)).alias("promoted"),
        depth.alias("depth"),
    ).sort("item", "week")  # fmt: skip


def lifts(rows: pl.DataFrame) -> pl.DataFrame:
    """Units in a sale over units without one: `sales`, `model`, `discount_frac`, `lift`, `ci_lower`, `ci_upper`."""
    kinds = {
        "display or mailer": rows.filter(pl.col("deal") | ~pl.col("promoted")),
        "price cut alone": rows.filter(~pl.col("deal")),
    }
    parts = []
    for kind, some in kinds.items():
        n_sales = int(some["promoted"].sum())
        parts += [
            table.with_columns(sales=pl.lit(kind), n_sales=n_sales) for table in (_within_items(some), _ours(some))
        ]
    return pl.concat(parts).select("sales", "n_sales", "model", "discount_frac", "lift", "ci_lower", "ci_upper")


def _ours(rows: pl.DataFrame) -> pl.DataFrame:
    """flashlift's lift of the chain's units, from joint draws."""
    model = own.fit(rows, _WEEKS)
    shown = tuple(max(depth, _LEAST) for depth in _DEPTHS)
    _, without, *sold = own.units_by_brand(model, _WEEKS, (0.0, *shown))
    lift = np.stack([units[-1] / without[-1] for units in sold])
    name = f"flashlift ({'identified' if model.identified else 'not identified'})"
    return _table(name, lift.mean(1), *np.quantile(lift, [0.05, 0.95], axis=1))


def _within_items(rows: pl.DataFrame) -> pl.DataFrame:
    """Log units on being promoted and x = -log(1 - depth) within items and weeks; errors clustered by item."""
    rows = rows.filter(pl.len().over("item") > 1)
    x = np.where(rows["promoted"].to_numpy(), -np.log1p(-np.minimum(rows["depth"].to_numpy(), 0.9)), 0.0)
    raw = np.column_stack([rows["promoted"].to_numpy().astype(np.float64), x])
    weeks = by_brand(rows["week"].to_numpy(), _WEEKS, np.ones((len(rows), 1)))[:, 1:]
    raw = np.hstack([raw, weeks])
    _, of = np.unique(rows["item"].to_numpy(), return_inverse=True)
    count = np.bincount(of)

    def center(column: FloatArray) -> FloatArray:
        return np.asarray(column - (np.bincount(of, column) / count)[of])

    design = np.stack([center(column) for column in raw.T], axis=1)
    y = center(np.log(rows["units"].to_numpy()))
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    spread = clustered(design, y - design @ beta, of)[:2, :2]
    at = np.column_stack([np.ones(len(_DEPTHS)), -np.log1p(-np.array(_DEPTHS))])
    mean, sd = at @ beta[:2], np.sqrt(np.einsum("ni,ij,nj->n", at, spread, at))
    return _table(
        "OLS, item and week effects", np.exp(mean), np.exp(mean - NORMAL_90 * sd), np.exp(mean + NORMAL_90 * sd)
    )


def _table(model: str, lift: FloatArray, lower: FloatArray, upper: FloatArray) -> pl.DataFrame:
    return pl.DataFrame(
        {"model": model, "discount_frac": list(_DEPTHS), "lift": lift, "ci_lower": lower, "ci_upper": upper}
    )
