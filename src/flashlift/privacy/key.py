"""The secret that turns customer identifiers into pseudonyms, and the file that keeps it.

Whoever loses the key can no longer recognize a returning customer; whoever leaks it lets others test guesses
of identifiers against the data. So the file is readable by its owner only, and never lies beside the data.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flashlift.errors import ArtifactError, OutputError, SettingsError

__all__ = ["Key", "load_or_create_key"]

KEY_BYTES = 32
_HEAD = "flashlift-key-1"


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A secret of 32 random bytes. Its text form shows nothing of it."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"A key has {KEY_BYTES} bytes, not {len(self.secret)}.")

    def __repr__(self) -> str:
        return "Key(hidden)"

    @classmethod
    def generate(cls) -> Key:
        """A new key from the operating system's source of randomness."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @property
    def fingerprint(self) -> str:
        """16 hex characters that tell two keys apart and say nothing about either (a one-way keyed hash)."""
        return hashlib.blake2b(b"fingerprint", key=self.secret, digest_size=8, person=b"flashlift-print").hexdigest()


def load_or_create_key(path: Path, *, forbidden: Path | Sequence[Path] = ()) -> Key:
    """Read the key file, or make one (mode 0600) where there is none.

    Args:
        path: the key file.
        forbidden: folders that hold data; the key may not lie in one of them, nor below it.

    Raises:
        SettingsError: the file lies beside the data, or others than its owner may read it.
        ArtifactError: the file is damaged.
        OutputError: the file cannot be read or created.
    """
    for folder in [forbidden] if isinstance(forbidden, Path) else forbidden:
        if path.resolve().is_relative_to(folder.resolve()):
            raise SettingsError(
                f"The key file {path} lies inside the data folder {folder}. "
                "Move it elsewhere: whoever gets the data must not get the key with it."
            )
    try:
        if not path.exists():
            _create(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SettingsError(f"The key file {path} may be read by others (mode {mode:04o}). Run: chmod 600 {path}")
        return _parse(path.read_bytes(), path)
    except OSError as error:
        raise OutputError(
            f"The key file {path} cannot be read or created: {error.strerror}. Choose a place you may write to."
        ) from error


def _create(path: Path) -> None:
    """Write a new key beside its place and link it there; a file that appeared meanwhile wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    secret = secrets.token_bytes(KEY_BYTES)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"{_HEAD}:{secret.hex()}:{_checksum(secret)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _parse(content: bytes, path: Path) -> Key:
    try:
        head, text, checksum = content.decode("ascii").strip().split(":")
        secret = bytes.fromhex(text)
    except ValueError:
        head, secret, checksum = "", b"", ""
    if head != _HEAD or len(secret) != KEY_BYTES or checksum != _checksum(secret):
        raise ArtifactError(
            f"The key file {path} is damaged. Restore it from a backup; "
            "if there is none, delete it together with the stores written with it."
        )
    return Key(secret)


def _checksum(secret: bytes) -> str:
    return hashlib.blake2b(secret, digest_size=4, person=b"flashlift-check").hexdigest()
