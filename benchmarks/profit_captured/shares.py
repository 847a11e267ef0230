"""From results to the board: share of the oracle's profit with its interval, and the mean of every other figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.profit_captured.rows import ORACLE

__all__ = ["ALL", "figures", "shares"]

ALL = "all worlds"
LEVEL = 0.9
RESAMPLES = 4000

Float = npt.NDArray[np.float64]


def shares(results: pl.DataFrame, *, rng: np.random.Generator) -> pl.DataFrame:
    """Sum over seeds of true V / sum over the same seeds of the oracle's, by world and over worlds of equal weight.

    The interval is a bootstrap over seeds: a seed is drawn in all worlds and rows together, because shops of one seed
    have much in common. A row that failed anywhere in a world has no share there, and none over all worlds; a
    sum of the oracle's that is not positive gives none either.

    Args:
        results: as `result.to_polars`.
        rng: source of the resamples.

    Returns:
        `world` (one of them `ALL`), `row`, `share`, `ci_lower`, `ci_upper` (90 %; null for a single seed), null where
        there is no share, `shops` played and how many of them `failed`.
    """
    worlds = results["world"].unique(maintain_order=True).to_list()
    rows = results["row"].unique(maintain_order=True).to_list()
    value = _cube(results, worlds, rows)  # (n_worlds, n_rows, n_seeds)
    n_seeds = value.shape[2]
    pick = np.vstack([np.arange(n_seeds), rng.integers(0, n_seeds, (RESAMPLES, n_seeds))])
    found = _ratios(value, _of_oracle(value, rows), pick)  # (n_worlds, n_rows, 1 + n_resamples)
    shops = results.group_by("world", "row").agg(shops=pl.len(), failed=pl.col("error").is_not_null().sum())
    over = results.group_by("row").agg(shops=pl.len(), failed=pl.col("error").is_not_null().sum())
    counts = pl.concat([shops, over.select(pl.lit(ALL).alias("world"), "row", "shops", "failed")])
    every = np.concatenate([found, found.mean(axis=0, keepdims=True)])
    tail = (1.0 - LEVEL) / 2.0
    table = [
        {"world": world, "row": row, **_interval(every[w, r], tail, n_seeds)}
        for w, world in enumerate([*worlds, ALL])
        for r, row in enumerate(rows)
    ]
    schema = {"world": pl.String, "row": pl.String, "share": pl.Float64, "ci_lower": pl.Float64, "ci_upper": pl.Float64}
    joined = pl.DataFrame(table, schema=schema).join(counts, on=["world", "row"], how="left", maintain_order="left")
    clean = pl.when(pl.col("failed") == 0)
    return joined.with_columns(clean.then(pl.col(name)) for name in ("share", "ci_lower", "ci_upper"))


def figures(results: pl.DataFrame, by: Sequence[str] = ("row",)) -> pl.DataFrame:
    """Mean over shops of every figure, shops with a loss, and the mean of V; failed rows are counted, not averaged."""
    means = [
        name for name, kind in results.schema.items() if kind.is_float() or (name == "n_offers" and kind.is_integer())
    ]
    return results.group_by(*by, maintain_order=True).agg(
        pl.len().alias("shops"),
        pl.col("error").is_not_null().sum().alias("failed"),
        (pl.col("value") < 0).sum().alias("losses"),
        *(pl.col(name).mean() for name in means),
    )


def _cube(results: pl.DataFrame, worlds: list[str], rows: list[str]) -> Float:
    """True V, (n_worlds, n_rows, n_seeds); NaN where there is none."""
    seeds = results["seed"].unique().sort().to_list()
    value = np.full((len(worlds), len(rows), len(seeds)), np.nan)
    for world, row, seed, v in results.select("world", "row", "seed", "value").iter_rows():
        if v is not None:
            value[worlds.index(world), rows.index(row), seeds.index(seed)] = v
    return value


def _of_oracle(value: Float, rows: list[str]) -> Float:
    """The oracle's V, (n_worlds, 1, n_seeds)."""
    if ORACLE in rows:
        at = rows.index(ORACLE)
        return value[:, at : at + 1]
    return np.full_like(value[:, :1], np.nan)


def _ratios(value: Float, oracle: Float, pick: npt.NDArray[np.int64]) -> Float:
    """Ratio of sums over the picked seeds that have both values; NaN where the oracle's sum is not positive."""
    both = np.isfinite(value) & np.isfinite(oracle)
    top = np.where(both, value, 0.0)[:, :, pick].sum(axis=-1)
    bottom = np.where(both, np.broadcast_to(oracle, value.shape), 0.0)[:, :, pick].sum(axis=-1)
    return np.where(bottom > 0.0, top / np.where(bottom > 0.0, bottom, 1.0), np.nan)


def _interval(found: Float, tail: float, n_seeds: int) -> dict[str, float | None]:
    share, resampled = float(found[0]), found[1:]
    if not np.isfinite(share):
        return {"share": None, "ci_lower": None, "ci_upper": None}
    known = n_seeds > 1 and bool(np.isfinite(resampled).all())
    lower, upper = np.quantile(resampled, [tail, 1.0 - tail]) if known else (None, None)
    return {"share": share, "ci_lower": lower, "ci_upper": upper}
