"""The shop's language model: adapted to its customers on demand, and asked for the vectors of the items' texts."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift import artifacts
from flashlift.artifacts import Artifact
from flashlift.behavior import language
from flashlift.behavior.language.config import NONE, SCRATCH
from flashlift.pipeline.shop import Shop
from flashlift.protocols import Progress, silent
from flashlift.settings import Settings

__all__ = ["TextVectors", "adapt", "language_inputs", "text_vectors"]

log = logging.getLogger(__name__)

STAGE = "language/adapter"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVectors:
    """What a language model says of the items.

    Args:
        ids: of the items, all of the shop's table.
        vectors: of their texts, (n, d); a zero row for an item without a readable one.
        facts: model, digest, adapted, reason: for the record.
    """

    ids: list[str]
    vectors: npt.NDArray[np.float32]
    facts: dict[str, Any]


def adapt(settings: Settings, progress: Progress = silent) -> Artifact:
    """Adapt the language model to the shop's customers; the frame "ablation" says what each step was worth.

    What was interrupted goes on where it was, and what is done already for the same data and settings is read back.
    """
    shop, asked, seed = Shop.open(settings), settings.language, settings.shop.seed

    def work(inputs: str) -> dict[str, pl.DataFrame]:
        config = language.LanguageConfig(
            language=asked.model, steps=tuple(asked.steps), threads=settings.behavior.threads
        )
        steps = shop.folder / "language" / "steps"  # what an interrupted adaptation goes on from
        adapted = language.adapt(
            shop.tables, split=shop.split, config=config, seed=seed, progress=progress, resume=steps
        )
        adapted.save(shop.folder / "language", inputs=inputs)
        shutil.rmtree(steps, ignore_errors=True)
        named = artifacts.digest(*_model_files(asked.model))
        facts = {"named": [named], "train_end": [shop.split.train_end], "reason": [adapted.reason]}
        return {"ablation": adapted.metrics, "facts": pl.DataFrame(facts)}

    return shop.stage(STAGE, work, settings.split, _model_files(asked.model), asked.steps, seed)


def language_inputs(settings: Settings, shop: Shop) -> tuple[object, ...]:
    """What the text vectors depend on beside the shop's data: a model's name or files, and its adaptation."""
    return (*_model_files(settings.language.model), _adaptation(settings, shop))


def text_vectors(settings: Settings, shop: Shop, progress: Progress = silent) -> TextVectors | None:
    """Vectors of the items' texts, encoded once; None where items are known by their ids alone (the log says why)."""
    if settings.language.model == NONE:
        return None
    with language.torch_at(settings.behavior.threads, settings.shop.seed):
        found = _model(settings, shop)
        if found is None:
            return None
        model, facts = found
        ids, vectors = language.item_vectors(
            shop.tables.items, model, shop.folder / "language" / "cache", progress=progress
        )
    if not vectors.any():
        log.warning("No item has a text that %s can read: items are known by their ids alone.", model.name)
        return None
    return TextVectors(ids=ids, vectors=vectors, facts=facts | {"model": model.name, "digest": model.digest})


def _model(settings: Settings, shop: Shop) -> tuple[language.LanguageModel, dict[str, Any]] | None:
    if _adaptation(settings, shop) is not None:
        adapted = language.Adapted.load(shop.folder / "language")
        return adapted.model, {"adapted": True, "reason": adapted.reason}
    choice = language.choose(language.item_texts(shop.tables.items), settings.language.model)
    if choice.language == SCRATCH:
        log.warning("Items are known by their ids alone: %s. `flashlift adapt` trains a model of them.", choice.reason)
        return None
    if choice.language == NONE:
        log.warning("Items are known by their ids alone: %s.", choice.reason)
        return None
    return language.LanguageModel.load(choice.language), {"adapted": False, "reason": choice.reason}


def _adaptation(settings: Settings, shop: Shop) -> str | None:
    """Digest of the adaptation that is to be used; None for none.

    One made before newer data came is used; one of another model, or one that has read what is now to be judged on, is
    not.
    """
    done, head = shop.evidence(STAGE), artifacts.read_manifest(shop.folder / STAGE)
    if not settings.language.adapt or done is None or head is None or head["inputs"] != done.inputs:
        return None
    facts = done.frames["facts"].row(0, named=True)
    if facts["train_end"] > shop.split.train_end:
        log.warning("The adapted language model has read days of the validation window: adapt it again to use it.")
        return None
    return done.inputs if facts["named"] == artifacts.digest(*_model_files(settings.language.model)) else None


def _model_files(model: str) -> tuple[object, ...]:
    """The model by its name and, where it is a folder, by what lies in it."""
    folder = Path(model)
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    return model, artifacts.digest(*files)
