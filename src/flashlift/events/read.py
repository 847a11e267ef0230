"""Open a source and hand out its rows in batches of bounded size: files lazily, databases through a cursor."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flashlift.artifacts import digest
from flashlift.errors import InputError, SettingsError
from flashlift.events.source import FILE_SUFFIXES, Source

__all__ = ["BATCH_ROWS", "Feed", "Opened", "column_names", "feeds", "file_format", "files", "open_feed"]

BATCH_ROWS = 500_000
_SAMPLE_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One file, or one query, of a source.

    Args:
        name: what reports call it: the file's name, or the database's address without its password.
        source: the definition it belongs to.
        path: the file; None for a query.
        digest: of the file's bytes; None for a query, whose rows are known only when they are read.
    """

    name: str
    source: Source
    path: Path | None
    digest: str | None


def feeds(source: Source) -> list[Feed]:
    """The files of a source in order of their names, or its query.

    Raises:
        InputError: there is no such file, or it is empty.
        SettingsError: the definition is incomplete.
    """
    if source.format == "sql":
        if not source.url or not source.query:
            raise SettingsError('A source of format "sql" needs url and query.')
        return [Feed(name=_address(source), source=source, path=None, digest=None)]
    found = files(source)
    for path in found:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty. Remove it, or write it again with its header and rows.")
    return [Feed(name=path.name, source=source, path=path, digest=digest(path)) for path in found]


def files(source: Source) -> list[Path]:
    """Files that a path, folder or glob stands for, sorted.

    Raises:
        InputError: there are none.
        SettingsError: the source has no path.
    """
    if source.path is None:
        raise SettingsError(f'A source of format "{source.format}" needs a path: a file, a folder or a glob.')
    path = Path(source.path)
    if path.is_file():
        return [path]
    suffixes = FILE_SUFFIXES.get(source.format, sum(FILE_SUFFIXES.values(), ()))
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(suffixes))
        if not found:
            raise InputError(f"The folder {path} holds no file ending in {', '.join(suffixes)}. Check path and format.")
        return found
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
    found = sorted(p for p in anchor.glob(pattern) if p.is_file()) if any(c in pattern for c in "*?[") else []
    if not found:
        raise InputError(
            f"There is no file {path}. Check it; a relative path starts from the folder of the settings file."
        )
    return found


def file_format(path: Path) -> str:
    """The format that a file's name tells ("csv", "parquet", "ndjson").

    Raises:
        InputError: the suffix is not known.
    """
    for name, suffixes in FILE_SUFFIXES.items():
        if path.name.lower().endswith(suffixes):
            return name
    known = ", ".join(sum(FILE_SUFFIXES.values(), ()))
    raise InputError(f"The format of {path} cannot be told from its name. Rename it to end in one of {known}.")


def column_names(path: Path) -> list[str]:
    """Columns of a file, in order.

    Raises:
        InputError: the file is not of its format.
    """
    source = Source(format=file_format(path), path=path)
    return list(open_feed(Feed(name=path.name, source=source, path=path, digest=None)).schema)


