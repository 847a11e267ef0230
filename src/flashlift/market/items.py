"""What is sold: items with a price, a cost, a place in the catalog, and the truth about how they sell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.market.config import MarketConfig
from flashlift.market.words import BRANDS, CATEGORIES, QUALITIES
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Items

__all__ = ["ItemBase", "make_items"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBase:
    """Items, one entry each, in the order of their row numbers.

    Args:
        frame: schema Items, `stock` still null; `attributes` name the quality and the product type.
        category: index of the leaf category.
        group: number of the product type, within which items may compete.
        quality: index into `QUALITIES`.
        list_price: price outside sales.
        unit_cost: purchase cost of a unit.
        rate: units per day at list price on a normal day.
        arrival: day of the log on which the item was first sold; 0 for those already there.
    """

    frame: pl.DataFrame
    category: IntArray
    group: IntArray
    quality: IntArray
    list_price: FloatArray
    unit_cost: FloatArray
    rate: FloatArray
    arrival: IntArray

    def __len__(self) -> int:
        return len(self.category)

    def price(self, discount: FloatArray, item: IntArray | None = None) -> FloatArray:
        """Price to the cent at a discount of the list price, of all items (..., n_items) or of `item` (n,)."""
        list_price = self.list_price if item is None else self.list_price[item]
        return np.asarray(np.maximum(np.round(list_price * (1.0 - discount), 2), 0.01))


def make_items(config: MarketConfig, units_total: float, *, rng: np.random.Generator) -> ItemBase:
    """Items of a long-tailed popularity; the log is expected to hold about `units_total` units."""
    n = config.n_items
    category = rng.integers(len(CATEGORIES), size=n)
    quality = rng.integers(len(QUALITIES), size=n)
    factor = np.array([factor for factor, _ in QUALITIES.values()])
    median = np.array([price for price, _ in CATEGORIES.values()])
    n_nouns = np.array([len(nouns) for _, nouns in CATEGORIES.values()])
    noun = (rng.random(n) * n_nouns[category]).astype(np.int64)
    list_price = np.floor(median[category] * factor[quality] * rng.lognormal(0.0, 0.35, n)) + 0.99
    unit_cost = np.round(list_price * rng.uniform(0.45, 0.75, n), 2)
    arrival = np.where(rng.random(n) < config.new_item_frac, rng.integers(14, config.days - 7, n), 0)
    popularity = rng.lognormal(0.0, 1.3, n)
    # A brand is at home in few categories, so that brand and category tell about each other.
    brand = (category * 5 + rng.integers(6, size=n)) % len(BRANDS)
    return ItemBase(
        frame=_frame(category, noun, quality, brand, list_price, unit_cost),
        category=category,
        group=category * int(n_nouns.max()) + noun,
        quality=quality,
        list_price=list_price,
        unit_cost=unit_cost,
        rate=popularity * units_total / (popularity * (config.days - arrival)).sum(),
        arrival=arrival,
    )


def _frame(
    category: IntArray, noun: IntArray, quality: IntArray, brand: IntArray, list_price: FloatArray, cost: FloatArray
) -> pl.DataFrame:
    n = len(category)
    paths, adjectives = list(CATEGORIES), list(QUALITIES)
    nouns = [nouns for _, nouns in CATEGORIES.values()]
    kind = [nouns[c][x] for c, x in zip(category, noun, strict=True)]
    frame = pl.DataFrame(
        {
            Items.item_id.name: [f"i{k}" for k in range(n)],
            Items.title.name: [
                f"{BRANDS[b]} {adjectives[q]} {k}" for b, q, k in zip(brand, quality, kind, strict=True)
            ],
            Items.category.name: [paths[c] for c in category],
            Items.brand.name: [BRANDS[b] for b in brand],
            Items.list_price.name: list_price,
            Items.unit_cost.name: cost,
            Items.stock.name: pl.Series([None] * n, dtype=pl.Int64),
            Items.attributes.name: [
                f'{{"quality": "{adjectives[q].lower()}", "kind": "{k.lower()}"}}'
                for q, k in zip(quality, kind, strict=True)
            ],
        }
    )
    return Items.validate(frame)
