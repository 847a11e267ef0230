"""Tests as HTML files, in the look of the report: a finished one, one that runs, and whom a deal changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from flashlift import charts
from flashlift.experiments import Monitor, Result, UpliftComparison, Verdict
from flashlift.report.blocks import Block, Column, Note, Section, figure, table
from flashlift.report.formats import count, decimal, instant, percent
from flashlift.report.page import Headline, write_page

__all__ = ["relative_effects", "write_result", "write_running", "write_uplift"]

WORDS = {
    Verdict.CONTINUE: "Go on",
    Verdict.GAIN: "Stop: it gains",
    Verdict.HARM: "Stop: it harms",
    Verdict.RATIO_BROKEN: "The split is broken",
    Verdict.GUARDRAIL_VIOLATED: "Stop: a guardrail is violated",
    Verdict.NO_FINDING: "Ended without a finding",
}


def relative_effects(result: Result) -> pl.DataFrame:
    """`metric`, `effect_size`, `ci_lower`, `ci_upper` as shares of control, where the means are above zero."""
    rows = result.to_polars().drop_nulls("rel_effect_size")
    label = pl.format("{}, {}", "metric", "variant") if rows["variant"].n_unique() > 1 else pl.col("metric")
    return rows.select(metric=label, effect_size="rel_effect_size", ci_lower="rel_ci_lower", ci_upper="rel_ci_upper")


def write_result(result: Result, path: Path, *, title: str, created: datetime) -> None:
    """Write the page of a finished test, whole or not at all.

    Args:
        result: of the analysis.
        path: of the file.
        title: name of the test.
        created: when it was made, UTC.

    Raises:
        OutputError: the place cannot be written.
    """
    if result.trusted:
        drawn = relative_effects(result)
        shown: list[Block] = [] if drawn.is_empty() else [figure(charts.effects(drawn))]
        found: tuple[Block, ...] = (*shown, _effects(result.to_polars()))
        words: tuple[Block, ...] = tuple(Note(text=answer.paragraph()) for answer in result.answers.values())
    else:
        found = words = (Note(text=result.verdict(), tone="alert"),)
    sections = [
        Section(anchor="effects", title="What it found", lead=result.verdict(), blocks=found),
        Section(
            anchor="words", title="What that means", lead="Metric by metric, with what remains assumed.", blocks=words
        ),
    ]
    _page(
        path,
        what="Result of a test",
        title=title,
        headline=Headline(
            figure="Sound split" if result.trusted else "Do not trust it",
            meaning=result.verdict(),
            caution=f"Intervals of the goals hold together with probability {result.level:.0%}, for one look at the "
            "planned end."
            if result.trusted
            else "",
            cards=tuple((name, count(units), "units") for name, units in result.ratio.counts.items()),
        ),
        sections=sections,
        created=created,
    )


def write_running(monitor: Monitor, path: Path, *, created: datetime) -> None:
    """Write the page of a test that is looked at while it runs, whole or not at all.

    Args:
        monitor: with one look or more.
        path: of the file.
        created: when it was made, UTC.

    Raises:
        OutputError: the place cannot be written.
    """
    looks, test = monitor.to_polars(), monitor.test
    last = looks.row(-1, named=True)
    goals = [_goal(looks.filter(pl.col("metric") == goal.name), goal.name) for goal in test.goals]
    guards = [_guardrail(looks.filter(pl.col("metric") == one.name), one.name) for one in test.guardrails]
    state = Section(
        anchor="state", title="What to do", lead="From all looks until now.", blocks=(Note(text=monitor.paragraph()),)
    )
    _page(
        path,
        what="A running test",
        title=test.name,
        headline=Headline(
            figure=WORDS[monitor.verdict],
            meaning=f"after look {last['look']} on {instant(last['at'])}",
            caution="The verdict holds however often one looks, as long as the planned end stays what it was.",
            cards=(
                ("Units", count(last["units"]), f"{last['information_frac']:.0%} of the planned information"),
                ("Split", decimal(last["ratio_pvalue"], 3), "p-value of a sound split, at all looks together"),
            ),
        ),
        sections=[state, *goals, *guards],
        created=created,
    )


def write_uplift(found: UpliftComparison, path: Path, *, shown: Sequence[str], created: datetime) -> None:
    """Write the page of compared uplift models, whole or not at all.

    Args:
        found: the comparison.
        path: of the file.
        shown: models whose curves are drawn.
        created: when it was made, UTC.

    Raises:
        OutputError: the place cannot be written.
    """
    curves = found.curves().filter(pl.col("model").is_in(shown))
    columns = [
        Column(heading="Model", cell=lambda r: r["model"], holds="words"),
        Column(heading="Metric", cell=lambda r: r["metric"], holds="code"),
        Column(heading="Mean", cell=lambda r: decimal(r["value"], 4)),
        Column(heading="Interval", cell=lambda r: f"{decimal(r['ci_lower'], 4)} to {decimal(r['ci_upper'], 4)}"),
        Column(heading=f"Less {found.reference}", cell=lambda r: decimal(r["difference"], 4)),
        Column(
            heading="Interval",
            cell=lambda r: f"{decimal(r['difference_ci_lower'], 4)} to {decimal(r['difference_ci_upper'], 4)}",
        ),
    ]
    blocks = (
        figure(charts.qini_curve(curves, outcome=found.metric)),
        Note(text=found.paragraph()),
        table("All models, on customers held out", found.to_polars(), columns),
    )
    best = found.to_polars().filter(metric="qini").sort("value", descending=True).row(0, named=True)
    _page(
        path,
        what="Whom a deal changes",
        title=found.metric,
        headline=Headline(
            figure=str(best["model"]),
            meaning="has the largest mean Qini on customers held out",
            caution="The best of several models is also the luckiest one; its paired interval says by how much.",
            cards=(("Splits", count(found.splits.n_splits), "the same for all models"),),
        ),
        sections=[Section(anchor="models", title="Models", lead="The same splits for all.", blocks=blocks)],
        created=created,
    )


def _effects(rows: pl.DataFrame) -> Block:
    columns = [
        Column(heading="Metric", cell=lambda r: r["metric"], holds="words"),
        Column(heading="Role", cell=lambda r: r["role"], holds="words"),
        Column(heading="Variant", cell=lambda r: r["variant"], holds="words"),
        Column(heading="Units", cell=lambda r: count(r["n"])),
        Column(heading="Control", cell=lambda r: decimal(r["control"], 4)),
        Column(heading="Effect", cell=lambda r: decimal(r["effect_size"], 4)),
        Column(heading="Interval", cell=lambda r: f"{decimal(r['ci_lower'], 4)} to {decimal(r['ci_upper'], 4)}"),
        Column(heading="Of control", cell=lambda r: percent(r["rel_effect_size"])),
        Column(heading="p", cell=lambda r: decimal(r["pvalue"], 4)),
        Column(heading="p, adjusted", cell=lambda r: decimal(r["pvalue_holm"], 4)),
        Column(heading="Noise removed", cell=lambda r: percent(r["variance_reduction_frac"], 0)),
    ]
    return table("Effects", rows, columns, note="p adjusted: Holm, over all goals. Noise removed: by the covariates.")


def _goal(looks: pl.DataFrame, name: str) -> Section:
    drawn: list[Block] = []
    if looks["critical"].drop_nulls().len():
        drawn.append(figure(charts.sequential_boundary(looks, metric=name)))
    if looks["cs_lower"].drop_nulls().len():
        drawn.append(figure(charts.intervals_over_time(looks, metric=name)))
    lead = "A goal: alpha is spent as information arrives, most of it at the end."
    return Section(anchor=f"goal-{name}", title=name, lead=lead, blocks=(*drawn, _looks(looks)))


def _guardrail(looks: pl.DataFrame, name: str) -> Section:
    drawn: list[Block] = []
    if looks["cs_lower"].drop_nulls().len():
        drawn.append(figure(charts.intervals_over_time(looks, metric=name)))
    lead = f"A guardrail: its limit is an effect of {decimal(looks['limit'][-1], 4)}."
    return Section(anchor=f"guardrail-{name}", title=name, lead=lead, blocks=(*drawn, _looks(looks)))


def _looks(looks: pl.DataFrame) -> Block:
    columns = [
        Column(heading="Look", cell=lambda r: count(r["look"])),
        Column(heading="At (UTC)", cell=lambda r: f"{r['at']:%d %b %H:%M}", holds="code"),
        Column(heading="Units", cell=lambda r: count(r["units"])),
        Column(heading="Effect", cell=lambda r: decimal(r["effect_size"], 4)),
        Column(
            heading="Holds at all looks", cell=lambda r: f"{decimal(r['ci_lower'], 4)} to {decimal(r['ci_upper'], 4)}"
        ),
        Column(heading="z", cell=lambda r: decimal(r["z"], 2)),
        Column(heading="Boundary", cell=lambda r: decimal(r["critical"], 2)),
        Column(heading="Verdict", cell=lambda r: r["verdict"], holds="words"),
    ]
    return table("Looks", looks, columns)


def _page(
    path: Path, *, what: str, title: str, headline: Headline, sections: Sequence[Section], created: datetime
) -> None:
    write_page(
        path, what=what, title=title, currency=None, headline=headline, sections=sections, legend="", created=created,
        span="",
    )  # fmt: skip
