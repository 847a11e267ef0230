"""Save and load what a stage made: arrays as safetensors, tables as Parquet, the rest as one JSON manifest.

An artifact is a folder. It is written beside its place and moved there when complete, so a reader sees
all of it or none; the folder and its files are readable by their owner only, because they may hold
personal data. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from flashlift.errors import ArtifactError, OutputError

__all__ = ["FORMAT", "Artifact", "append_line", "digest", "load", "read_manifest", "save", "write_bytes", "write_text"]

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What one stage saved.

    Args:
        kind: which stage made it; `load` refuses another kind.
        layout: version of what is in it; `load` refuses another one, because names may mean something else now.
        manifest: JSON-like settings, metrics and facts.
        inputs: digest of everything the result depends on; equal digests mean nothing to redo.
        arrays: name -> array.
        frames: name -> table.
    """

    kind: str
    layout: int = 1
    manifest: Mapping[str, Any] = field(default_factory=dict)
    inputs: str = ""
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def digest(*parts: object) -> str:
    """Hex digest (128 bits) of JSON-like parts; files enter by the digest of their bytes (pass a Path)."""
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as handle:
                total.update(hashlib.file_digest(handle, "blake2b").digest())
        else:
            total.update(json.dumps(part, sort_keys=True, default=str).encode())
        total.update(b"\0")
    return total.hexdigest()


def save(artifact: Artifact, folder: Path) -> None:
    """Write `artifact` as `folder`, replacing what stood there.

    Raises:
        OutputError: the place cannot be written; what stood there before is untouched.
    """
    staging: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
        if artifact.arrays:
            save_file({k: np.ascontiguousarray(v) for k, v in artifact.arrays.items()}, staging / "arrays.safetensors")
        for name, frame in artifact.frames.items():
            frame.write_parquet(staging / f"{name}.parquet")
        head = {
            "format": FORMAT,
            "kind": artifact.kind,
            "layout": artifact.layout,
            "flashlift": version("flashlift"),
            "inputs": artifact.inputs,
            "frames": sorted(artifact.frames),
            "files": {path.name: digest(path) for path in sorted(staging.iterdir())},
            "manifest": dict(artifact.manifest),
        }
        (staging / "manifest.json").write_text(json.dumps(head, indent=2, sort_keys=True, default=str) + "\n")
        for path in staging.iterdir():
            path.chmod(0o600)
        old = folder.with_name(f".{folder.name}-old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        staging.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"Cannot write {folder}: {error.strerror}. Choose a folder you may write to.") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Head of the artifact (`kind`, `inputs`, `manifest` ...), or None where there is none."""
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        head = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}). Delete {folder} and run its stage again.") from error
    if not isinstance(head, dict):
        raise ArtifactError(f"{path} is not a manifest. Delete {folder} and run its stage again.")
    return head


def load(folder: Path, kind: str, layout: int = 1) -> Artifact:
    """Read the artifact back.

    Raises:
        ArtifactError: missing, damaged, changed since it was written, of another kind, format or layout.
    """
    head = read_manifest(folder)
    if head is None:
        raise ArtifactError(f"There is no {kind} in {folder}. Run the stage that makes it first.")
    if head.get("kind") != kind or head.get("format") != FORMAT:
        raise ArtifactError(
            f"{folder} holds {head.get('kind')!r} of format {head.get('format')}, not {kind!r} of format {FORMAT}. "
            "Delete it and run its stage again."
        )
    if head.get("layout", 1) != layout:
        raise ArtifactError(
            f"{folder} was made by another version of flashlift ({kind} of layout {head.get('layout', 1)}, this one "
            f"reads {layout}). Run its stage again: `flashlift train` for a model."
        )
    try:
        changed = [name for name, told in head["files"].items() if digest(folder / name) != told]
        if changed:
            raise ArtifactError(
                f"{folder / changed[0]} is damaged or was changed since. Delete {folder} and run its stage again."
            )
        tensors = folder / "arrays.safetensors"
        arrays = load_file(tensors) if tensors.exists() else {}
        frames = {name: pl.read_parquet(folder / f"{name}.parquet") for name in head["frames"]}
        return Artifact(
            kind=kind, layout=layout, manifest=head["manifest"], inputs=head["inputs"], arrays=arrays, frames=frames
        )
    except (OSError, KeyError, SafetensorError, pl.exceptions.PolarsError) as error:
        raise ArtifactError(f"{folder} is damaged ({error}). Delete it and run its stage again.") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only.

    Raises:
        OutputError: the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as handle:
            handle.write(content)
        Path(handle.name).replace(path)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror}. Choose a folder you may write to.") from error


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file that is never rewritten, readable by its owner only; on disk when this returns.

    The line goes out in a single write at the end of the file, so that writers at the same time do not mix.

    Raises:
        OutputError: the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{line}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror}. Choose a folder you may write to.") from error
