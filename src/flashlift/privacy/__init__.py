"""Privacy: customers become keyed pseudonyms in the line that reads them, and the key never stands beside the data."""

from __future__ import annotations

from flashlift.privacy.key import Key, load_or_create_key
from flashlift.privacy.pseudonyms import canonical_id, pseudonymize

__all__ = ["Key", "canonical_id", "load_or_create_key", "pseudonymize"]
