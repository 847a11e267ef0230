"""One customer at a time, within milliseconds: what is shared by all is prepared once, a history grows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import polars as pl
import torch
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.batches import batch, last_windows, present
from flashlift.behavior.histories import instant
from flashlift.behavior.live_history import LiveHistory
from flashlift.behavior.predict import BehaviorModel
from flashlift.behavior.reading import inference
from flashlift.behavior.seen import Seen
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.trend import trend_now
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Events

__all__ = ["Live"]

GATHER = 4  # gathering a vector costs about so many products with one


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A model ready to answer for single customers, with what is popular as of `at`.

    Args:
        model: the model.
        at: the moment of `trend`; prepare again when it is old (popularity changes by the hour, not by the click).
        codes: item id -> code.
        vectors: unit vectors by code, (V, C).
        trend: log popularity by code, (V,).
        usual: item code -> usual price, and usual price in its category, NaN where unknown, (V, 2).
    """

    model: BehaviorModel
    at: datetime
    codes: dict[str, int]
    vectors: torch.Tensor
    trend: torch.Tensor
    usual: FloatArray

    @classmethod
    def prepare(cls, model: BehaviorModel, events: pl.DataFrame, at: datetime) -> Self:
        """Read what is popular from the log of the whole shop, before `at`."""
        items = model.vocabulary.items
        ids = items[Events.item_id.name].to_list()
        trend = np.append(-np.inf, trend_now(events, at, ids, model.config.trend_days)).astype(np.float32)
        with inference(model.config.threads):
            vectors = F.normalize(model.network.item(torch.arange(len(ids) + 1)), dim=-1)
        prices = items.select("usual_price", "category_price").fill_null(float("nan")).to_numpy()
        return cls(
            model=model,
            at=at,
            codes=dict(zip(ids, range(1, len(ids) + 1), strict=True)),
            vectors=vectors,
            trend=torch.from_numpy(trend),
            usual=np.vstack([np.full((1, 2), np.nan), prices]),
        )

    def history(self, events: pl.DataFrame, customer: str, before: datetime) -> LiveHistory:
        """The history of a customer, new ones included; customers need not have been trained on."""
        return LiveHistory.of(events, self.model.vocabulary, self.model.promotions, customer, before)

    def add(
        self, history: LiveHistory, event: str, item_id: str, at: datetime, *, price: float | None = None,
        order_id: str | None = None,
    ) -> None:  # fmt: skip
        """Note an event of the customer: a price in the log's currency, the order of a purchase.

        Raises:
            InputError: no such kind of event.
        """
        code = self.codes.get(item_id, 0)
        paid = np.nan if price is None else price
        level, discount, relative = np.log([paid, paid / self.usual[code, 0], paid / self.usual[code, 1]]).tolist()
        history.add(event, at, item=code, price=(level, discount, relative), order_id=order_id)

    def candidates(self, item_ids: Sequence[str]) -> IntArray:
        """Codes of items, to be kept and scored again and again; 0 for items that the model does not know."""
        return np.array([self.codes.get(item, 0) for item in item_ids], dtype=np.int64)

    def score(self, history: LiveHistory, candidates: IntArray, at: datetime) -> FloatArray:
        """Log P(next item) up to a constant, (n_candidates,); minus infinity for code 0.

        The same as `BehaviorModel.score` for items that the model knows.
        """
        network, moment = self.model.network, Snapshots(customer=np.zeros(1, np.int64), at=np.array([instant(at)]))
        own = Seen.build(history.coded, len(self.vectors))
        with inference(self.model.config.threads):
            windows = last_windows(history.coded, moment, self.model.config.max_length)
            state = network(batch(history.coded, windows))[:, int(windows.length[0])]
            query = network.item_query(network.answer(state, present(history.coded, moment)))[0]
            index = torch.from_numpy(candidates)
            few = len(candidates) < len(self.vectors) // GATHER
            taste = network.log_scale.exp() * (self.vectors[index] @ query if few else (self.vectors @ query)[index])
            popular = self.trend[index]
            scores = network.item_logit(taste, popular, None)
            met = torch.from_numpy(np.flatnonzero(own.has(candidates)))
            values = own.features(moment, candidates[met.numpy()][None])[0]
            scores[met] = network.item_logit(taste[met], popular[met], torch.from_numpy(values))
        result: FloatArray = scores.double().numpy()
        return result

    def purchase_probability(self, history: LiveHistory, at: datetime, horizons_hours: Sequence[float]) -> FloatArray:
        """Calibrated P(an order begins within h of `at`), (n_horizons,).

        Raises:
            InsufficientDataError: the model has no purchase intent.
            InputError: a horizon is not in (0, 720] hours.
        """
        moment = Snapshots(customer=np.zeros(1, np.int64), at=np.array([instant(at)]))
        probability: FloatArray = self.model.intent_at(history.coded, moment, horizons_hours)[0]
        return probability
