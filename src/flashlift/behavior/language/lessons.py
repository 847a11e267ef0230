"""What a model is taught with, and what it is judged by: never the same items and never the same time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse
from torch import nn

from flashlift.behavior.language.baskets import together
from flashlift.behavior.language.contrast import companions_recall
from flashlift.behavior.language.encoder import LanguageModel, Vectors
from flashlift.behavior.language.follow import follow_auc
from flashlift.behavior.language.mask import TokenHead, held_out_loss, pseudo_perplexity
from flashlift.behavior.language.texts import item_texts
from flashlift.behavior.language.visits import Visits
from flashlift.protocols import FloatArray
from flashlift.schema import EVENT_KINDS, Events, Items, Tables

__all__ = ["Exam", "Lessons"]

WANTED = tuple(kind for kind in EVENT_KINDS if kind not in ("uncart", "refund"))
COMPANIONS = 20
ASKED = 10  # companions looked for per item in the exam
MAX_CATALOG = 5000  # items of an exam
MAX_TEXTS = 300  # of each kind, for the losses of an exam
MAX_PERPLEXITY = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """Everything that adaptation may learn from: events before a border, held items left out.

    Args:
        texts: of the taught items.
        sentences: behavior sentences.
        followed: visits that followed another one.
        companions: strength of seen and bought together, (n_texts, n_texts).
    """

    texts: list[str]
    sentences: list[str]
    followed: Visits
    companions: sparse.csr_array

    @classmethod
    def build(cls, tables: Tables, end: datetime, held_items: float, *, rng: np.random.Generator) -> Lessons:
        """Read the events before `end` of items that are neither held nor without text."""
        texts = _texts(tables.items)
        texts = texts.filter(~_held(texts[Items.item_id.name], held_items))
        visits = Visits.build(tables.events, texts, end=end, prices_until=end, rng=rng)
        seen = tables.events.filter(Events.at.col < end).select(Events.item_id.name).unique()
        taught = texts.join(seen.collect(), on=Items.item_id.name, how="semi", maintain_order="left")
        ids = taught[Items.item_id.name]
        companions = together(tables.events, ids, start=None, end=end, kinds=WANTED, most=COMPANIONS, rng=rng)
        return cls(
            texts=taught["text"].to_list(),
            sentences=visits.sentences,
            followed=visits.followed(),
            companions=companions,
        )

    @property
    def pools(self) -> tuple[list[str], list[str]]:
        """What masked language modeling reads: item texts and behavior sentences."""
        return self.texts, self.sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """Questions from a later window of time.

    Args:
        texts: texts of the catalog.
        new: items of the catalog that no lesson held: held back, or never seen before the window, (n_texts,).
        sentences: behavior sentences of the window.
        followed: visits of the window that followed another one.
        companions: bought together in the window, (n_texts, n_texts).
    """

    texts: list[str]
    new: npt.NDArray[np.bool_]
    sentences: list[str]
    followed: Visits
    companions: sparse.csr_array

    @classmethod
    def build(cls, tables: Tables, start: datetime, end: datetime, held_items: float) -> Exam:
        """Ask about events in [start, end). The same tables and times give the same exam."""
        rng = np.random.default_rng(0)
        texts = _texts(tables.items)
        visits = Visits.build(tables.events, texts, end=end, prices_until=start, rng=rng).since(start)
        catalog = texts[np.sort(rng.permutation(texts.height)[:MAX_CATALOG])]
        ids = catalog[Items.item_id.name]
        early = tables.events.filter(Events.at.col < start).select(Events.item_id.name).unique().collect()
        known = ids.is_in(early[Events.item_id.name].implode())
        sentences = visits.sentences
        chosen = np.sort(rng.permutation(len(sentences))[:MAX_TEXTS])
        return cls(
            texts=catalog["text"].to_list(),
            new=(_held(ids, held_items) | ~known).to_numpy(),
            sentences=[sentences[row] for row in chosen],
            followed=visits.followed(),
            companions=together(tables.events, ids, start=start, end=end, kinds=("purchase",), most=ASKED, rng=rng),
        )

    def take(self, model: LanguageModel, token_head: TokenHead, follow_head: nn.Linear | None) -> dict[str, float]:
        """Marks of a model; nan where the log has no such questions.

        `mask_loss_items` and `mask_loss_visits` in nats per token, `pseudo_perplexity` of new items' texts,
        `follow_auc` of the head (nan without), `follow_auc_cosine` of the texts' vectors, `recall@10` of what is
        bought together among the nearest items, and `recall@10_new` of it for items that no lesson held.
        """
        of_items, of_visits = self.mask_losses(model, token_head)
        shares, of_new = self.recall(model.encode(self.texts).vectors)
        return {
            "mask_loss_items": of_items,
            "mask_loss_visits": of_visits,
            "pseudo_perplexity": pseudo_perplexity(model, token_head, self._new_texts()[:MAX_PERPLEXITY]),
            "follow_auc": follow_auc(model, follow_head, self.followed) if follow_head is not None else float("nan"),
            "follow_auc_cosine": follow_auc(model, None, self.followed),
            "recall@10": _mean(shares),
            "recall@10_new": _mean(shares[of_new]),
        }

    def mask_losses(self, model: LanguageModel, token_head: TokenHead) -> tuple[float, float]:
        """Masked-language-model loss on new items' texts, and on the window's sentences; nats per token."""
        of_visits = held_out_loss(model, token_head, self.sentences, repeats=1)
        return held_out_loss(model, token_head, self._new_texts()), of_visits

    def recall(self, vectors: Vectors) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Recall@10 of each item that was bought together with others, and whether it is new, (n,) each.

        Args:
            vectors: of `texts`, (n_texts, d).
        """
        asked = np.flatnonzero(np.diff(self.companions.indptr)).astype(np.int64)
        return companions_recall(vectors, self.companions, asked), self.new[asked]

    def _new_texts(self) -> list[str]:
        return [text for text, new in zip(self.texts, self.new, strict=True) if new][:MAX_TEXTS]


def _texts(items: pl.DataFrame) -> pl.DataFrame:
    """item_id, text of the items that have one."""
    texts = pl.Series("text", item_texts(items), dtype=pl.String)
    return items.select(Items.item_id.name).with_columns(texts).filter(pl.col("text") != "")


def _held(item_ids: Iterable[str], share: float) -> pl.Series:
    """Whether an item is kept for judging: decided by its id alone, so it is the same for ever."""
    draws = [int.from_bytes(blake2b(item.encode(), digest_size=4).digest(), "big") / 2**32 for item in item_ids]
    return pl.Series(draws, dtype=pl.Float64) < share


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")
