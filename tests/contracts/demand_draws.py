"""What every demand model owes its users: the promises of `DemandModel` and `DemandDraws`, checked on a living one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from flashlift.domain import Slot
from flashlift.protocols import DemandDraws, DemandModel

__all__ = ["check_demand_draws"]

LADDER = (0.05, 0.1, 0.2, 0.3, 0.5)


def check_demand_draws(model: DemandModel, items: pl.DataFrame, slots: Sequence[Slot], *, n_draws: int = 64) -> None:
    """Assert every promise that the protocols make.

    Args:
        model: the model under test.
        items: at least two items, schema SaleItems.
        slots: at least one slot; slots must not overlap.
        n_draws: draws to check with; the checks of means allow for their noise.
    """
    assert len(items) >= 2
    assert slots
    draws = model.draw(items, slots, n_draws, rng=np.random.default_rng(1))
    assert draws.n_draws == n_draws
    item, slot = (a.ravel() for a in np.meshgrid(np.arange(len(items)), np.arange(len(slots)), indexing="ij"))
    _check_units(draws, item, slot)
    _check_cells_do_not_depend_on_company(draws, item, slot)
    _check_horizon(draws, item, slot, np.arange(len(items)))
    _check_support(draws, item)
    _check_reproducible(model, items, slots, n_draws, item, slot)
    _check_edges(model, items, slots)


def _is_table(values: np.ndarray, rows: int, columns: int) -> None:
    assert values.shape == (rows, columns)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()


def _check_units(draws: DemandDraws, item: np.ndarray, slot: np.ndarray) -> None:
    """Units are finite, not negative, and within a column a deeper discount never sells less."""
    n = len(item)
    at_list = draws.units(item, slot, np.zeros(n))
    _is_table(at_list, n, draws.n_draws)
    assert (at_list >= 0).all()
    steps = [draws.units(item, slot, np.full(n, d)) for d in LADDER]
    for step in steps:
        _is_table(step, n, draws.n_draws)
        assert (step >= 0).all()
    for shallow, deep in pairwise(steps):
        assert (deep >= shallow - 1e-9).all(), "a deeper discount sold less in the same state of the world"
    assert steps[-1].mean() > steps[0].mean(), "the discount has no effect at all"
    full = draws.units(item, slot, np.full(n, 0.3), np.ones(n))
    np.testing.assert_array_equal(full, steps[LADDER.index(0.3)], err_msg="reach 1 is not the same as no reach given")
    part = draws.units(item, slot, np.full(n, 0.3), np.full(n, 0.4))
    _is_table(part, n, draws.n_draws)
    assert (part >= 0).all()


def _check_cells_do_not_depend_on_company(draws: DemandDraws, item: np.ndarray, slot: np.ndarray) -> None:
    """A cell's answer is the same alone, repeated, in another order, and beside other discounts."""
    n = len(item)
    discount = np.resize(np.array([0.0, *LADDER]), n)
    once = draws.units(item, slot, discount)
    np.testing.assert_array_equal(draws.units(item, slot, discount), once, err_msg="asking twice gives two answers")
    order = np.random.default_rng(2).permutation(n)
    np.testing.assert_array_equal(draws.units(item[order], slot[order], discount[order]), once[order])
    for cell in order[:3]:
        one = np.array([cell])
        np.testing.assert_array_equal(draws.units(item[one], slot[one], discount[one]), once[one])


def _check_horizon(draws: DemandDraws, item: np.ndarray, slot: np.ndarray, every: np.ndarray) -> None:
    """The horizon contains the slots; the aftermath is a finite answer to the extra units, and none to none."""
    whole = draws.without_sale(every)
    _is_table(whole, len(every), draws.n_draws)
    assert (whole >= 0).all()
    at_list = draws.units(item, slot, np.zeros(len(item)))
    in_slots = np.zeros_like(whole)
    np.add.at(in_slots, item, at_list)
    noise = 4 * np.sqrt((whole.var(axis=1) + in_slots.var(axis=1)) / draws.n_draws)
    assert (whole.mean(axis=1) >= in_slots.mean(axis=1) - noise - 1e-9).all(), "slots sell more than the whole horizon"

    none = draws.aftermath(every, np.zeros_like(whole))
    _is_table(none, len(every), draws.n_draws)
    np.testing.assert_array_equal(none, 0.0, err_msg="no extra units, and yet an aftermath")
    extra = np.resize(np.array([1.0, 4.0, 9.0]), whole.shape)
    after = draws.aftermath(every, extra)
    _is_table(after, len(every), draws.n_draws)
    assert (after >= -extra - 1e-9).all(), "more units were pulled forward than extra units sold"
    column = np.zeros_like(whole)
    column[:, 0] = extra[:, 0]
    only = draws.aftermath(every, column)
    np.testing.assert_array_equal(only[:, 0], after[:, 0], err_msg="a column looks at another column")
    np.testing.assert_array_equal(only[:, 1:], 0.0)

    cross = draws.cross()
    assert len(cross.source) == len(cross.target) == len(cross.effect)
    assert np.isfinite(cross.effect).all()
    assert np.isin(cross.source, every).all()
    assert np.isin(cross.target, every).all()
    assert (cross.source != cross.target).all(), "an item's effect on itself belongs into `aftermath`"


def _check_support(draws: DemandDraws, item: np.ndarray) -> None:
    for discount in LADDER:
        distance = draws.support(item, np.full(len(item), discount))
        assert distance.shape == item.shape
        assert not np.isnan(distance).any()
        assert (distance >= 0).all()


def _check_reproducible(
    model: DemandModel, items: pl.DataFrame, slots: Sequence[Slot], n_draws: int, item: np.ndarray, slot: np.ndarray
) -> None:
    """The same generator state gives the same draws, and another one gives others."""
    first, again, other = (model.draw(items, slots, n_draws, rng=np.random.default_rng(s)) for s in (7, 7, 8))
    ask = np.full(len(item), 0.2)
    every = np.arange(len(items))
    np.testing.assert_array_equal(first.units(item, slot, ask), again.units(item, slot, ask))
    np.testing.assert_array_equal(first.without_sale(every), again.without_sale(every))
    assert (first.without_sale(every) != other.without_sale(every)).any()


def _check_edges(model: DemandModel, items: pl.DataFrame, slots: Sequence[Slot]) -> None:
    """One draw is enough, and no cells are an answer, too."""
    draws = model.draw(items, slots, 1, rng=np.random.default_rng(3))
    nothing = np.array([], dtype=np.int64)
    assert draws.units(nothing, nothing, np.array([])).shape == (0, 1)
    assert draws.without_sale(nothing).shape == (0, 1)
    assert draws.aftermath(nothing, np.zeros((0, 1))).shape == (0, 1)
    assert draws.support(nothing, np.array([])).shape == (0,)
    one = np.array([len(items) - 1])
    _is_table(draws.units(one, np.array([len(slots) - 1]), np.array([0.2])), 1, 1)
