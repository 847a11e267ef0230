"""The board as a page: tables in Markdown, kept between markers so that the words around them stay."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from benchmarks.profit_captured.rows import ORACLE, Row
from benchmarks.profit_captured.settings import Settings
from benchmarks.profit_captured.shares import ALL, figures
from flashlift.errors import InputError

__all__ = ["place_between", "section", "write"]

_ELASTICITIES = "Bias / root mean squared error / coverage of 90 % intervals, mean over shops."


def section(
    results: pl.DataFrame, shares: pl.DataFrame, rows: Sequence[Row], settings: Settings, *, command: str, image: str
) -> str:
    """Everything that is measured, as Markdown.

    Args:
        results: as `result.to_polars`.
        shares: as `shares.shares`.
        rows: rows in the order to show.
        settings: of the board.
        command: that makes it again.
        image: path of the picture as seen from the page.
    """
    seeds = results["seed"].unique().sort().to_list()
    told = (
        f"`{command}`: {len(seeds)} seeds ({_ranges(seeds)}), {results['world'].n_unique()} worlds, about "
        f"{settings.n_events:,} events a shop, {settings.n_draws:,} demand draws, {settings.n_futures:,} futures, "
        f"{settings.randomized_frac:.0%} of past promotions drawn by lot. Machine: {_machine()}."
    )
    parts = [
        told,
        f"![Share of the oracle's profit by world]({image})",
        f"### Share of the oracle's profit\n\n{_share_table(shares, rows)}",
        f"### Losses, forecast, costs\n\n{_figure_table(results, rows)}",
        f"### Elasticities by world\n\n{_ELASTICITIES}\n\n{_elasticity_table(results, rows)}",
        f"### The oracle\n\n{_oracle_table(results)}",
    ]
    failed = _failures(results, rows)
    return "\n\n".join([*parts, f"### Failed\n\n{failed}"] if failed else parts)


def place_between(page: str, name: str, text: str) -> str:
    """The page with `text` between the markers of `name`.

    Raises:
        InputError: the page has no such markers.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if begin not in page or end not in page:
        raise InputError(f"The page lacks the lines {begin!r} and {end!r}. Add them where the board is to stand.")
    before, rest = page.split(begin, 1)
    return f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end, 1)[1]}"


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else f"{value:{form}}"


def _share_table(shares: pl.DataFrame, rows: Sequence[Row]) -> str:
    worlds = [ALL, *(world for world in shares["world"].unique(maintain_order=True) if world != ALL)]
    cells = {(one["world"], one["row"]): one for one in shares.iter_rows(named=True)}

    def cell(world: str, row: Row) -> str:
        one = cells.get((world, row.key))
        if one is None or one["shops"] is None:
            return "not run"
        if one["failed"]:
            return f"failed ({one['failed']} of {one['shops']})"
        if one["share"] is None:
            return "no share"
        if one["ci_lower"] is None or row.key == ORACLE:
            return f"{one['share']:.2f}"
        return f"{one['share']:.2f} ({one['ci_lower']:.2f} to {one['ci_upper']:.2f})"

    return _markdown(["estimator, planner", *worlds], [[row.name, *(cell(w, row) for w in worlds)] for row in rows])