def open_feed(feed: Feed) -> Opened:
    """Look at a feed's columns, and get ready to read its rows.

    Raises:
        InputError: the file is not of its format, or the database refuses.
    """
    if feed.path is None:
        rows = _query(feed)
        first = next(rows, None)
        if first is None:
            raise InputError(f"The query on {feed.name} returns no rows. Check its conditions.")
        return Opened(feed=feed, schema=first.schema, sampled=first.schema, rows=itertools.chain([first], rows))
    try:
        frame = _scan(feed)
        schema = frame.collect_schema()
        sampled = _scan(feed, typed=True).collect_schema() if feed.source.format == "csv" else schema
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(feed, error) from error
    return Opened(feed=feed, schema=schema, sampled=sampled, rows=frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A feed whose columns are known.

    Args:
        feed: what was opened.
        schema: columns with their types as read.
        sampled: the same with types guessed from the first rows, where a file holds only text.
        rows: a lazy frame, or the batches of a query.
    """

    feed: Feed
    schema: pl.Schema
    sampled: pl.Schema
    rows: pl.LazyFrame | Iterator[pl.DataFrame]

    def count(self) -> int | None:
        """Number of rows of a file; None for a query or prepared rows, which would have to be made twice.

        Raises:
            InputError: the file is damaged.
        """
        if not isinstance(self.rows, pl.LazyFrame) or self.feed.source.prepare is not None:
            return None
        try:
            return int(self.rows.select(pl.len()).collect(engine="streaming").item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(self.feed, error) from error

    def batches(self, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        """These columns of all rows in their order, about `BATCH_ROWS` at a time.

        Raises:
            InputError: the file is damaged, or the database refuses.
        """
        if not isinstance(self.rows, pl.LazyFrame):
            yield from (batch.select(columns) for batch in self.rows)
            return
        try:
            yield from self.rows.select(columns).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(self.feed, error) from error


def _scan(feed: Feed, *, typed: bool = False) -> pl.LazyFrame:
    assert feed.path is not None
    path, source = feed.path, feed.source
    match source.format:
        case "csv":
            # Text first: a type guessed from the first rows would lose what later rows hold.
            frame = pl.scan_csv(
                path,
                separator=_separator(path),
                encoding="utf8-lossy",
                infer_schema=typed,
                infer_schema_length=_SAMPLE_ROWS,
                has_header=not source.header,
                new_columns=list(source.header) or None,
                glob=False,
            )
        case "parquet":
            frame = pl.scan_parquet(path, glob=False)
        case _:
            # The whole file decides on the types, for any row may bring another one or a new column.
            schema = pl.scan_ndjson(path, infer_schema_length=None).collect_schema()
            frame = pl.scan_ndjson(path, schema=schema)
    return source.prepare(frame) if source.prepare else frame


def _separator(path: Path) -> str:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as handle:
        head = handle.readline(65_536)
    return max((",", ";", "\t", "|"), key=lambda mark: head.count(mark.encode()))


def _query(feed: Feed) -> Iterator[pl.DataFrame]:
    import sqlalchemy as sa  # slow to import, and most shops have files

    assert feed.source.url is not None
    assert feed.source.query is not None
    try:
        engine = sa.create_engine(feed.source.url)
        try:
            with engine.connect().execution_options(stream_results=True, max_row_buffer=BATCH_ROWS) as connection:
                result = connection.exec_driver_sql(feed.source.query)
                names = list(result.keys())
                for part in result.partitions(BATCH_ROWS):
                    data = [tuple(row) for row in part]
                    yield pl.DataFrame(data, schema=names, orient="row", infer_schema_length=None, strict=False)
        finally:
            engine.dispose()
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        cause = _without_password(
            str(getattr(error, "orig", None) or error).strip() or "no reason given", feed.source.url
        )
        raise InputError(
            f"The query on {feed.name} failed: {cause.splitlines()[0]}. "
            "Check the url, that its driver is installed, and the query."
        ) from None


def _address(source: Source) -> str:
    import sqlalchemy as sa

    try:
        return sa.make_url(source.url or "").render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        raise SettingsError(
            "The url of a sql source is not one that SQLAlchemy understands. "
            "It looks like postgresql+psycopg://user:password@host/database or sqlite:///file.db."
        ) from None


def _without_password(text: str, url: str) -> str:
    import sqlalchemy as sa

    password = sa.make_url(url).password
    return text.replace(url, "the database").replace(str(password), "***") if password else text


def _unreadable(feed: Feed, error: Exception) -> InputError:
    if isinstance(error, pl.exceptions.NoDataError):
        return InputError(f"{feed.path} is empty. Remove it, or write it again with its header and rows.")
    cause = str(error).strip().splitlines()[0]
    return InputError(f"{feed.path} cannot be read as {feed.source.format} ({cause}). Check the file and its format.")
