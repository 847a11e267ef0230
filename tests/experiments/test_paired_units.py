"""Tests in which each item, group or region has one arm."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import pytest

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import paired_units
from flashlift.experiments.paired_units import pair_by_size
from flashlift.protocols import FloatArray
from flashlift.stats.totals import split_total

RNG = np.random.default_rng


@pytest.mark.parametrize("n", [10, 11])
def test_neighbors_in_size_are_parted_by_a_fair_coin(n: int) -> None:
    size, rng = RNG(1).permutation(np.arange(1.0, n + 1)), RNG(2)
    lots = np.stack([pair_by_size(size, rng=rng) for _ in range(2000)])
    order = np.argsort(-size)
    for first in range(0, n - 1, 2):
        assert (lots[:, order[first]] + lots[:, order[first + 1]] == 1).all()
    assert lots.mean(axis=0) == pytest.approx(np.full(n, 0.5), abs=4 * 0.5 / 2000**0.5)


def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    rng, size = RNG(3), np.arange(1.0, 13.0)
    units = pl.DataFrame(
        {
            "region": [f"r{k:02}" for k in range(12)],
            "size": size,
            "variant": np.where(pair_by_size(size, rng=rng) > 0, "treatment", "control"),
        }
    )
    outcomes = pl.DataFrame({"region": np.repeat(units["region"].to_numpy(), 2), "metric": rng.poisson(9.0, 24)})
    return outcomes.filter(pl.col("region") != "r04"), units


def test_rows_are_summed_and_a_unit_without_a_row_counts_nothing() -> None:
    outcomes, units = frames()
    found = paired_units(outcomes, units, metric="orders", unit="region", rng=RNG(0))
    sums = dict(outcomes.group_by("region").agg(pl.col("metric").sum()).iter_rows())
    value = np.array([float(sums.get(one, 0)) for one in units["region"]])
    treated = (units["variant"] == "treatment").to_numpy().astype(float)
    assert found.found.effect.value == pytest.approx(split_total(value, units["size"].to_numpy(), treated).effect.value)
    assert found.units == 12
    assert found.lot_pvalue == pytest.approx(by_hand(value, units["size"].to_numpy(), treated))
    assert "By the lot alone" in str(found)
    assert "each region treated or not as a whole" in str(found)


def by_hand(value: FloatArray, size: FloatArray, treated: FloatArray) -> float:
    """Share of the 2^6 coins whose ratios differ by at least as much."""
    order = np.argsort(-size)

    def distance(z: FloatArray) -> float:
        on = z == 1
        return abs(value[on].sum() / size[on].sum() - value[~on].sum() / size[~on].sum())

    lots = []
    for coins in product((0, 1), repeat=6):
        z = np.zeros(12)
        for pair, coin in enumerate(coins):
            z[order[2 * pair + coin]] = 1.0
        lots.append(distance(z))
    return float(np.mean(np.array(lots) >= distance(treated) - 1e-12))


def test_refusals() -> None:
    outcomes, units = frames()
    with pytest.raises(InputError, match="outcomes have no column 'province'"):
        paired_units(outcomes, units, metric="m", unit="province", rng=RNG(0))
    with pytest.raises(InputError, match="does not know region"):
        paired_units(outcomes, units.filter(pl.col("region") != "r00"), metric="m", unit="region", rng=RNG(0))
    with pytest.raises(InputError, match="in the design twice"):
        paired_units(outcomes, pl.concat([units, units.head(1)]), metric="m", unit="region", rng=RNG(0))
    with pytest.raises(InputError, match="lacks its region or number"):
        paired_units(outcomes.with_columns(metric=pl.lit(None, pl.Int64)), units, metric="m", unit="region", rng=RNG(0))
    with pytest.raises(InsufficientDataError, match="9 units cannot carry a test"):
        pair_by_size(np.ones(9), rng=RNG(0))
