"""What the command line prints: tables, plans, and a bar on whatever takes long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from flashlift.domain import BEYOND_FRAC, SHOWN_ASSUMED

if TYPE_CHECKING:
    import polars as pl

    from flashlift.pipeline import Curves, Planned, Predicted
    from flashlift.planning import Decision, Differences

__all__ = [
    "Bars",
    "bars",
    "err",
    "out",
    "show",
    "show_curves",
    "show_decision",
    "show_differences",
    "show_plan",
    "show_predictions",
]

out = Console()
err = Console(stderr=True)

SHOWN, SHOWN_ITEMS = 15, 3  # customers of an answer, and items of each
BAR = 30  # characters of a curve's longest bar
OTHER_COLUMNS = 66  # characters of the plan's table beside the titles


class Bars:
    """Shows the library's progress calls as bars on the terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def __call__(self, task: str, done: float, total: float, note: str = "") -> None:
        """Tell how far a task is; its first call shows its bar."""
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=total, note="")
        self._bars.update(self._tasks[task], completed=done, total=total, note=note)


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars on the terminal for as long as the work lasts."""
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=err) as shown:
        yield Bars(shown)


def show(frame: pl.DataFrame, title: str) -> None:
    """Print a frame as a table; numbers to the right, rounded for reading."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, kind in frame.schema.items():
        table.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*(escape(_cell(value)) for value in row))
    out.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"
    return str(value)


