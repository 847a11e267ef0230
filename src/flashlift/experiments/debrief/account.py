"""The account of a sale as a function of what happened in it, so that one cause can be changed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from flashlift.account import contribution
from flashlift.domain import Campaign, Offer
from flashlift.protocols import DemandDraws, FloatArray, IntArray
from flashlift.schema import SaleItems

__all__ = ["Account", "Sale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What the offers did; every array broadcasts to (n_offers, n_draws).

    Args:
        sold: units sold in the slots.
        replaced: units that the same slots would have sold without the sale.
        price: price paid.
    """

    sold: FloatArray
    replaced: FloatArray
    price: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account of `flashlift.account` for some offers: C(sale) - C(no sale) over all items that they touch.

    Args:
        campaign: for the costs.
        own: offers of each touched item, (n_touched, n_offers).
        elsewhere: units that each touched item gains per extra unit of each offer, same shape.
        later: units that each offer's item gains outside its slots per extra unit, on the mean draw, (n_offers,).
        before: units of each touched item at list price without the sale, (n_touched, n_draws).
        list_price: of each touched item, (n_touched, 1); so are
        unit_cost: and
        stock: .
        funding: what others pay per unit of each offer at its planned price, as a share of its discount, (n_offers, 1).
        offer_list_price: list price of each offer's item, (n_offers, 1); so is
        offer_unit_cost: .
    """

    campaign: Campaign
    own: sparse.csr_array
    elsewhere: sparse.csr_array
    later: FloatArray
    before: FloatArray
    list_price: FloatArray
    unit_cost: FloatArray
    stock: FloatArray
    funding: FloatArray
    offer_list_price: FloatArray
    offer_unit_cost: FloatArray

    @classmethod
    def of(
        cls, offers: Sequence[Offer], campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, funded: FloatArray
    ) -> Account:
        """The account of offers.

        Args:
            offers: at least one, of known items.
            campaign: theirs.
            items: table SaleItems, in the row order of the draws.
            draws: demand.
            funded: share of each item's discount that others pay, (n_items,).
        """
        row = {item_id: k for k, item_id in enumerate(items[SaleItems.item_id.name])}
        item = np.array([row[offer.item_id] for offer in offers], dtype=np.int64)
        cross, every = draws.cross(), np.arange(len(offers))
        source, edge = _edges(item, cross.source)
        touched = np.union1d(item, cross.target[edge])
        shape = (len(touched), len(offers))
        place = np.searchsorted(touched, item)
        facts = {
            name: items[name].to_numpy().astype(np.float64)[:, None]
            for name in (SaleItems.list_price.name, SaleItems.unit_cost.name, SaleItems.stock.name)
        }
        one = np.ones((len(offers), draws.n_draws))
        return cls(
            campaign=campaign,
            own=sparse.csr_array((np.ones(len(offers)), (place, every)), shape=shape),
            elsewhere=sparse.csr_array(
                (cross.effect[edge], (np.searchsorted(touched, cross.target[edge]), source)), shape=shape
            ),
            later=draws.aftermath(item, one).mean(axis=1),
            before=draws.without_sale(touched),
            **{name: column[touched] for name, column in facts.items()},
            funding=funded[item][:, None],
            offer_list_price=facts[SaleItems.list_price.name][item],
            offer_unit_cost=facts[SaleItems.unit_cost.name][item],
        )

    def margin(self, price: FloatArray, return_frac: FloatArray | float | None = None) -> FloatArray:
        """Contribution of a unit sold at `price` (n_offers, ...) after returns, the planned ones if not given."""
        costs = self.campaign.costs
        back = costs.return_frac if return_frac is None else return_frac
        return (1.0 - back) * (self.brings(price) - self.offer_unit_cost) - back * costs.return_cost

    def brings(self, price: FloatArray) -> FloatArray:
        """What a unit brings in: its price, and what others pay of the discount."""
        return np.asarray(price + self.funding * np.maximum(self.offer_list_price - price, 0.0))

    def value(
        self, sale: Sale, *, moved: FloatArray | float = 1.0, later: FloatArray | float = 1.0, mean: bool = True
    ) -> FloatArray:
        """Incremental profit V of a sale, (n_draws,).

        Args:
            sale: what happened in the slots.
            moved: factor on what the sale takes from other items or brings to them.
            later: factor on what it takes from its items' other days or brings to them.
            mean: on the mean of the units without the sale, else draw by draw.
        """
        before = self.before.mean(axis=1, keepdims=True) if mean else self.before
        extra = sale.sold - sale.replaced
        change = moved * (self.elsewhere @ extra) + later * (self.own @ (self.later[:, None] * extra))
        after = before + change - self.own @ sale.replaced
        facts = {"list_price": self.list_price, "unit_cost": self.unit_cost, "stock": self.stock}
        none, costs = np.zeros_like(before), self.campaign.costs
        sold, revenue = self.own @ sale.sold, self.own @ (sale.sold * self.brings(sale.price))
        with_sale = contribution(sold, revenue, after, costs=costs, **facts)
        return np.asarray((with_sale - contribution(none, none, before, costs=costs, **facts)).sum(axis=0))


def _edges(item: IntArray, source: IntArray) -> tuple[IntArray, IntArray]:
    """Offer and row of every effect that starts at an offer's item."""
    by_source = np.argsort(source, kind="stable")
    first = np.searchsorted(source[by_source], item)
    degree = np.searchsorted(source[by_source], item, side="right") - first
    offer = np.repeat(np.arange(len(item)), degree)
    within = np.arange(len(offer)) - np.repeat(np.cumsum(degree) - degree, degree)
    return offer, by_source[first[offer] + within]
