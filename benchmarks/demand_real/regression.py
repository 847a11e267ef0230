"""Least squares of log units on log price by brand, with errors clustered by store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.normal import NORMAL_90
from flashlift.stats.sandwich import cluster_meat

__all__ = ["Slopes", "by_brand", "clustered", "codes", "fixed_effects", "smearing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """Slopes by brand and their covariance, (k,) and (k, k)."""

    slope: FloatArray
    covariance: FloatArray

    def table(self, brands: list[str], rows: IntArray) -> pl.DataFrame:
        """`brand`, `elasticity`, 90 % interval; "all" is the mean over rows (counts by brand)."""
        share = rows / rows.sum()
        slope = np.append(self.slope, share @ self.slope)
        sd = np.sqrt(np.append(np.diag(self.covariance), share @ self.covariance @ share))
        return pl.DataFrame(
            {
                "brand": [*brands, "all"],
                "elasticity": slope,
                "ci_lower": slope - NORMAL_90 * sd,
                "ci_upper": slope + NORMAL_90 * sd,
            }
        )


def codes(values: pl.Series, known: list[str]) -> IntArray:
    """Place of each value in `known`; -1 for others."""
    return values.replace_strict(known, list(range(len(known))), default=-1, return_dtype=pl.Int64).to_numpy()


def clustered(design: FloatArray, left: FloatArray, cluster: IntArray) -> FloatArray:
    """Covariance of least-squares coefficients, clustered (Liang and Zeger, 1986), times G / (G - 1)."""
    bread = np.linalg.pinv(design.T @ design)
    count = len(np.unique(cluster))
    return np.asarray(bread @ cluster_meat(design * left[:, None], cluster) @ bread * count / max(count - 1, 1))


def by_brand(code: IntArray, n_brands: int, columns: FloatArray) -> FloatArray:
    """Each column interacted with each brand, (n, n_brands * n_columns), brands outermost."""
    one_hot = np.eye(n_brands)[code]
    return np.asarray((one_hot[:, :, None] * columns[:, None, :]).reshape(len(code), -1))


def smearing(left: FloatArray, code: IntArray) -> FloatArray:
    """Mean of exp(residual) by brand, which turns a mean of logs into a mean (Duan, JASA 1983)."""
    return np.asarray(np.bincount(code, np.exp(left)) / np.bincount(code))


def fixed_effects(train: pl.DataFrame, held: pl.DataFrame, brands: list[str]) -> tuple[FloatArray, Slopes]:
    """log(units) ~ log(price) x brand within items, with flags x brand, the season and the item's recent level.

    Mean units of held-out rows; NaN for items without training rows.
    """
    items = train["item"].unique().sort().to_list()
    of, held_of = codes(train["item"], items), codes(held["item"], items)
    code, held_code = codes(train["brand"], brands), codes(held["brand"], brands)
    flags = [name for name in ("deal", "feat") if train[name].max() > 0]  # type: ignore[operator]
    own = ["log_price", *flags]

    def design(frame: pl.DataFrame, brand: IntArray) -> FloatArray:
        shared = frame.select("season_sin", "season_cos", pl.col("level_13") - pl.col("level_all")).to_numpy()
        return np.hstack([by_brand(brand, len(brands), frame.select(own).to_numpy()), shared])

    x, y = design(train, code), train["log_units"].to_numpy()
    count = np.bincount(of)
    means = np.stack([np.bincount(of, column) / count for column in x.T], axis=1)
    level = np.bincount(of, y) / count
    centered = x - means[of]
    beta = np.linalg.lstsq(centered, y - level[of], rcond=None)[0]
    left = y - level[of] - centered @ beta
    where = np.arange(len(brands)) * len(own)
    spread = clustered(centered, left, train["store"].to_numpy())[np.ix_(where, where)]
    fitted = (level - means @ beta)[held_of] + design(held, held_code) @ beta
    units = np.where(held_of >= 0, np.exp(fitted) * smearing(left, code)[held_code], np.nan)
    return units, Slopes(slope=beta[where], covariance=spread)
