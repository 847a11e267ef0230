"""Customers into the arms of an experiment, the same for ever, from the shop's own ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from flashlift import experiments, privacy
from flashlift.errors import InputError
from flashlift.pipeline.table_file import read_table
from flashlift.schema import Events
from flashlift.settings import Settings

__all__ = ["assign", "assigner"]

KEY = Events.customer_id.name


def assigner(
    settings: Settings, *, experiment: str | None = None, weights: Mapping[str, float] | None = None
) -> experiments.HashAssigner:
    """What puts pseudonyms into variants.

    Args:
        settings: of the shop: its key, and the experiment where none is named here.
        experiment: name; another name splits the same customers anew.
        weights: variant -> share; default: control and treatment as in the settings.

    Raises:
        SettingsError: a name or shares that cannot be.
    """
    share = settings.experiment.treatment_frac
    return experiments.HashAssigner(
        experiment=settings.experiment.name if experiment is None else experiment,
        key=privacy.load_or_create_key(settings.key_file, forbidden=settings.shop.work).secret,
        weights={"control": 1.0 - share, "treatment": share} if weights is None else weights,
    )


def assign(
    settings: Settings, file: Path, *, experiment: str | None = None, weights: Mapping[str, float] | None = None
) -> pl.DataFrame:
    """Variant of each customer in a CSV or Parquet file.

    Ids are made pseudonyms first, so that the shop's log, which holds only these, is split alike.

    Args:
        settings: of the shop.
        file: a column customer_id with the shop's own ids, or one column alone.
        experiment: as in `assigner`.
        weights: as in `assigner`.

    Returns:
        `customer_id` as given, `variant`, `propensity`; each customer once, in the order of the file.

    Raises:
        InputError: the file is no table, has no such column, or names nobody.
    """
    frame = read_table(file)
    if KEY not in frame.columns and frame.width != 1:
        raise InputError(f"{file} has no column {KEY}, only {', '.join(frame.columns)}. Name the column of the ids so.")
    column = frame[KEY] if KEY in frame.columns else frame.to_series()
    given = privacy.canonical_id(column).drop_nulls().unique(maintain_order=True)
    if given.is_empty():
        raise InputError(f"{file} names no customer. Give their ids in a column {KEY}.")
    made = assigner(settings, experiment=experiment, weights=weights)
    key = privacy.load_or_create_key(settings.key_file, forbidden=settings.shop.work)
    variants = made.assign(privacy.pseudonymize(given, key).to_list())
    share = {name: made.propensity(name) for name in dict.fromkeys(variants)}
    return pl.DataFrame(
        {KEY: given, "variant": variants, "propensity": [share[name] for name in variants]},
        schema_overrides={"propensity": pl.Float64},
    )
