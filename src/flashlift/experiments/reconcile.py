"""From the logs of a test to one row per unit, with everything that does not fit counted and decided on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.reconciliation import Consequence, Mismatch, Reconciliation
from flashlift.schema import Events, Exposures

__all__ = ["MOST_TORN", "reconcile"]

MOST_TORN = 0.01  # share of units with several variants above which the assignment, and not the log, is broken
UNIT, AT, VARIANT = Exposures.customer_id.name, Exposures.at.name, Exposures.variant.name
EXPOSURE, EVENT = Exposures.exposure_id.name, Events.event_id.name
Table = pl.DataFrame | pl.LazyFrame


def reconcile(
    exposures: Table, outcomes: Table, values: Sequence[str], *, start: datetime, end: datetime, now: datetime
) -> Reconciliation:
    """Join what was shown with what followed, by intention to treat.

    A unit belongs to the variant of its first exposure, whatever it was shown later, and brings all that it did from
    then on until `end`; what it did before `start` becomes its covariate. Nothing is left out in silence.

    Args:
        exposures: exposure log of one experiment, or its assignment with the moment of assignment: `customer_id`,
            `variant`, `at` and, so that repeated lines are known, `exposure_id` (see `schema.Exposures`).
        outcomes: what customers did: `customer_id`, `at`, the columns `values` and, so that repeated lines are known,
            `event_id` (see `schema.Events`).
        values: columns of outcomes that are summed per unit, without missing numbers; 1 in a column counts its rows.
        start: begin of the test, with the time zone of `at`.
        end: end of the test; what happens then is no longer in it.
        now: moment of the analysis.

    Returns:
        Its `rows()` are what `analyze` takes: `unit_id`, `variant`, each of `values` and `past_` of each.

    Raises:
        InputError: a column is missing or not what it must be, or the test has not begun.
        InsufficientDataError: nobody was exposed during the test.
    """
    shown, done = exposures.lazy(), outcomes.lazy()
    _check_columns(shown, {UNIT, VARIANT}, "exposures")
    _check_columns(done, {UNIT, *values}, "outcomes")
    kinds = done.collect_schema()
    words = [name for name in values if not (kinds[name].is_numeric() or kinds[name] == pl.Boolean)]
    if words:
        raise InputError(f"The outcomes' {words[0]} is {kinds[words[0]]} and must be a number. Correct the column.")
    if now <= start:
        raise InputError(
            f"The test begins on {start:%Y-%m-%d %H:%M}, and it is {now:%Y-%m-%d %H:%M}: wait for its end."
        )
    found = [] if now >= end else [_not_over(now, end)]
    lines, dropped = _exposure_lines(shown, start, end)
    units, torn = _units(lines)
    if units.is_empty():
        raise InsufficientDataError(
            f"Nobody was exposed from {start:%Y-%m-%d} to {end:%Y-%m-%d}. Check the log's times."
        )
    events, repeated = _without_repeats(done, EVENT, "outcome")
    sums, strays = _sums(events, units, values, start, end)
    return Reconciliation(mismatches=(*found, *dropped, *torn, *repeated, *strays), units=sums)


def _not_over(now: datetime, end: datetime) -> Mismatch:
    return Mismatch(
        what="the test is not over",
        count=1,
        consequence=Consequence.WARNED,
        why=f"It ends on {end:%Y-%m-%d %H:%M} and it is {now:%Y-%m-%d %H:%M}. Intervals of `analyze` hold for one look "
        "at the planned end; an early look needs a sequential method.",
    )


def _check_columns(table: pl.LazyFrame, names: set[str], which: str) -> None:
    schema = table.collect_schema()
    missing = sorted({*names, AT} - set(schema.names()))
    if missing:
        raise InputError(f"The {which} have no column {missing}; they hold {schema.names()}. Rename or add it.")
    if not isinstance(schema[AT], pl.Datetime):
        raise InputError(f"The column {AT} of the {which} is {schema[AT]} and must be a moment (Datetime). Parse it.")


def _without_repeats(table: pl.LazyFrame, key: str, which: str) -> tuple[pl.DataFrame, list[Mismatch]]:
    """Each line once, by its identifier; where there is none, lines alike in everything are counted and kept."""
    lines = table.collect()
    if key not in lines.columns:
        alike = lines.height - lines.n_unique()
        why = f"There is no {key}, so equal lines may be two events or one that was written twice."
        return lines, list(_some(f"{which} lines alike in everything", alike, Consequence.WARNED, why))
    again = lines.filter(pl.col(key).is_duplicated())
    once = lines if again.is_empty() else lines.unique(key, keep="first", maintain_order=True)
    unlike = again.n_unique() - again[key].n_unique()
    repeated = lines.height - once.height - unlike
    return once, [
        *_some(f"duplicated {which} lines", repeated, Consequence.DROPPED, f"The same {key} counts once."),
        *_some(
            f"{which} lines that contradict another",
            unlike,
            Consequence.REFUSED,
            f"Different lines bear the same {key}, so it is no identifier. Correct it where the log is written.",
        ),
    ]


def _exposure_lines(table: pl.LazyFrame, start: datetime, end: datetime) -> tuple[pl.DataFrame, list[Mismatch]]:
    lines, found = _without_repeats(table, EXPOSURE, "exposure")
    named = lines.drop_nulls([UNIT, VARIANT, AT]).with_columns(pl.col(VARIANT).cast(pl.String))
    inside = named.filter(pl.col(AT) >= start, pl.col(AT) < end)
    return inside, [
        *found,
        *_some(
            "exposure lines without customer, variant or moment",
            lines.height - named.height,
            Consequence.DROPPED,
            "They belong to no arm.",
        ),
        *_some(
            "exposures outside the test",
            named.height - inside.height,
            Consequence.DROPPED,
            "They are before its start or after its end.",
        ),
    ]


def _units(lines: pl.DataFrame) -> tuple[pl.DataFrame, list[Mismatch]]:
    """`customer_id`, `variant`, `exposed_at` of each unit by its first exposure, and those with several variants."""
    arms = lines.group_by(UNIT, VARIANT).agg(first=pl.col(AT).min(), last=pl.col(AT).max()).sort("first", VARIANT)
    units = arms.unique(UNIT, keep="first", maintain_order=True).rename({"first": "exposed_at"})
    torn = arms.filter(pl.col(UNIT).is_duplicated()).group_by(UNIT, maintain_order=True)
    kinds = torn.agg(
        tied=(pl.col("first") == pl.col("first").first()).sum() > 1,
        both=(pl.col("first") <= pl.col("last").cum_max().shift(1)).any(),  # an arm begins before another ends
    )
    tied, both = int(kinds["tied"].sum()), int((kinds["both"] & ~kinds["tied"]).sum())
    changed = kinds.height - both - tied
    broken = kinds.height > MOST_TORN * units.height
    share = f"{kinds.height / max(units.height, 1):.2%} of the units were in several arms"
    kept = f"{share}. Each counts in the arm of its first exposure, as it was assigned."
    refused = f"{share}, more than {MOST_TORN:.0%}: the assignment is broken. Mend it and run the test again."
    ending = (Consequence.REFUSED, refused) if broken else (Consequence.KEPT, kept)
    nowhere = (Consequence.REFUSED, refused) if broken else (Consequence.DROPPED, "They have no first exposure.")
    mismatches = [
        *_some("customers in both arms", both, *ending),
        *_some("customers whose assignment changed in mid-test", changed, *ending),
        *_some("customers in two arms at the same moment", tied, *nowhere),
        *_alone(units),
    ]
    placed = units.join(kinds.filter("tied"), on=UNIT, how="anti", maintain_order="left")
    return placed.select(UNIT, VARIANT, "exposed_at"), mismatches


def _alone(units: pl.DataFrame) -> Iterator[Mismatch]:
    arms = units[VARIANT].unique().to_list()
    if len(arms) == 1:
        yield Mismatch(
            what="arms without a unit",
            count=1,
            consequence=Consequence.REFUSED,
            why=f"Only {arms[0]} was exposed, and a test compares two arms. Find out why the other was not logged.",
        )


def _sums(
    events: pl.DataFrame, units: pl.DataFrame, values: Sequence[str], start: datetime, end: datetime
) -> tuple[pl.DataFrame, list[Mismatch]]:
    """What each unit did in the test and before it, and the outcomes that are neither."""
    known = events.drop_nulls([UNIT, AT])
    joined = known.join(units, on=UNIT, how="left")
    stranger = pl.col("exposed_at").is_null()
    at, past = pl.col(AT), pl.col(AT) < start
    before, late = ~stranger & ~past & (at < pl.col("exposed_at")), ~stranger & (at >= end)
    counted = ~stranger & (at >= pl.col("exposed_at")) & (at < end)
    counts = joined.select(
        strangers=stranger.sum(),
        before=before.sum(),
        late=late.sum(),
        unknown=(stranger | ~stranger & at.is_null()).sum(),
    ).row(0, named=True)
    useful = joined.filter(counted | ~stranger & past).with_columns(pl.col(values).cast(pl.Float64))
    for name in values:
        lost = useful[name].null_count()
        if lost:
            raise InputError(f"{lost:,} outcomes have no {name}. Say what they count as (0 for no purchase).")
    per_unit = (
        useful.select(
            UNIT,
            *(pl.when(~past).then(name).otherwise(0.0).alias(name) for name in values),
            *(pl.when(past).then(name).otherwise(0.0).alias(f"past_{name}") for name in values),
            outcomes=~past,
        )
        .group_by(UNIT)
        .agg(pl.all().sum())
    )
    table = units.join(per_unit, on=UNIT, how="left", maintain_order="left").with_columns(
        pl.exclude(UNIT, VARIANT, "exposed_at").fill_null(0)
    )
    silent = int((table["outcomes"] == 0).sum())
    counts |= {"nobody": events.height - known.height, "silent": silent}
    return table.rename({UNIT: "unit_id"}).drop("outcomes"), _strays(counts)


def _strays(counts: dict[str, int]) -> list[Mismatch]:
    return [
        *_some(
            "outcomes without customer or moment",
            counts["nobody"],
            Consequence.DROPPED,
            "They belong to no arm or to no time.",
        ),
        *_some(
            "outcomes of customers without an arm",
            counts["strangers"],
            Consequence.DROPPED,
            "They were never exposed, or to two arms at one moment. If they should have been, exposures were lost.",
        ),
        *_some(
            "outcomes before exposure",
            counts["before"],
            Consequence.DROPPED,
            "The test cannot have caused what came before it was seen. If they are many, clocks differ.",
        ),
        *_some("outcomes after the end", counts["late"], Consequence.DROPPED, "They are not part of the test."),
        *_some(
            "exposed customers without an outcome",
            counts["silent"],
            Consequence.KEPT,
            "They count as 0, because to do nothing is an outcome.",
        ),
    ]


def _some(what: str, count: int, consequence: Consequence, why: str) -> Iterator[Mismatch]:
    if count:
        yield Mismatch(what=what, count=int(count), consequence=consequence, why=why)
