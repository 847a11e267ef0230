"""Item vectors, encoded once: a vector is kept under the digest of its text and of the model that made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from flashlift import artifacts
from flashlift.behavior.language.encoder import LanguageModel, Vectors
from flashlift.behavior.language.texts import item_texts
from flashlift.errors import ArtifactError
from flashlift.protocols import Progress, silent
from flashlift.schema import Items

__all__ = ["item_vectors"]

KIND = "language_vectors"


def item_vectors(
    items: pl.DataFrame, language: LanguageModel, cache_folder: Path | None = None, *, progress: Progress = silent
) -> tuple[list[str], Vectors]:
    """Vector of each item's text, in the order of `items`; a zero row for an item whose text cannot be read.

    Args:
        items: schema Items.
        language: the model, adapted or not.
        cache_folder: keeps one artifact per model and precision; a later call encodes only texts not in it. None: no
            cache.
        progress: told while texts are encoded.

    Returns:
        Item ids and float32 vectors of length 1 or 0, (n, d).

    Raises:
        OutputError: the cache cannot be written.
    """
    ids, texts = items[Items.item_id.name].to_list(), item_texts(items)
    folder = (
        cache_folder / f"{language.digest[:16]}-{str(language.precision).removeprefix('torch.')}"
        if cache_folder
        else None
    )
    kept_keys, kept = _read(folder, language)
    keys = [artifacts.digest(text) for text in texts]
    place = {key: row for row, key in enumerate(kept_keys)}
    fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in place}
    if fresh:
        encoded = language.encode(list(fresh.values()), task="encode items", progress=progress).vectors
        place |= {key: len(kept_keys) + row for row, key in enumerate(fresh)}
        kept = np.concatenate([kept, encoded])
        if folder is not None:
            artifacts.save(
                artifacts.Artifact(
                    kind=KIND,
                    manifest={"model": language.name, "digest": language.digest},
                    arrays={"vectors": kept},
                    frames={"keys": pl.DataFrame({"key": list(place)})},
                ),
                folder,
            )
    return ids, kept[[place[key] for key in keys]]


def _read(folder: Path | None, language: LanguageModel) -> tuple[list[str], Vectors]:
    """Keys and vectors kept for this model; none where there are none or the cache is damaged."""
    nothing: tuple[list[str], Vectors] = ([], np.zeros((0, language.width), np.float32))
    if folder is None or not folder.is_dir():
        return nothing
    try:
        read = artifacts.load(folder, KIND)
    except ArtifactError:
        return nothing  # a cache can always be made again
    return read.frames["keys"]["key"].to_list(), read.arrays["vectors"]
