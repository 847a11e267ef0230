"""Other libraries are beside ours where they are installed, and named where they are not."""

from __future__ import annotations

from benchmarks.uplift.__main__ import OURS, REFERENCE
from benchmarks.uplift.peers import peers


def test_every_library_is_found_or_named() -> None:
    found, missing = peers()
    for library in ("causalml", "econml", "scikit-uplift"):
        assert library in missing or any(name.startswith(library) for name in found)
    assert REFERENCE in OURS
