"""The fitted model: states, calibrated intent, categories, values and item scores of customers; save and load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from flashlift import artifacts
from flashlift.artifacts import Artifact
from flashlift.behavior.card import Card
from flashlift.behavior.config import LAYOUT, BehaviorConfig
from flashlift.behavior.content import Content
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.intent import check_horizons
from flashlift.behavior.model import HAZARD_HOURS, EventTransformer
from flashlift.behavior.own_categories import own_categories
from flashlift.behavior.prediction import Prediction, best_items, median_hours
from flashlift.behavior.purchase import PurchaseIntent
from flashlift.behavior.reading import inference, item_scores, read
from flashlift.behavior.seen import Seen
from flashlift.behavior.snapshots import Snapshots, spent
from flashlift.behavior.trend import trend_now
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.errors import ArtifactError, InsufficientDataError
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Events

__all__ = ["KIND", "BehaviorModel"]

KIND = "behavior"


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviorModel:
    """A trained network with its calibration; keeps the promises of CustomerEncoder, IntentModel and Recommender.

    Args:
        config: sizes it was built with.
        vocabulary: the items, categories, channels and regions that it knows.
        network: the weights, ready for inference.
        timing: the same network with the weights that foresaw best when customers buy.
        content: where the items' texts stand; None for a model of ids alone.
        promotions: the shop's promotions (schema Promotions), for the phase in which an event fell.
        intent: calibration and base rates; None where the log had too few purchases to calibrate on.
        facts: what happened in training: steps, minutes, losses, learning curves, span of the data.
    """

    config: BehaviorConfig
    vocabulary: Vocabulary
    network: EventTransformer
    timing: EventTransformer
    content: Content | None
    promotions: pl.DataFrame
    intent: PurchaseIntent | None
    facts: dict[str, Any]

    def encode(self, events: pl.DataFrame, customers: Sequence[str], at: datetime) -> FloatArray:
        """State of each customer as of `at`, history and present fused, (n_customers, width)."""
        histories, rows = self._histories(events, customers, at)
        with inference(self.config.threads):
            answer = read(self.network, histories, _everybody(histories, at), self.config).answer
        return answer.numpy().astype(np.float64)[rows]

    def purchase_probability(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, horizons_hours: Sequence[float]
    ) -> FloatArray:
        """Calibrated P(an order begins within h of `at`), (n_customers, n_horizons), rising with h.

        An order that began before `at` does not count, even where lines of it follow. Customers without
        events get the shop's base rate.

        Raises:
            InsufficientDataError: the log that the model was fitted on had too few purchases.
            InputError: a horizon is not in (0, 720] hours.
        """
        histories, rows = self._histories(events, customers, at)
        return self.intent_at(histories, _everybody(histories, at), horizons_hours)[rows]

    def intent_at(self, histories: Histories, snapshots: Snapshots, horizons_hours: Sequence[float]) -> FloatArray:
        """The same for snapshots of histories coded by this model's vocabulary, (n, n_horizons)."""
        intent = self.known_intent
        with inference(self.config.threads):
            logs = read(self.timing, histories, snapshots, self.config).log_survival
        return intent.probability(logs, histories, snapshots, horizons_hours)

    @property
    def known_intent(self) -> PurchaseIntent:
        """The purchase intent.

        Raises:
            InsufficientDataError: there is none.
        """
        if self.intent is None:
            raise InsufficientDataError(
                "The behavior model has no purchase intent, because its log holds too few purchases around the end of "
                "training. Train it on a longer log; ranking works without."
            )
        return self.intent

    def category_probability(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, *, level: int | None = None
    ) -> tuple[list[str], FloatArray]:
        """P(category of the next purchase), given that there is one: names and (n_customers, n_categories).

        Args:
            events: the log.
            customers: whom to ask about.
            at: the moment.
            level: parts of the path to keep: a parent's probability is the sum of its children's; None keeps all.

        Raises:
            InsufficientDataError: the items of the training window have no categories.
        """
        names = self.vocabulary.values("category")
        if not names:
            raise InsufficientDataError("No item has a category, so there is none to predict. Fill items.category.")
        histories, rows = self._histories(events, customers, at)
        snapshots = _everybody(histories, at)
        with inference(self.config.threads):
            answer = read(self.network, histories, snapshots, self.config).answer
            leaf = self._categories(answer, histories, snapshots)[rows]
        if level is None:
            return names, leaf
        parents = ["/".join(name.split("/")[:level]) for name in names]
        kept = list(dict.fromkeys(parents))
        place = np.array([kept.index(parent) for parent in parents])
        return kept, leaf @ (place[:, None] == np.arange(len(kept)))

    def order_value(self, events: pl.DataFrame, customers: Sequence[str], at: datetime) -> FloatArray:
        """Expected value of the next order, given that there is one, in the log's currency, (n_customers,).

        The mean of a log-normal, kept below the largest order of the training window.

        Raises:
            InsufficientDataError: the log has no prices.
        """
        if not self.facts.get("largest_order"):
            raise InsufficientDataError("No order has a price, so no value can be predicted. Fill events.price.")
        histories, rows = self._histories(events, customers, at)
        snapshots = _everybody(histories, at)
        with inference(self.config.threads):
            answer = read(self.network, histories, snapshots, self.config).answer
            return self._values(answer, histories, snapshots)[rows]

    def score(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, item_ids: Sequence[str]
    ) -> FloatArray:
        """Log P(next item) up to a constant of the customer, (n_customers, n_items).

        `events` is the log of the whole shop: what is popular lately is read from it. Items that were unknown
        in training are ranked by their text where the model knows it, their popularity, and the customer's own
        history with them.
        """
        vocabulary = self.vocabulary.extended(item_ids)
        histories, rows = self._histories(events, customers, at, vocabulary)
        trend = trend_now(events, at, item_ids, self.config.trend_days)
        snapshots, codes = _everybody(histories, at), vocabulary.codes(item_ids)
        codes, column = np.unique(codes, return_inverse=True)
        trend = trend[np.unique(column, return_index=True)[1]]
        own = Seen.build(histories, vocabulary.size).sparse(snapshots, codes)
        with inference(self.config.threads):
            answer = read(self.network, histories, snapshots, self.config).answer
            return item_scores(self.network, answer, codes, trend, own)[rows[:, None], column]

    def predict(
        self,
        events: pl.DataFrame,
        customers: Sequence[str],
        at: datetime,
        horizons_hours: Sequence[float],
        *,
        top: int = 10,
        items: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Whether, when and what each customer buys next, as of `at`: one row per customer.

        Args:
            events: the log of the whole shop; nothing at or after `at` is read.
            customers: whom to ask about; those without events get what holds for the shop.
            at: the moment.
            horizons_hours: of P(an order begins within h), each in (0, 720].
            top: items listed per customer.
            items: the items to choose from; None: all that the model knows.

        Returns:
            customer_id, p_<h>h for each horizon, median_hours (to the next order; null beyond 30 days), next_category,
            next_category_probability, order_value (log's currency), top_items (list, best first). What the log could
            not teach is null: everything about orders without enough of them, categories and values where there are
            none.

        Raises:
            InputError: a horizon is out of range.
        """
        check_horizons(horizons_hours, float(HAZARD_HOURS[-1]))
        vocabulary = self.vocabulary if items is None else self.vocabulary.extended(items)
        ids = np.array(vocabulary.items[Events.item_id.name].to_list() if items is None else list(items), dtype=object)
        codes, first = np.unique(vocabulary.codes(ids.tolist()), return_index=True)
        histories, rows = self._histories(events, customers, at, vocabulary)
        snapshots, seen = _everybody(histories, at), Seen.build(histories, vocabulary.size)
        trend = trend_now(events, at, ids[first].tolist(), self.config.trend_days)
        curve = category = value = None
        with inference(self.config.threads):
            answer = read(self.network, histories, snapshots, self.config).answer

            def score(part: slice) -> FloatArray:
                own = seen.sparse(snapshots.take(np.arange(part.start, part.stop)), codes)
                return item_scores(self.network, answer[part], codes, trend, own)

            best = best_items(score, histories.n_customers, ids[first], top)
            if self.intent is not None:
                grid = [*horizons_hours, *HAZARD_HOURS]
                logs = read(self.timing, histories, snapshots, self.config).log_survival
                curve = self.intent.probability(logs, histories, snapshots, grid)[rows]
                if names := self.vocabulary.values("category"):
                    leaf = self._categories(answer, histories, snapshots)[rows]
                    category = [names[k] for k in leaf.argmax(axis=1)], leaf.max(axis=1)
                if self.facts.get("largest_order"):
                    value = self._values(answer, histories, snapshots)[rows]
        return Prediction(
            customers=customers,
            horizons_hours=horizons_hours,
            probability=None if curve is None else curve[:, : len(horizons_hours)],
            median=None if curve is None else median_hours(HAZARD_HOURS, curve[:, len(horizons_hours) :]),
            category=category,
            value=value,
            items=[best[row] for row in rows],
        ).to_polars()

    @property
    def card(self) -> Card:
        """What the model was made from, what it can say and what not; prints as Markdown."""
        return Card.of(
            self.config,
            self.facts,
            n_weights=sum(weight.numel() for weight in self.network.parameters()),
            n_categories=len(self.vocabulary.values("category")),
            with_texts=self.content is not None,
            calibrated=None if self.intent is None else self.intent.calibration.calibrated_hours,
        )

    @property
    def curves(self) -> pl.DataFrame:
        """How training went: step, metric, part (train or valid), value."""
        return pl.DataFrame(self.facts["curves"])

    def with_items(self, item_ids: Sequence[str], texts: npt.NDArray[Any]) -> Self:
        """The same model, knowing further items by the vectors of their texts (n, d); a zero row is no text.

        Raises:
            InsufficientDataError: the model was trained on ids alone.
        """
        if self.content is None:
            raise InsufficientDataError(
                "The behavior model was trained on item ids alone and reads no texts. Train it with a language model."
            )
        vocabulary = self.vocabulary.extended(item_ids)
        content = self.content.extended(item_ids, texts, vocabulary)
        both = {}
        for name in ("network", "timing"):
            both[name] = _network(self.config, vocabulary, content)
            both[name].load_state_dict(_weights(getattr(self, name)), strict=False)
        return replace(self, vocabulary=vocabulary, content=content, network=both["network"], timing=both["timing"])

    def save(self, folder: Path, *, inputs: str = "") -> None:
        """Write the model as an artifact; `inputs` is the digest of what it was made from.

        Raises:
            OutputError: the place cannot be written.
        """
        arrays: dict[str, npt.NDArray[Any]] = {}
        for part in ("network", "timing"):
            arrays |= {f"{part}.{name}": value.numpy() for name, value in _weights(getattr(self, part)).items()}
        for made in (self.intent, self.content):
            arrays |= {} if made is None else made.arrays()
        manifest = {"config": asdict(self.config), "facts": self.facts, "n_trained": self.vocabulary.n_trained}
        frames = {"items": self.vocabulary.items, "labels": self.vocabulary.labels, "promotions": self.promotions}
        model = Artifact(kind=KIND, layout=LAYOUT, manifest=manifest, inputs=inputs, arrays=arrays, frames=frames)
        artifacts.save(model, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model back; it answers exactly as before.

        Raises:
            ArtifactError: missing, damaged or of another version.
        """
        saved = artifacts.load(folder, KIND, LAYOUT)
        try:
            config = BehaviorConfig(**saved.manifest["config"])
            vocabulary = Vocabulary(
                items=saved.frames["items"], labels=saved.frames["labels"], n_trained=saved.manifest["n_trained"]
            )
            content = Content.from_arrays(saved.arrays)
            both = {}
            for part in ("network", "timing"):
                both[part] = _network(config, vocabulary, content)
                arrays = {name: value for name, value in saved.arrays.items() if name.startswith(f"{part}.")}
                weights = {name.removeprefix(f"{part}."): torch.from_numpy(value) for name, value in arrays.items()}
                missing, unknown = both[part].load_state_dict(weights, strict=False)
                if unknown or set(missing) - {"item.content"}:
                    raise KeyError(", ".join([*unknown, *missing]))
            return cls(
                config=config,
                vocabulary=vocabulary,
                network=both["network"],
                timing=both["timing"],
                content=content,
                promotions=saved.frames["promotions"],
                intent=PurchaseIntent.from_arrays(saved.arrays),
                facts=dict(saved.manifest["facts"]),
            )
        except (KeyError, TypeError, RuntimeError) as error:
            raise ArtifactError(f"{folder} is of another version ({error}). Delete it and train again.") from error

    def _categories(self, answer: torch.Tensor, histories: Histories, snapshots: Snapshots) -> FloatArray:
        """P(category of the next order), (n, n_categories), under `inference`."""
        logits = self.network.category_logits(answer, own_categories(histories, snapshots))
        share: FloatArray = torch.softmax(logits.double(), dim=1).numpy()
        return share

    def _values(self, answer: torch.Tensor, histories: Histories, snapshots: Snapshots) -> FloatArray:
        """Expected value of the next order, (n,), under `inference`."""
        mean, log_sd = self.network.order_value(answer, torch.from_numpy(spent(histories, snapshots)))
        log_value = (mean + (2 * log_sd).exp() / 2).double().numpy()
        value: FloatArray = np.exp(np.minimum(log_value, np.log(self.facts["largest_order"])))
        return value

    def _histories(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, vocabulary: Vocabulary | None = None
    ) -> tuple[Histories, IntArray]:
        """Histories before `at`, and for each customer asked for the row of its history."""
        histories = Histories.build(
            events, vocabulary or self.vocabulary, before=at, customers=customers, promotions=self.promotions
        )
        place = {name: row for row, name in enumerate(histories.customers)}
        return histories, np.array([place[name] for name in customers], dtype=np.int64)


def _network(config: BehaviorConfig, vocabulary: Vocabulary, content: Content | None) -> EventTransformer:
    with torch.random.fork_rng(devices=[]):
        network = EventTransformer(config, vocabulary, None if content is None else torch.from_numpy(content.vectors))
    return network.eval()


def _weights(network: EventTransformer) -> dict[str, torch.Tensor]:
    """All but the texts' vectors, which are kept once."""
    return {name: value for name, value in network.state_dict().items() if name != "item.content"}


def _everybody(histories: Histories, at: datetime) -> Snapshots:
    everybody = np.arange(histories.n_customers)
    return Snapshots(customer=everybody, at=np.full(len(everybody), instant(at)))
