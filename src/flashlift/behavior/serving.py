"""One customer at a time, within milliseconds: what is shared by all is prepared once, a history grows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import polars as pl
import torch

from flashlift.behavior.batches import present
from flashlift.behavior.histories import instant
from flashlift.behavior.live_history import LiveHistory
from flashlift.behavior.memory import Follower
from flashlift.behavior.model import log_survival
from flashlift.behavior.predict import BehaviorModel
from flashlift.behavior.promotions import phase_at
from flashlift.behavior.reading import inference
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.trend import trend_now
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Events, Promotions

__all__ = ["Candidates", "Live"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Items to be scored again and again, with what does not depend on the customer.

    Args:
        codes: of the items, 0 for those that the model does not know, (n,).
        vectors: unit vectors, (n, C).
        trend: log popularity, minus infinity for code 0, (n,).
    """

    codes: IntArray
    vectors: torch.Tensor
    trend: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A model ready to answer for single customers, with what is popular as of `at`.

    Args:
        model: the model.
        at: the moment of `trend`; prepare again when it is old (popularity changes by the hour, not by the click).
        codes: item id -> code.
        ranking: reads customers for the ranking; its item vectors are of unit length.
        timing: reads them for the time of the next order.
        trend: log popularity by code, (V,).
        usual: item code -> usual price, and usual price in its category, NaN where unknown, (V, 2).
        categories: item code -> code of its category, (V,).
        labels: channel and region -> value -> code.
        sales: item id -> starts and ends of its promotions, in order of time.
    """

    model: BehaviorModel
    at: datetime
    codes: dict[str, int]
    ranking: Follower
    timing: Follower
    trend: torch.Tensor
    usual: FloatArray
    categories: IntArray
    labels: dict[str, dict[str, int]]
    sales: dict[str, list[tuple[datetime, datetime]]]

    @classmethod
    def prepare(cls, model: BehaviorModel, events: pl.DataFrame, at: datetime) -> Self:
        """Read what is popular from the log of the whole shop, before `at`."""
        items = model.vocabulary.items
        ids = items[Events.item_id.name].to_list()
        trend = np.append(-np.inf, trend_now(events, at, ids, model.config.trend_days)).astype(np.float32)
        with inference(model.config.threads):
            ranking, timing = (
                Follower.of(network, len(ids) + 1, model.config.max_length) for network in (model.network, model.timing)
            )
        prices = items.select("usual_price", "category_price").fill_null(float("nan")).to_numpy()
        promotions = model.promotions.sort(Promotions.start.name).select(
            Promotions.item_id.name, pair=pl.concat_list(Promotions.start.name, Promotions.end.name)
        )
        return cls(
            model=model,
            at=at,
            codes=dict(zip(ids, range(1, len(ids) + 1), strict=True)),
            ranking=ranking,
            timing=timing,
            trend=torch.from_numpy(trend),
            usual=np.vstack([np.full((1, 2), np.nan), prices]),
            categories=np.append(0, items["category"].to_numpy()),
            labels={
                field: {value: code for code, value in enumerate(model.vocabulary.values(field), start=1)}
                for field in ("channel", "region")
            },
            sales={
                item: [(start, end) for start, end in pairs]
                for item, pairs in promotions.group_by(Promotions.item_id.name, maintain_order=True).agg("pair").rows()
            },
        )

    def history(self, events: pl.DataFrame, customer: str, before: datetime) -> LiveHistory:
        """The history of a customer, new ones included; customers need not have been trained on."""
        return LiveHistory.of(events, self.model.vocabulary, self.model.promotions, customer, before)

    def add(
        self, history: LiveHistory, event: str, item_id: str, at: datetime, *, price: float | None = None,
        order_id: str | None = None, channel: str | None = None, region: str | None = None,
    ) -> None:  # fmt: skip
        """Note an event of the customer: a price in the log's currency, the order of a purchase.

        Channels and regions that training did not meet count as unknown.

        Raises:
            InputError: no such kind of event.
        """
        code = self.codes.get(item_id, 0)
        paid = np.nan if price is None else price
        level, discount, relative = np.log([paid, paid / self.usual[code, 0], paid / self.usual[code, 1]]).tolist()
        history.add(
            event,
            at,
            item=code,
            category=int(self.categories[code]),
            price=(level, discount, relative),
            order_id=order_id,
            channel=self.labels["channel"].get(channel or "", 0),
            region=self.labels["region"].get(region or "", 0),
            phase=phase_at(self.sales.get(item_id, []), at),
        )

    def candidates(self, item_ids: Sequence[str]) -> Candidates:
        """Items to be kept and scored again and again."""
        codes = np.array([self.codes.get(item, 0) for item in item_ids], dtype=np.int64)
        index = torch.from_numpy(codes)
        return Candidates(codes=codes, vectors=self.ranking.items[index], trend=self.trend[index])

    def score(self, history: LiveHistory, candidates: Candidates, at: datetime) -> FloatArray:
        """Log P(next item) up to a constant, (n_candidates,); minus infinity for items that the model does not know.

        The same as `BehaviorModel.score` for items that the model knows, where the history is read from the same event
        on; see `memory.Follower`.
        """
        network, now = self.model.network, instant(at)
        own, values = history.own(now)
        row = np.full(len(self.trend), -1)
        row[own] = np.arange(len(own))
        met = np.flatnonzero(row[candidates.codes] >= 0)
        with inference(self.model.config.threads):
            answer = network.answer(history.read(self.ranking, now), present(history.coded, _moment(now)))
            taste = network.log_scale.exp() * (candidates.vectors @ network.item_query(answer)[0])
            scores = network.item_logit(taste, candidates.trend, None)
            if len(met):
                index, known = torch.from_numpy(met), torch.from_numpy(values[row[candidates.codes[met]]])
                scores[index] = network.item_logit(taste[index], candidates.trend[index], known)
        result: FloatArray = scores.double().numpy()
        return result

    def purchase_probability(self, history: LiveHistory, at: datetime, horizons_hours: Sequence[float]) -> FloatArray:
        """Calibrated P(an order begins within h of `at`), (n_horizons,).

        Raises:
            InsufficientDataError: the model has no purchase intent.
            InputError: a horizon is not in (0, 720] hours.
        """
        intent, network, moment = self.model.known_intent, self.model.timing, _moment(instant(at))
        with inference(self.model.config.threads):
            known = present(history.coded, moment)
            answer = network.answer(history.read(self.timing, instant(at)), known)
            logs = log_survival(network.hazards(answer, known)).double().numpy()
        probability: FloatArray = intent.probability(logs, history.coded, moment, horizons_hours)[0]
        return probability


def _moment(at: int) -> Snapshots:
    """The only customer at a moment (microseconds)."""
    return Snapshots(customer=np.zeros(1, dtype=np.int64), at=np.array([at]))
