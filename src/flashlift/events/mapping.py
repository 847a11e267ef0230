"""From the source's columns to ours: check the mapping against a source, then apply it batch by batch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from flashlift.errors import InputError
from flashlift.events.source import Source
from flashlift.privacy import Key, pseudonymize
from flashlift.schema import Competitors, Customers, Events, Exposures, ItemHistory, Items, Promotions, Stores, Ties

__all__ = ["CUSTOMER_COLUMNS", "EVENT_COLUMNS", "ITEM_COLUMNS", "ITEM_VALUES", "ColumnMap", "column_map", "nearest"]

EVENT_COLUMNS = tuple(Events.column_names())
ITEM_COLUMNS = tuple(name for name in Items.column_names() if name != "item_id")
ITEM_VALUES = ("list_price", "unit_cost", "stock")
CUSTOMER_COLUMNS = tuple(name for name in Customers.column_names() if name != "customer_id")
_TABLES = (Events, Items, Customers, Promotions, ItemHistory)
_MORE_TABLES = {"ties": Ties, "stores": Stores, "exposures": Exposures, "competitors": Competitors}
_COMMON = dict.fromkeys(name for table in _TABLES for name in table.column_names())
KNOWN_COLUMNS = _COMMON | dict.fromkeys(name for table in _MORE_TABLES.values() for name in table.column_names())
_OF_EXPOSURES = {"propensity", "variant", "experiment", "slot", "position"}

# A customer's identifier, or anything computed from it, leaves the reader as a pseudonym only.
PERSONS = ("customer_id", "friend_id", "account_id")
PSEUDONYMIZABLE = (*PERSONS, "event_id", "order_id", "session_id", "exposure_id")

_COMPUTED, _REJECT = "\0=", "\0!"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """A mapping checked against one source.

    Args:
        table: "events", "items", "history", "promotions", "customers", "ties", "stores", "exposures" or
            "competitors".
        plain: our column -> the source column it is.
        computed: our column -> expression.
        reject: name of a rule -> condition.
        casts: types for text columns that computed expressions use (CSV only).
        needed: source columns to read.
        personal: our columns that leave as pseudonyms.
    """

    table: str
    plain: Mapping[str, str]
    computed: Mapping[str, pl.Expr]
    reject: Mapping[str, pl.Expr]
    casts: Mapping[str, pl.DataType]
    needed: tuple[str, ...]
    personal: tuple[str, ...]

    @property
    def ours(self) -> tuple[str, ...]:
        """Our columns that the source fills."""
        return (*self.plain, *self.computed)

    def apply(self, batch: pl.DataFrame, key: Key) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Our columns as the source has them, with pseudonyms for persons; and one Boolean column per own rule.

        Raises:
            InputError: an expression cannot be evaluated.
        """
        numbers = [pl.col(name).cast(dtype, strict=False) for name, dtype in self.casts.items()]
        computed = [expr.alias(_COMPUTED + name) for name, expr in self.computed.items()]
        rules = [
            expr.cast(pl.Boolean).fill_null(value=False).alias(_REJECT + name) for name, expr in self.reject.items()
        ]
        try:
            values = batch.with_columns(numbers).with_columns(computed + rules)
        except pl.exceptions.PolarsError as error:
            raise InputError(
                f"A column expression cannot be evaluated ({_first_line(error)}). "
                "Check the types it works on; TRY_CAST(column AS DOUBLE) turns text into numbers."
            ) from error
        columns = [batch[source].alias(name) for name, source in self.plain.items()]
        columns += [values[_COMPUTED + name].alias(name) for name in self.computed]
        hidden = [pseudonymize(c, key) if c.name in self.personal else c for c in columns]
        return pl.DataFrame(hidden), values.select(pl.col(_REJECT + name).alias(name) for name in self.reject)


