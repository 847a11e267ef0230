"""What an offer alone brings: profit, and where the campaign's goal asks for more, gross sales, buyers, stock cleared.

Gross sales and stock cleared are the account of profit (`flashlift.account`) at other prices: without costs it counts
what customers pay, and with every unit at its cost and nothing spent on it, what leaves the stock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flashlift.account import contribution
from flashlift.domain import Costs, Goal
from flashlift.protocols import DemandDraws, FloatArray, IntArray, SparseEffects

__all__ = ["FIGURES", "SHADOW", "Effect", "Shop", "figures", "profit_alone", "worth"]

FIGURES = ("profit", "revenue", "buyers", "stock_cleared")  # fields of Goal, in the order of the columns
SHADOW = len(FIGURES)  # the column of the shadow cost, 0 where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Columns of SaleItems as arrays, (n_items,); `per_purchase` is the mean units that one customer buys at once.

    `funded` is the share of the discount that others pay: income of the shop, but nothing that customers pay.
    `reference` is the price that the next sale's discount is quoted from, and `later` what each unit of currency below
    it loses there (`flashlift.domain.NextSale`).
    """

    item_ids: list[str]
    list_price: FloatArray
    unit_cost: FloatArray
    stock: FloatArray
    saleable: FloatArray
    funded: FloatArray
    per_purchase: FloatArray
    reference: FloatArray
    later: FloatArray
    costs: Costs

    def contribution(self, item: IntArray, units: FloatArray, revenue: FloatArray, at_list: FloatArray) -> FloatArray:
        """Contribution of some items, (n, n_draws)."""
        return contribution(
            units,
            revenue,
            at_list,
            list_price=self.list_price[item, None],
            unit_cost=self.unit_cost[item, None],
            stock=self.stock[item, None],
            costs=self.costs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What offers, each alone in the plan, do to units in every draw; arrays (n, n_draws) where nothing else is said.

    Args:
        item: item of each offer, (n,).
        sold: units sold in the offer.
        extra: the same less what the slot would sell without it.
        at_list: units of the item wanted at list price around the offer.
        items: the items without repetition, (m,).
        row: place of each offer's item in `items`, (n,).
        base: units of `items` wanted without a sale, (m, n_draws).
        draws: demand.
        cross: its effects on other items, in order of source.
    """

    item: IntArray
    sold: FloatArray
    extra: FloatArray
    at_list: FloatArray
    items: IntArray
    row: IntArray
    base: FloatArray
    draws: DemandDraws
    cross: SparseEffects

    def gain(self, shop: Shop, price: FloatArray) -> FloatArray:
        """Mean contribution of all items with each offer, its units counted at `price` (n,), less without, (n,)."""
        none = np.zeros((1, 1))
        gain = shop.contribution(self.item, self.sold, self.sold * price[:, None], self.at_list)
        gain -= shop.contribution(self.items, none, none, self.base)[self.row]
        mean: FloatArray = gain.mean(axis=1)
        return mean + self._elsewhere(shop)

    def _elsewhere(self, shop: Shop) -> FloatArray:
        """The same of other items, caused by the extra units, (n,)."""
        cross = self.cross
        first = np.searchsorted(cross.source, self.item)
        degree = np.searchsorted(cross.source, self.item, side="right") - first
        total = np.zeros(len(self.item))
        none = np.zeros((1, 1))
        for k in range(int(degree.max(initial=0))):
            cells = np.flatnonzero(degree > k)
            edge = first[cells] + k
            targets, row = np.unique(cross.target[edge], return_inverse=True)
            base = self.draws.without_sale(targets)
            moved = base[row] + cross.effect[edge, None] * self.extra[cells]
            gain = shop.contribution(cross.target[edge], none, none, moved)
            gain -= shop.contribution(targets, none, none, base)[row]
            total[cells] += gain.mean(axis=1)
        return total


def figures(goal: Goal, shop: Shop, effect: Effect, price: FloatArray) -> FloatArray:
    """The figures of some offers in the order of `FIGURES`, and their shadow cost, (n, 5).

    Those that a goal of profit does not need are nan.

    Args:
        goal: of the campaign.
        shop: the items.
        effect: of the offers.
        price: sale price of each offer, (n,).
    """
    given = shop.list_price[effect.item] - price
    profit = effect.gain(shop, price + shop.funded[effect.item] * given)
    shadow = shop.later[effect.item] * np.maximum(shop.reference[effect.item] - price, 0.0)
    if goal == Goal():
        return profit_alone(profit, shadow)
    free, kept = np.zeros_like(shop.unit_cost), Costs(return_frac=shop.costs.return_frac)
    sales = replace(shop, unit_cost=free, costs=Costs())
    goods = replace(shop, list_price=shop.unit_cost, unit_cost=free, costs=kept)
    return np.column_stack(
        [
            profit,
            effect.gain(sales, price),
            effect.sold.mean(axis=1) / shop.per_purchase[effect.item],
            effect.gain(goods, shop.unit_cost[effect.item]),
            shadow,
        ]
    )


def profit_alone(profit: FloatArray, shadow: FloatArray | None = None) -> FloatArray:
    """Figures of offers of which the profit is all that is asked, beside a shadow cost, (n, 5)."""
    unknown = np.full((len(profit), len(FIGURES) - 1), np.nan)
    return np.column_stack([profit, unknown, np.zeros(len(profit)) if shadow is None else shadow])


def worth(goal: Goal, brought: FloatArray) -> FloatArray:
    """What a goal makes of figures (n, 5): the sum of weight x figure, less the shadow cost, (n,)."""
    if goal == Goal():
        return brought[:, 0] - brought[:, SHADOW]
    weights = np.array([getattr(goal, name) for name in FIGURES])
    asked = np.flatnonzero(weights)
    total: FloatArray = brought[:, asked] @ weights[asked] - brought[:, SHADOW]
    return total
