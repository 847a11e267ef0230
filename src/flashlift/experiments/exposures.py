"""What was shown to whom, with which probability: a log that is only added to, and that can be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import dataframely as dy
import polars as pl

from flashlift.artifacts import write_bytes
from flashlift.errors import InputError
from flashlift.protocols import Assigner
from flashlift.schema import Exposures

__all__ = ["ExposureLog", "Recomputed", "recompute"]

_IDENTITY = ("customer_id", "item_id", "slot", "at", "experiment", "variant", "position")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureLog:
    """A folder of Parquet files, one per batch, each there as a whole or not at all.

    A batch is named by its content, so appending it again after a crash changes nothing. Rows that lack an
    `exposure_id` get one from what was shown, to whom and when.
    """

    folder: Path

    def append(self, rows: pl.DataFrame) -> Path:
        """Add a batch; columns of schema Exposures that are absent are null.

        Raises:
            InputError: a column that the schema does not have, a row that breaks it, or an exposure of an experiment
                without its variant and propensity.
            OutputError: the folder cannot be written.
        """
        batch = _checked(rows)
        content = BytesIO()
        batch.write_parquet(content)
        names = blake2b(digest_size=16)
        for name in batch[Exposures.exposure_id.name].sort():
            names.update(f"{name}\n".encode())
        path = self.folder / f"{names.hexdigest()}.parquet"
        write_bytes(path, content.getvalue())
        return path

    def read(self) -> pl.LazyFrame:
        """All exposures, each once, in order of time."""
        files = sorted(self.folder.glob("*.parquet"))
        if not files:
            return Exposures.create_empty().lazy()
        return pl.scan_parquet(files).unique(Exposures.exposure_id.name).sort("at", Exposures.exposure_id.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """Whether the log holds what the assignment rule gives.

    Args:
        checked: customers of each experiment that were computed again.
        changed: customer_id, experiment, variant (logged), computed; one row per customer and logged variant that
            differs.
        unknown: experiments of the log that nobody gave a rule for.
    """

    checked: Mapping[str, int]
    changed: pl.DataFrame
    unknown: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether every customer was shown the variant that the rule gives."""
        return self.changed.is_empty() and not self.unknown

    def __str__(self) -> str:
        told = [f"{name}: {n:,} customers computed again" for name, n in self.checked.items()]
        if self.changed.height:
            told.append(
                f"{self.changed['customer_id'].n_unique():,} customers were shown another variant than their own. Key, "
                "name or weights changed in mid-test, or something else chose: leave the test out of decisions"
            )
        told += [f"nobody gave a rule for {name!r}" for name in self.unknown]
        return "; ".join(told) + "."


def recompute(log: pl.DataFrame | pl.LazyFrame, assigners: Mapping[str, Assigner]) -> Recomputed:
    """Assign every customer of the log again and compare.

    Args:
        log: customer_id, experiment, variant: schema Exposures, or any table that has these.
        assigners: experiment -> the rule that it ran with.
    """
    shown = log.lazy().select("customer_id", "experiment", "variant").drop_nulls("experiment").unique().collect()
    parts = shown.sort("experiment", "customer_id").partition_by("experiment", as_dict=True)
    checked, changed = {}, []
    for (name,), part in parts.items():
        if (assigner := assigners.get(str(name))) is None:
            continue
        people = part["customer_id"].unique(maintain_order=True)
        own = pl.DataFrame({"customer_id": people, "computed": assigner.assign(people.to_list())})
        checked[str(name)] = len(people)
        changed.append(part.join(own, on="customer_id").filter(pl.col("variant").ne_missing(pl.col("computed"))))
    empty = dict.fromkeys(("customer_id", "experiment", "variant", "computed"), pl.String)
    return Recomputed(
        checked=checked,
        changed=pl.concat(changed) if changed else pl.DataFrame(schema=empty),
        unknown=tuple(str(name) for (name,) in parts if str(name) not in assigners),
    )


def _checked(rows: pl.DataFrame) -> pl.DataFrame:
    known = Exposures.create_empty()
    if strange := [name for name in rows.columns if name not in known.columns]:
        raise InputError(f"Exposures have no column {strange[0]!r}. Their columns are {', '.join(known.columns)}.")
    missing = [pl.lit(None, dtype=known.schema[name]).alias(name) for name in known.columns if name not in rows.columns]
    whole = rows.with_columns(missing)
    key = Exposures.exposure_id.name
    whole = whole.with_columns(pl.col(key).fill_null(_identity(whole)))
    part = pl.col("experiment").is_not_null() & (pl.col("variant").is_null() | pl.col("propensity").is_null())
    if bare := whole.filter(part).height:
        raise InputError(f"{bare} exposures of an experiment lack their variant or propensity. Log both.")
    try:
        return Exposures.validate(whole.select(known.columns), cast=True)
    except (dy.exc.ValidationError, dy.exc.SchemaError, pl.exceptions.PolarsError) as error:
        what = " ".join(str(error).split())[:200]
        raise InputError(f"Exposures break their schema: {what}. Correct these rows.") from error


def _identity(rows: pl.DataFrame) -> pl.Series:
    """What was shown, to whom and when, as one name of 128 bits."""
    told = rows.select(pl.concat_str(pl.col(_IDENTITY).cast(pl.String).fill_null(""), separator="\n")).to_series()
    return pl.Series([blake2b(one.encode(), digest_size=16).hexdigest() for one in told], dtype=pl.String)
