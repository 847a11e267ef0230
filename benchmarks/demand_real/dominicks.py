"""Dominick's orange juice and beer as weeks of items in stores, with the slopes that others published for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.demand_real.weekly import with_usual_price

__all__ = ["BEER", "ORANGE_JUICE", "Study"]

_OUNCES = 64
_LEAST_PRICE = 0.5  # dollars; lower ones are errors of the file
_COMMON = 0.03
_JUICES = {1: "tropicana", 5: "minute.maid", 10: "dominicks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One log of the price study.

    Args:
        title: for people.
        needs: file in the folder of the data sets.
        published: slope by brand and where it stands; "all" is one slope for all rows.
        horizon: weeks that are held out at each origin.
        origins: first held-out weeks.
        stores: so many stores, the first by number, are studied; None: all.
    """

    title: str
    needs: str
    published: dict[str, float]
    horizon: int
    origins: tuple[int, ...]
    stores: int | None = None

    def read(self, data: Path, stores: int | None) -> pl.DataFrame:
        """Rows for `with_usual_price`, of the first `stores` stores by number (None: all)."""
        rows = _juice(data / self.needs) if self is ORANGE_JUICE else _beer(data / self.needs)
        if stores is not None:
            kept = rows["store"].unique().sort().head(stores)
            rows = rows.filter(pl.col("store").is_in(kept.implode()))
        return with_usual_price(rows)

    def replicated(self, data: Path) -> pl.DataFrame:
        """`model`, `brand`, `elasticity`: the figures of the publication, and its regression on the file here."""
        printed = pl.DataFrame({"brand": list(self.published), "elasticity": list(self.published.values())})
        if self is ORANGE_JUICE:
            frame = _juice(data / self.needs).select(pl.col("brand").alias("group"), "brand", "price", "units")
        else:
            frame = pl.read_parquet(data / self.needs).select(
                group=pl.struct("STORE", "UPC").rle_id(), brand=pl.lit("all"), price="PRICE", units="MOVE"
            )
        x, y = (pl.col(name).log() - pl.col(name).log().mean().over("group") for name in ("price", "units"))
        again = frame.select("brand", x=x, y=y).group_by("brand").agg(
            elasticity=(pl.col("x") * pl.col("y")).sum() / (pl.col("x") ** 2).sum()
        ).sort("brand")  # fmt: skip
        told = {"published": printed, "published regression, run here": again}
        return pl.concat(
            [part.select(pl.lit(name).alias("model"), "brand", "elasticity") for name, part in told.items()]
        )


ORANGE_JUICE = Study(
    title="Dominick's orange juice",
    needs="dominicks_orange_juice/oj_yx.parquet",
    published={"dominicks": -3.38, "minute.maid": -3.32, "tropicana": -2.71},
    horizon=12,
    origins=(125, 137, 149),
)
BEER = Study(
    title="Dominick's beer",
    needs="dominicks_beer/wber.parquet",
    published={"all": -3.65},
    horizon=12,
    origins=(268, 280, 292),
    stores=20,
)


def _juice(path: Path) -> pl.DataFrame:
    """The three brands of the published regression; ounces become cartons of 64."""
    rows = pl.read_parquet(path).filter(pl.col("brand").is_in(list(_JUICES)))
    price = pl.coalesce(pl.when(pl.col("brand") == brand).then(f"price{brand}") for brand in _JUICES)
    rows = rows.with_columns(
        price.alias("per_ounce"), pl.col("brand").replace_strict(_JUICES, return_dtype=pl.String).alias("name")
    )
    return rows.select(
        pl.format("{}@{}", "name", "store").alias("item"),
        pl.col("name").alias("brand"),
        pl.col("store").cast(pl.Int64),
        pl.col("week").cast(pl.Int64),
        (pl.col("logmove").exp() / _OUNCES).round().cast(pl.Int64).alias("units"),
        (pl.col("per_ounce") * _OUNCES).round(2).alias("price"),
        (pl.col("deal") > 0).alias("deal"),
        (pl.col("feat") > 0).alias("feat"),
    )


def _beer(path: Path) -> pl.DataFrame:
    """Items sold nearly every week of at least three years: elsewhere a missing row hides weeks without a sale.

    The brand is the first word of the description; brands with few of these rows are one.
    """
    names = pl.read_parquet(path.with_name("upc.parquet")).select(
        pl.col("rownames").alias("UPC"), pl.col("DESCRIP").str.split(" ").list.first().str.to_lowercase().alias("brand")
    )
    rows = pl.read_parquet(path).join(names, on="UPC", how="left").select(
        pl.format("{}@{}", "UPC", "STORE").alias("item"),
        pl.col("brand").fill_null("other"),
        pl.col("STORE").cast(pl.Int64).alias("store"),
        pl.col("WEEK").cast(pl.String).cast(pl.Int64).alias("week"),
        pl.col("MOVE").cast(pl.Int64).alias("units"),
        pl.col("PRICE").alias("price"),
        pl.lit(False).alias("deal"),
        pl.lit(False).alias("feat"),
    ).filter(pl.col("price") > _LEAST_PRICE)  # fmt: skip
    span = pl.col("week").max() - pl.col("week").min() + 1
    steady = rows.group_by("item").agg(pl.len().alias("n"), span.alias("span")).filter(
        (pl.col("n") >= 156) & (pl.col("n") >= 0.95 * pl.col("span"))
    )  # fmt: skip
    rows = rows.join(steady.select("item"), on="item", how="semi")
    common = rows.group_by("brand").len().filter(pl.col("len") >= _COMMON * len(rows))["brand"]
    known = pl.col("brand").is_in(common.implode())
    return rows.with_columns(pl.when(known).then("brand").otherwise(pl.lit("other")).alias("brand"))