def show_plan(planned: Planned, currency: str) -> None:
    """Print the offers, their value with its interval, the checker's word, and the rules of thumb beside them."""
    best, value = planned.plan, planned.value
    table = Table(title=f"Plan: {len(best.offers)} offers", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("slot", "item", "title"):
        table.add_column(name, no_wrap=True)
    for name in ("price", "off", "quota", "units", "value"):
        table.add_column(name, justify="right", no_wrap=True)
    room = max(12, out.width - OTHER_COLUMNS)
    for row in planned.table.iter_rows(named=True):
        table.add_row(
            row["slot_id"],
            escape(row["item_id"][:14]),
            escape((row["title"] or "-")[:room]),
            f"{row['price']:.2f}",
            f"{row['discount_frac']:.0%}",
            str(row["quota"]),
            f"{row['expected_units']:.1f}",
            f"{row['expected_value']:,.2f}{'†' if row['cost_assumed'] else ''}",
        )
    out.print(table)
    out.print(
        f"Expected incremental profit {value.value:,.2f} {currency}, {value.level:.0%} of outcomes in "
        f"[{value.ci_lower:,.2f}, {value.ci_upper:,.2f}], on draws the optimizer has not seen. {_beside(planned)}\n"
        f"Optimizer: {best.status.value}, objective {best.objective:,.2f}, bound {best.bound:,.2f}, "
        f"gap {best.gap_frac:.2%}. Independent check: {escape(planned.verdict.sentence)}.\n"
        "The values of single offers are on the optimizer's draws, as the objective is. Choosing the best of many "
        "makes such figures too high; the expected profit above is not.",
        highlight=False,
    )
    _show_payers(planned, currency)
    if planned.verdict.broken:
        out.print("[red]Do not run this plan as it is.[/]")
        show(planned.broken, "Findings")
    if planned.verdict.soft:
        cost = f"{planned.verdict.penalties:,.2f} {currency}"
        show(planned.soft, f"Soft limits broken, which costs {cost} in the plan's objective")
    if planned.table["cost_assumed"].any():
        out.print("† rests on an assumed unit cost: set the real one, or assumptions.unit_cost_frac.")
    blind = planned.table["beyond_frac"].null_count()
    deeper = planned.table.filter(planned.table["beyond_frac"] >= BEYOND_FRAC).height
    if blind:
        out.print(f"[yellow]{blind} offers rest on a response that is not identifiable from these logs:[/] assumed.")
    if deeper:
        out.print(f"[yellow]{deeper} offers are deeper than any past sale[/] of their item or its likes; see plan.csv.")
    if planned.table["basis"].str.contains(SHOWN_ASSUMED).any():
        out.print("[yellow]The log holds no sales: the lift of being shown is assumed[/] (assumptions.shown_lift).")
    if planned.sensitivity:
        out.print(planned.sensitivity, highlight=False)
    if not planned.exploration.is_empty():
        places = planned.exploration["planned"].sum()
        out.print(f"{places} offers draw their price by lot, to learn from; exploration.csv has what could have been.")
    if not best.offers:
        out.print(
            "No offer that may run earns more than the item would earn without a sale, so the best plan is to run "
            "none. `flashlift explain` says of every item what keeps it out."
        )
    show(planned.comparison, f"The plan beside rules of thumb, same limits, same fresh draws ({currency})")
    show_decision(planned.decision)


def _show_payers(planned: Planned, currency: str) -> None:
    """Print how many nominations were taken, and what others pay."""
    if planned.nominations is not None:
        taken = int(planned.nominations["taken"].sum())
        out.print(
            f"Nominations: {taken} of {planned.nominations.height} taken; plan_nominations.csv says which and why."
        )
    if planned.funding > 0.0:
        out.print(f"Funders and sellers pay {planned.funding:,.2f} {currency} of the discount.", highlight=False)


def _beside(planned: Planned) -> str:
    """The other figures of a sale, and what the optimizer's objective is where that is not profit."""
    verdict, goal = planned.verdict, planned.campaign.goal
    told = (
        f"Gross sales change by {verdict.revenue or 0.0:+,.2f}, {verdict.buyers or 0.0:,.0f} buyers, "
        f"stock cleared {verdict.stock_cleared or 0.0:,.2f} at cost."
    )
    if verdict.shadow_cost is not None:
        told += (
            f" Lost in the next sale through lower reference prices, and not in the profit: {verdict.shadow_cost:,.2f}."
        )
    return told if goal.words == "profit" else f"{told}\nGoal: {goal.words}; objective, bound and gap are of this sum."


def show_decision(decision: Decision | None) -> None:
    """Print whether a plan is a draft, approved or rejected, by whom, and what the plan is called."""
    said = "draft: nobody has approved this plan (flashlift approve)" if decision is None else decision.sentence
    out.print(f"State: {escape(said)}.", highlight=False, soft_wrap=True)


def show_differences(found: Differences) -> None:
    """Print what differs between two plans: value, rules, categories, offers."""
    import polars as pl

    show(found.figures.with_columns(pl.col(pl.Float64).round(4)), "Figures, each of its own plan's verdict")
    error = found.figures["error"].drop_nulls()
    if len(error):
        out.print(
            f"Standard error of the difference of profit: {error.item():,.2f}, less where the draws are the same."
        )
    for title, frame in (("Rules of one plan only", found.campaign), ("Categories", found.categories)):
        if not frame.is_empty():
            show(frame, title)
    if found.offers.is_empty():
        out.print(f"The same {found.unchanged} offers in both.")
        return
    per_customer = found.offers["per_customer_before", "per_customer_after"]
    some = ["per_customer"] if per_customer.null_count().sum_horizontal().item() < 2 * per_customer.height else []
    sides = {
        name: [pl.col(f"{name}_{side}").cast(pl.String).fill_null("-") for side in ("before", "after")]
        for name in ("slot_id", "price", "quota", *some, "expected_value")
    }
    terms = [
        pl.when(old == new).then(old).otherwise(pl.format("{} → {}", old, new)).alias(name.removesuffix("_id"))
        for name, (old, new) in sides.items()
    ]
    told = found.offers.with_columns(pl.col("^expected_value_.*$").round(2)).select(
        "change", "item_id", "title", *terms
    )
    show(told, f"Offers that differ: {found.offers.height}, beside {found.unchanged} that do not")


def show_predictions(answer: Predicted) -> None:
    """Print the first customers of an answer."""
    import polars as pl

    some = answer.table.head(SHOWN)
    shares = [
        pl.format("{} %", (100 * pl.col(name)).round(1)).alias(name) for name in some.columns if name.startswith("p_")
    ]
    items = pl.col("top_items").list.head(SHOWN_ITEMS).list.join(" ")
    head = f"What {answer.table.height:,} customers do next, as of {answer.at:%Y-%m-%d %H:%M} UTC"
    show(some.with_columns(*shares, items), head + (f": the first {SHOWN}" if answer.table.height > SHOWN else ""))
    if answer.strangers:
        out.print(
            f"{answer.strangers:,} of them have no event before that moment: for these the shop's average is told."
        )


def show_curves(answer: Curves) -> None:
    """Print a curve for each item: lift, interval, and a bar with its interval marked."""
    top = float(answer.table["ci_upper"].max() or 1.0)  # type: ignore[arg-type]
    known = {row["item_id"]: row for row in answer.elasticities.iter_rows(named=True)}
    for rows in answer.table.partition_by("item_id", maintain_order=True):
        item = known[rows["item_id"][0]]
        out.print(_curve_title(rows["title"][0], item), soft_wrap=True)
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in ("off", "units x", "90 % interval"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("", overflow="fold")
        for row in rows.iter_rows(named=True):
            interval = f"{row['ci_lower']:.2f} to {row['ci_upper']:.2f}"
            seen = row["beyond_frac"] is not None and row["beyond_frac"] < BEYOND_FRAC
            warned = "" if seen else f"[yellow]{row['basis']}[/]"
            table.add_row(f"{row['discount_frac']:.0%}", f"{row['lift']:.2f}", interval, _bar(row, top), warned)
        out.print(table)
    if not answer.table["identified"].all():
        out.print(
            "[yellow]borrowed[/]: the item's own sales do not tell its response; it comes from its category, the shop, "
            "or the assumption of the settings."
        )


def _curve_title(title: str | None, item: dict[str, Any]) -> str:
    sales = item["n_promotions"]
    source = f"{sales} past sale{'' if sales == 1 else 's'}" if item["identified"] else "[yellow]borrowed[/]"
    return (
        f"{escape(item['item_id'])} {escape(title or '')}: elasticity {item['elasticity']:.2f} "
        f"({item['ci_lower']:.2f} to {item['ci_upper']:.2f}), {source}"
    )


def _bar(row: dict[str, Any], top: float) -> str:
    """`####--|`: full up to the lower edge, then dashes up to the upper one, the estimate marked."""
    lower, middle, upper = (round(BAR * row[name] / top) for name in ("ci_lower", "lift", "ci_upper"))
    cells = ["█"] * lower + ["─"] * (upper - lower)
    if cells:
        cells[min(max(middle - 1, 0), len(cells) - 1)] = "●"
    return "".join(cells)
