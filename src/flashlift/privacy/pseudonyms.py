"""Keyed pseudonyms: the same customer is always the same 16 characters, and nobody without the key can say who.

An identifier is first brought to its canonical form, so that one customer read from a float column (17850.0), an
integer column (17850) and a text column ("17850", " 17850.0 ") stays one customer. The pseudonym is the first 80
bits of BLAKE2b keyed with the secret (RFC 7693), in lower-case base32. Among n customers two share a pseudonym with
probability below n^2 / 2^81: 4e-9 for a hundred million.
"""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from flashlift.privacy.key import Key

__all__ = ["canonical_id", "pseudonymize"]

_EXACT_FLOATS = float(2**53)
_ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype=np.uint8)


def canonical_id(values: pl.Series) -> pl.Series:
    """Text form of identifiers, the same whatever type they were read as.

    Surrounding white space goes, a whole number loses its `.0`, empty text and NaN become null; leading zeros stay,
    because `007` and `7` may be two customers. Identifiers above 2^53 must not be read as floats: they are no longer
    exact there.

    Args:
        values: identifiers of any type that has a text form.

    Returns:
        Strings of the same length and name.

    Example:
        >>> canonical_id(pl.Series([17850.0, None])).to_list(), canonical_id(pl.Series([" 17850.0", ""])).to_list()
        (['17850', None], ['17850', None])
    """
    name = values.name
    if values.dtype.is_float():
        whole = values.is_finite() & (values == values.floor()) & (values.abs() < _EXACT_FLOATS)
        frame = pl.DataFrame({"v": values, "whole": whole})
        text = pl.when("whole").then(pl.col("v").cast(pl.Int64, strict=False).cast(pl.String))
        finite = pl.when(pl.col("v").is_finite()).then(pl.col("v").cast(pl.String))
        return frame.select(text.otherwise(finite).alias(name)).to_series()
    if values.dtype.is_integer():
        return values.cast(pl.String)
    text_form = values.cast(pl.String).str.strip_chars()
    if text_form.str.contains(".0", literal=True).any():
        text_form = text_form.str.replace(r"^(-?\d+)\.0+$", "${1}")
    return (
        pl.DataFrame({name: text_form}).select(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name)).to_series()
    )


def pseudonymize(values: pl.Series, key: Key) -> pl.Series:
    """Pseudonyms of identifiers: 16 characters of a-z and 2-7 each; null stays null.

    Only unique values are hashed (a million takes a few seconds). In an expression:
    `expr.map_batches(lambda s: pseudonymize(s, key), return_dtype=pl.String)`.

    Args:
        values: identifiers of any type; see `canonical_id`.
        key: the shop's secret.

    Returns:
        Strings of the same length and name.
    """
    ids = canonical_id(values)
    unique = ids.unique().drop_nulls()
    keyed = hashlib.blake2b(key=key.secret, digest_size=10, person=b"flashlift-person")
    hashes = []
    for text in unique:
        one = keyed.copy()
        one.update(text.encode())
        hashes.append(one.digest())
    names = _base32(b"".join(hashes), len(hashes))
    return ids.replace_strict(unique, names, default=None, return_dtype=pl.String)


def _base32(data: bytes, n: int) -> pl.Series:
    """Lower-case base32 (RFC 4648) of `n` values of 80 bits, as one array."""
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8).reshape(n, 10), axis=1).reshape(n, 16, 5)
    letters = _ALPHABET[bits @ np.array([16, 8, 4, 2, 1], dtype=np.uint8)]
    return pl.Series(letters.view("S16").ravel().tolist(), dtype=pl.Binary).cast(pl.String)
