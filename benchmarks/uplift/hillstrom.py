"""The e-mail test of K. Hillstrom (2008): customers drawn into men's mail, women's mail and no mail."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flashlift.experiments import Encoder, Trial, randomized_trial

FEATURES = ("recency", "history_segment", "history", "mens", "womens", "zip_code", "newbie", "channel")
MAILS = {"women's mail": "Womens E-Mail", "men's mail": "Mens E-Mail"}


def trial(file: Path, mail: str, outcome: str) -> Trial:
    """One mail against none."""
    table = pl.read_parquet(file).rename({"segment": "variant"})
    features = Encoder.of(table, FEATURES).matrix(table).toarray()
    return randomized_trial(table, features, treatment=MAILS[mail], control="No E-Mail", metric=outcome)
