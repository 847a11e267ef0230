"""A shop's work folder: its tables, its time split, and the stages done, each with a digest of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel

from flashlift import artifacts, events
from flashlift.domain import Split
from flashlift.errors import ArtifactError, InsufficientDataError
from flashlift.schema import Tables
from flashlift.settings import Settings

__all__ = ["Shop", "evidence_of", "for_sale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """An ingested shop.

    Args:
        folder: the work folder.
        tables: its tables.
        split: train, validation and test by time.
        data_hash: digest of the ingested files.
    """

    folder: Path
    tables: Tables
    split: Split
    data_hash: str

    @classmethod
    def open(cls, settings: Settings) -> Shop:
        """Open what `ingest` left.

        Raises:
            ArtifactError: nothing was ingested yet.
            InsufficientDataError: the log is too short for the split.
        """
        store = settings.shop.work / "shop"
        if not (store / "manifest.json").is_file():
            raise ArtifactError(f"There are no tables in {store}. Run `flashlift ingest` first.")
        tables = events.open_store(store)
        split = events.time_split(
            tables.events, valid_days=settings.split.valid_days, test_days=settings.split.test_days
        )
        return cls(
            folder=settings.shop.work,
            tables=tables,
            split=split,
            data_hash=artifacts.digest(store / "manifest.json"),
        )

    def stage(self, name: str, work: Callable[[str], dict[str, pl.DataFrame]], *settings: object) -> artifacts.Artifact:
        """Do a stage, or read its evidence back if all it depends on is unchanged and its model is there.

        Args:
            name: of the stage, and of the folder that holds its model.
            work: does it and returns its tables; it is given the digest of the inputs. InsufficientDataError
                makes the stage a skipped one, with the reason in the manifest.
            settings: what the stage depends on beside the data and the version.
        """
        inputs = self.digest(name, *settings)
        place = self.folder / "evidence" / name
        if _inputs(place) == inputs:
            kept = artifacts.load(place, "evidence")
            if kept.manifest["skipped"] or _inputs(self.folder / name) == inputs:
                return kept
        manifest: dict[str, Any] = {"skipped": None}
        frames: dict[str, pl.DataFrame] = {}
        try:
            frames = work(inputs)
        except InsufficientDataError as error:
            manifest = {"skipped": str(error)}
        done = artifacts.Artifact(kind="evidence", manifest=manifest, inputs=inputs, frames=frames)
        artifacts.save(done, place)
        return done

    def digest(self, name: str, *settings: object) -> str:
        """Digest of the inputs of a stage: the data, the version, and the settings that it depends on."""
        parts = [s.model_dump(mode="json") if isinstance(s, BaseModel) else s for s in settings]
        return artifacts.digest(name, self.data_hash, version("flashlift"), *parts)

    def evidence(self, name: str) -> artifacts.Artifact | None:
        """What a stage left, or None if it has not run."""
        return evidence_of(self.folder, name)

    def need(self, name: str) -> str:
        """Digest of a stage that must have been done.

        Raises:
            ArtifactError: it has not run.
            InsufficientDataError: it was skipped; the message says why.
        """
        done = self.evidence(name)
        if done is None:
            raise ArtifactError(f"There is no {name} model in {self.folder}. Run `flashlift train` first.")
        if done.manifest["skipped"]:
            raise InsufficientDataError(done.manifest["skipped"])
        return done.inputs


def for_sale(settings: Settings, shop: Shop) -> pl.DataFrame:
    """Table SaleItems at the end of the log: every item with a known price."""
    assumed = events.ItemAssumptions(
        assumed_cost_frac=settings.assumptions.unit_cost_frac, assumed_cover_days=settings.assumptions.cover_days
    )
    return events.sale_items(shop.tables, at=shop.split.test_end, assumptions=assumed)


def evidence_of(work: Path, name: str) -> artifacts.Artifact | None:
    """What a stage left in a work folder, or None if it has not run."""
    place = work / "evidence" / name
    return artifacts.load(place, "evidence") if _inputs(place) else None


def _inputs(folder: Path) -> str:
    head = artifacts.read_manifest(folder)
    return "" if head is None else str(head.get("inputs", ""))