def column_map(source: Source, schema: pl.Schema, sampled: pl.Schema, *, place: str) -> ColumnMap:
    """Check `source.columns` against the columns the source has.

    Args:
        source: the definition.
        schema: columns and types as read.
        sampled: the same columns with types guessed from a sample, where `schema` holds text only.
        place: the file or query, for messages.

    Raises:
        InputError: a column that does not exist, an expression that is none, a table that cannot be told, or a
            customer's identifier about to enter a column that is not pseudonymized.
    """
    wanted = dict(source.columns) or {name: name for name in KNOWN_COLUMNS if name in schema}
    for name in wanted:
        if name not in KNOWN_COLUMNS:
            raise InputError(
                f"The mapping of {place} fills {name!r}, which is no column of ours.{nearest(name, KNOWN_COLUMNS)}"
            )
    table = _table(wanted, place, schema)
    if not source.columns:  # a log may have a column of theirs named slot or variant
        own = _MORE_TABLES[table].column_names() if table in _MORE_TABLES else []
        wanted = {name: text for name, text in wanted.items() if name in _COMMON or name in own}
    plain = {name: text for name, text in wanted.items() if text in schema}
    computed = {name: _expression(text, f"column {name!r}") for name, text in wanted.items() if text not in schema}
    reject = {name: _expression(text, f"rule {name!r}") for name, text in source.reject.items()}
    roots = {name: {text} for name, text in plain.items()}
    roots |= {name: set(expr.meta.root_names()) for name, expr in computed.items()}
    in_rules = {root for expr in reject.values() for root in expr.meta.root_names()}
    needed = tuple(sorted(in_rules.union(*roots.values())))
    for root in needed:
        if root not in schema:
            raise InputError(f"{place} has no column {root!r}; it has {', '.join(schema)}.{nearest(root, schema)}")
    typed = in_rules.union(*(roots[name] for name in computed))
    return ColumnMap(
        table=table,
        plain=plain,
        computed=computed,
        reject=reject,
        casts={name: sampled[name] for name in sorted(typed) if sampled[name] != schema[name]},
        needed=needed,
        personal=_personal(roots, place),
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the name that may have been meant, or nothing."""
    known = list(names)
    lower = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f" Did you mean {lower[close[0]]!r}?" if close else ""


def _expression(text: str, what: str) -> pl.Expr:
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"The {what} is neither a column nor an SQL expression: {text!r} ({_first_line(error)}). "
            "Quote names with spaces as \"Customer ID\" and text as 'purchase'."
        ) from error


def _table(wanted: Mapping[str, str], place: str, schema: pl.Schema) -> str:
    has = set(wanted)
    logged = has & {"event", "quantity", "order_id", "session_id"}
    if "start" in has:
        table, required = "promotions", {"item_id", "start", "end"}
    elif "friend_id" in has and not logged:
        table, required = "ties", {"customer_id", "friend_id"}
    elif "exposure_id" in has and has & _OF_EXPOSURES and not logged:
        table, required = "exposures", {"exposure_id", "customer_id", "item_id", "at"}
    elif "seller" in has and has & {"at", "price"} and not logged and "customer_id" not in has:
        table, required = "competitors", {"item_id", "at", "seller", "price"}
    elif logged or {"customer_id", "item_id"} <= has:
        table, required = "events", {"item_id", "at", "event"}
    elif {"item_id", "at"} <= has:
        told = has & {*ITEM_VALUES, "price", "on_hand"}
        table, required = ("history", {"item_id", "at"}) if told else ("events", {"item_id", "at", "event"})
    elif "item_id" in has:
        table, required = "items", {"item_id"}
    elif "store_id" in has and "customer_id" not in has:
        table, required = "stores", {"store_id"}
    else:
        table, required = "customers", {"customer_id"}
    if missing := sorted(required - has):
        hint = " Where every row is a purchase, map event = \"'purchase'\"." if missing == ["event"] else ""
        raise InputError(
            f"The mapping of {place} lacks {', '.join(missing)} for the table {table}; "
            f"the source has {', '.join(schema)}.{hint}"
        )
    return table


def _personal(roots: Mapping[str, set[str]], place: str) -> tuple[str, ...]:
    identifying = set().union(*(roots.get(name, set()) for name in PERSONS))
    personal = tuple(name for name, used in roots.items() if name in PERSONS or used & identifying)
    if open_columns := [name for name in personal if name not in PSEUDONYMIZABLE]:
        raise InputError(
            f"The mapping of {place} computes {', '.join(open_columns)} from a customer's identifier, which would "
            "store it in the clear. Use another column of the source."
        )
    return personal


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
