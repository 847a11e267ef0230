"""A stable identity for rows that bring none: the same content is the same event, whichever file it comes in.

Each column of the canonical row becomes two 64-bit words (a number by its bits, a text by its bytes, eight at a time),
and all words of a row are mixed one after the other with the finalizer of SplitMix64 (Steele, Lea, Flood 2014), for
all rows at once. 96 bits of the result make the identifier: among n rows two different ones share it with probability
about n^2 / 2^97, 3e-15 for twenty million, 6e-12 for a billion. It is no cryptographic hash: it tells honest rows
apart, and hides nothing (customers are pseudonyms before). polars' own `hash` may change with its version, and BLAKE2b
row by row in Python would take most of the time of an ingestion.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

__all__ = ["IDENTITY", "row_ids"]

# Columns that make an event what it is. Texts about items are not among them: a corrected title is no new event.
IDENTITY = (
    "customer_id",
    "item_id",
    "event",
    "at",
    "price",
    "currency",
    "quantity",
    "order_id",
    "session_id",
    "exposure_id",
    "channel",
    "region",
    "store_id",
    "unread",  # the text of values that could not be read; empty where all could
)

_Words = npt.NDArray[np.uint64]
_ABSENT = (np.uint64(0x6A09E667F3BCC908), np.uint64(0xBB67AE8584CAA73B))
_SEEDS = (np.uint64(0x243F6A8885A308D3), np.uint64(0x13198A2E03707344))


def row_ids(rows: pl.DataFrame) -> pl.Series:
    """24 hex characters for each row, from the columns of `IDENTITY` that the frame has; a missing column is null.

    Example:
        >>> row_ids(pl.DataFrame({"item_id": ["a"], "quantity": [2.0]})).to_list()
        ['7219570b61638e644e7f79b9']
    """
    n = rows.height
    first, second = np.full(n, _SEEDS[0]), np.full(n, _SEEDS[1])
    for name in IDENTITY:
        a, b = _words(rows[name]) if name in rows.columns else _ABSENT
        first = _mix(first ^ a)
        second = _mix(second + b)
    both = np.empty((n, 12), dtype=np.uint8)
    both[:, :8] = _mix(first + second).astype(">u8").view(np.uint8).reshape(n, 8)
    both[:, 8:] = _mix(second ^ (first << np.uint64(1))).astype(">u8").view(np.uint8).reshape(n, 8)[:, :4]
    packed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(12), n, [None, pa.py_buffer(both.tobytes())])
    return pl.Series("event_id", pl.Series(packed.cast(pa.binary())).bin.encode("hex"))


def _words(values: pl.Series) -> tuple[_Words, _Words]:
    if values.dtype == pl.Null:
        return np.full(len(values), _ABSENT[0]), np.full(len(values), _ABSENT[1])
    if values.dtype == pl.String:
        return _text_words(values)
    numbers = values.to_physical()
    bits = (numbers + 0.0 if numbers.dtype.is_float() else numbers.cast(pl.Int64)).fill_null(0).to_numpy()
    word = np.ascontiguousarray(bits).view(np.uint64)
    absent = values.is_null().to_numpy()
    a, b = (_mix(word ^ seed) for seed in _SEEDS)
    return np.where(absent, _ABSENT[0], a), np.where(absent, _ABSENT[1], b)


def _text_words(values: pl.Series) -> tuple[_Words, _Words]:
    """Two words per text: its UTF-8 bytes, eight at a time, and its length, mixed one after the other."""
    raw = values.fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(raw, pa.ChunkedArray):
        raw = raw.combine_chunks()
    n = len(raw)
    offsets = np.frombuffer(raw.buffers()[1], dtype=np.int64)[raw.offset : raw.offset + n + 1]
    data = np.concatenate([np.frombuffer(raw.buffers()[2] or b"", dtype=np.uint8), np.zeros(8, dtype=np.uint8)])
    windows = np.lib.stride_tricks.sliding_window_view(data, 8)
    start, length = offsets[:-1], np.diff(offsets)
    a, b = np.full(n, _SEEDS[1]), np.full(n, _SEEDS[0])
    live = np.arange(n)
    for place in range(0, int(length.max(initial=0)), 8):
        live = live[length[live] > place]
        word = windows[start[live] + place].view("<u8").ravel()
        beyond = np.clip(8 - (length[live] - place), 0, 7).astype(np.uint64) * np.uint64(8)
        word = word << beyond
        a[live], b[live] = _mix(a[live] ^ word), _mix(b[live] + word)
    size = length.astype(np.uint64)
    absent = length == 0
    return np.where(absent, _ABSENT[0], _mix(a ^ size)), np.where(absent, _ABSENT[1], _mix(b + size))


def _mix(x: _Words) -> _Words:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), dtype=np.uint64)