def _figure_table(results: pl.DataFrame, rows: Sequence[Row]) -> str:
    columns: list[tuple[str, Callable[[dict[str, float | None]], str]]] = [
        ("mean V", lambda f: _number(f["value"], ".1f")),
        ("shops with a loss", lambda f: "" if f["failed"] else f"{f['losses']} of {f['shops']}"),
        ("offers", lambda f: _number(f["n_offers"], ".1f")),
        ("forecast WAPE", lambda f: _number(f["forecast_wape"])),
        ("forecast bias", lambda f: _number(f["forecast_bias"], "+.2f")),
        ("elasticity bias", lambda f: _number(f["elasticity_bias"], "+.2f")),
        ("RMSE", lambda f: _number(f["elasticity_rmse"])),
        ("coverage", lambda f: _number(f["elasticity_coverage"])),
        ("items estimated", lambda f: _number(f["elasticity_items"])),
        ("learning, s", lambda f: _number(f["estimate_seconds"], ".1f")),
        ("planning, s", lambda f: _number(f["plan_seconds"], ".1f")),
        ("memory, MB", lambda f: _number(f["peak_mb"], ".0f")),
    ]
    found = {one["row"]: one for one in figures(results).iter_rows(named=True)}
    body = [[row.name, *(form(found[row.key]) for _, form in columns)] for row in rows if row.key in found]
    return _markdown(["estimator, planner", *(name for name, _ in columns)], body)


def _elasticity_table(results: pl.DataFrame, rows: Sequence[Row]) -> str:
    worlds = results["world"].unique(maintain_order=True).to_list()
    table = figures(results.filter(pl.col("elasticity_bias").is_not_null()), ("world", "row"))
    found = {(one["world"], one["row"]): one for one in table.iter_rows(named=True)}
    seen: set[str | None] = set()
    body = []
    for row in rows:
        if row.estimator in seen or not any((world, row.key) in found for world in worlds):
            continue
        seen.add(row.estimator)
        cells = [found.get((world, row.key)) for world in worlds]
        body.append([row.name.split(", ", maxsplit=1)[0], *(_elasticity(one) for one in cells)])
    return _markdown(["estimator", *worlds], body)


def _elasticity(one: dict[str, float | None] | None) -> str:
    if one is None:
        return ""
    coverage = one["elasticity_coverage"]
    tail = "no interval" if coverage is None else f"{coverage:.2f}"
    return f"{one['elasticity_bias']:+.2f} / {one['elasticity_rmse']:.2f} / {tail}"


def _oracle_table(results: pl.DataFrame) -> str:
    mine = results.filter((pl.col("row") == ORACLE) & pl.col("value").is_not_null())
    body = []
    for (world,), shops in mine.group_by("world", maintain_order=True):
        value, error = float(shops["value"].sum()), float((shops["value_se"] ** 2).sum()) ** 0.5 / shops.height
        bounded = shops.filter(pl.col("bound").is_not_null())
        gap = "offers touch each other: no bound"
        if not bounded.is_empty():
            gap = f"{1.0 - float(bounded['value'].sum()) / float(bounded['bound'].sum()):.3f}"
            gap += "" if bounded.height == shops.height else f" ({bounded.height} of {shops.height} shops have a bound)"
        body.append([str(world), f"{value / shops.height:.1f}", f"{error:.1f}", gap])
    return _markdown(["world", "mean V", "standard error over futures", "gap to the upper bound, share"], body)


def _failures(results: pl.DataFrame, rows: Sequence[Row]) -> str:
    names = {row.key: row.name for row in rows}
    bad = results.filter(pl.col("error").is_not_null())
    groups = bad.group_by("row", "error", maintain_order=True).agg("world", "seed")
    return "\n".join(
        f"- {names[one['row']]} ({', '.join(f'{w} {s}' for w, s in zip(one['world'], one['seed'], strict=True))}): "
        f"{' '.join(one['error'].split())}"
        for one in groups.iter_rows(named=True)
    )


def _ranges(seeds: Sequence[int]) -> str:
    whole = list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}-{seeds[-1]}" if whole and len(seeds) > 1 else ", ".join(map(str, seeds))


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    size = "" if memory is None else f", {memory:.0f} GB"
    version = ".".join(platform.python_version_tuple()[:2])
    return f"{os.cpu_count()} {platform.machine()} cores{size}, no GPU used, Python {version}, one thread a process"


def write(path: Path, text: str) -> None:
    """Write at once or not at all."""
    draft = path.with_suffix(".tmp")
    draft.write_text(text)
    draft.replace(path)
