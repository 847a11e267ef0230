"""The trained behavior model, asked about customers: whether, when and what each one buys next."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import polars as pl

from flashlift import behavior, events, privacy
from flashlift.errors import ArtifactError, InputError, OutputError
from flashlift.pipeline.language import text_vectors
from flashlift.pipeline.shop import Shop
from flashlift.pipeline.spreadsheet import write_table
from flashlift.protocols import Progress, silent
from flashlift.schema import Events, Items
from flashlift.settings import Settings

__all__ = ["Asked", "Predicted", "predict"]

log = logging.getLogger(__name__)

HORIZONS_HOURS = (24.0, 72.0, 168.0)
LONGEST_HOURS = 720.0
FILES = (".parquet", ".csv")
BATCH = 20_000  # customers
KEY = Events.customer_id.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of the model.

    Args:
        at: the moment; None: the end of the log.
        customers: the shop's own ids, or pseudonyms; None: all customers of the log.
        horizons_hours: of P(an order begins within h), each in (0, 720].
        top: items listed per customer.
        out: a .parquet or .csv file for the answer; None: none is written.

    Raises:
        InputError: a horizon is out of range, there is none, or one twice; no customers; `top` is negative.
        OutputError: another kind of file.
    """

    at: datetime | None = None
    customers: Sequence[str] | None = None
    horizons_hours: Sequence[float] = HORIZONS_HOURS
    top: int = 10
    out: Path | None = None

    def __post_init__(self) -> None:
        wrong = [hours for hours in self.horizons_hours if not 0 < hours <= LONGEST_HOURS]
        if wrong or not self.horizons_hours or len(set(self.horizons_hours)) < len(self.horizons_hours):
            told = ", ".join(f"{hours:g}" for hours in self.horizons_hours) or "none"
            raise InputError(
                f"Horizons must be distinct hours above 0 and up to {LONGEST_HOURS:g} (30 days), not {told}. "
                "Give others, such as 24,72,168."
            )
        if self.out is not None and self.out.suffix.lower() not in FILES:
            raise OutputError(f"Cannot write {self.out}: its kind is unknown. Name a {' or a '.join(FILES)} file.")
        if self.customers is not None and not self.customers:
            raise InputError("No customer is asked about. Give ids, or leave them out to ask about all customers.")
        if self.top < 0:
            raise InputError(f"{self.top} items cannot be listed. Give 0 or more.")

    @classmethod
    def of(cls, *, at: str, customers: str, horizons: str, top: int, out: Path | None) -> Self:
        """From words: an ISO time (UTC where it names no zone), ids or a file of them, hours; empty: the default.

        Raises:
            InputError: something cannot be understood.
        """
        return cls(
            at=_moment(at) if at else None,
            customers=_ids(customers) if customers else None,
            horizons_hours=_hours(horizons),
            top=top,
            out=out,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """The answer.

    Args:
        at: the moment it holds for.
        table: as `BehaviorModel.predict` gives it; customers by the ids that were asked with.
        strangers: customers asked about of whom the log knows nothing before `at`.
    """

    at: datetime
    table: pl.DataFrame
    strangers: int


def predict(settings: Settings, asked: Asked, progress: Progress = silent) -> Predicted:
    """Ask the behavior model of the last training; nothing at or after the moment is read.

    Raises:
        ArtifactError: the model was never trained.
        InsufficientDataError: its training was skipped; the message says why.
        InputError: the moment lies before the log begins.
        OutputError: the file cannot be written.
    """
    shop = Shop.open(settings)
    shop.need("behavior")
    at = asked.at or shop.split.test_end
    past = events.before(shop.tables.events, at)
    _check_moment(at, shop)
    known = past.select(KEY).drop_nulls().unique().collect()[KEY].sort()
    if known.is_empty() and asked.customers is None:
        raise InputError(f"No customer has an event before {at:%Y-%m-%d %H:%M}. Give a later moment, or customers.")
    given, names = (known, known) if asked.customers is None else _named(settings, asked.customers, known)
    model = _with_new_items(behavior.BehaviorModel.load(shop.folder / "behavior"), settings, shop, progress)
    recent = Events.at.col >= at - timedelta(days=10 * model.config.trend_days)  # what popularity is read from
    parts = []
    for batch in _batches(names):
        mine = past.filter(recent | Events.customer_id.col.is_in(batch)).collect()
        parts.append(model.predict(mine, batch, at, asked.horizons_hours, top=asked.top))
        progress("predict", sum(part.height for part in parts), len(names))
    table = pl.concat(parts).with_columns(given.alias(KEY))
    if asked.out is not None:
        _write(table, asked.out)
    return Predicted(at=at, table=table, strangers=len(names) - int(names.is_in(known.implode()).sum()))


def _moment(words: str) -> datetime:
    try:
        moment = datetime.fromisoformat(words)
    except ValueError as error:
        raise InputError(f"{words!r} is no time. Give one such as 2024-05-01 or 2024-05-01T18:00.") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _hours(words: str) -> list[float]:
    try:
        return [float(part) for part in words.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(
            f"The horizons {words!r} are no hours. Give numbers with commas, such as 24,72,168."
        ) from error


def _ids(words: str) -> list[str]:
    """Ids with commas between, or those in a file: lines of text, or the column customer_id (or the only one)."""
    file = Path(words)
    kind = file.suffix.lower()
    if kind not in {".txt", ".csv", ".parquet"}:
        return [part.strip() for part in words.split(",") if part.strip()]
    try:
        if kind == ".txt":
            return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        frame = pl.read_parquet(file) if kind == ".parquet" else pl.read_csv(file, infer_schema=False)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise InputError(f"The customers in {file} cannot be read ({error}). Give a readable file of ids.") from error
    if KEY not in frame.columns and frame.width != 1:
        raise InputError(f"{file} has no column {KEY}, only {', '.join(frame.columns)}. Name the column of the ids so.")
    column = frame[KEY] if KEY in frame.columns else frame.to_series()
    return privacy.canonical_id(column).drop_nulls().to_list()


def _check_moment(at: datetime, shop: Shop) -> None:
    first = shop.tables.events.select(Events.at.col.min()).collect().item()
    if at <= first:
        raise InputError(
            f"The moment {at:%Y-%m-%d %H:%M} lies before the log begins ({first:%Y-%m-%d %H:%M} UTC). Give a later one."
        )
    if at > shop.split.test_end + timedelta(hours=LONGEST_HOURS):
        raise InputError(
            f"The moment {at:%Y-%m-%d} lies more than 30 days after the log ends ({shop.split.test_end:%Y-%m-%d}), and "
            "silence would be taken for behavior. Ingest newer events, or give an earlier moment."
        )
    if at < shop.split.valid_end:
        log.warning(
            "The model was trained and calibrated on days after %s: it knows more than could be known then.", at
        )


def _named(settings: Settings, asked: Sequence[str], known: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Ids as they were given, and the pseudonyms that they stand for; what is a pseudonym of the log already stays."""
    given = privacy.canonical_id(pl.Series(KEY, asked, dtype=pl.String)).drop_nulls().unique(maintain_order=True)
    if not settings.key_file.exists():
        raise ArtifactError(
            f"The key of the pseudonyms {settings.key_file} is missing. Restore it, or ask about all customers."
        )
    key = privacy.load_or_create_key(settings.key_file, forbidden=settings.shop.work)
    names = pl.DataFrame({"given": given, "name": privacy.pseudonymize(given, key)}).select(
        pl.when(pl.col("given").is_in(known.implode())).then("given").otherwise("name")
    )
    return given, names.to_series()


def _with_new_items(
    model: behavior.BehaviorModel, settings: Settings, shop: Shop, progress: Progress
) -> behavior.BehaviorModel:
    """The model, knowing by their texts the items that came after its training."""
    new = shop.tables.items.join(model.vocabulary.items, on=Items.item_id.name, how="anti")
    if model.content is None or new.is_empty():
        return model
    texts = text_vectors(settings, shop, progress)
    if texts is None or texts.facts["digest"] != model.facts.get("language", {}).get("digest"):
        log.warning("%d items are new since the training, which read another language model: train again.", new.height)
        return model
    fresh = pl.Series(texts.ids).is_in(new[Items.item_id.name].implode()).to_numpy()
    return model.with_items(
        [name for name, is_new in zip(texts.ids, fresh, strict=True) if is_new], texts.vectors[fresh]
    )


def _batches(names: pl.Series) -> Iterator[list[str]]:
    for start in range(0, len(names), BATCH):
        yield names.slice(start, BATCH).to_list()


def _write(table: pl.DataFrame, path: Path) -> None:
    """Parquet with lists, or CSV with a column for each listed item."""
    if path.suffix.lower() != ".parquet":
        n = int(table.select(pl.col("top_items").list.len().max()).item() or 0)
        items = [pl.col("top_items").list.get(k, null_on_oob=True).alias(f"item_{k + 1}") for k in range(n)]
        table = table.with_columns(items).drop("top_items")
    write_table(table, path)
