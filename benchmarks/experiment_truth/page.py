"""From kept blocks to one table, one chart and one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from scipy.stats import binom

from benchmarks.experiment_truth.block import CELL_ERROR, CONTROL, ITEM_ERROR, TREATMENT, Measured, Size, returned
from benchmarks.experiment_truth.study import Task, designs_found, load

__all__ = ["SCHEMA", "chart", "markdown", "table"]

SCHEMA = {
    "world": pl.String,
    "stock": pl.Float64,
    "design": pl.String,
    "replicates": pl.Int64,
    "truth": pl.Float64,
    "truth_error": pl.Float64,
    "bias": pl.Float64,
    "bias_error": pl.Float64,
    "coverage": pl.Float64,
    "coverage_own": pl.Float64,
    "half_width": pl.Float64,
    "rejects": pl.Float64,
    "wrong_sign": pl.Float64,
    "aa_rejects": pl.Float64,
}
ORDER = (
    *("customer_shared", "stock_split", "switchback", "window_quotas", "slot_split"),
    *("item_randomized", "group_randomized"),
)
CHOSEN = (  # lever, file of the design, levels of stock at which `design()` comes to it
    ("display", "customer_shared", (3.0,)),
    ("display", "stock_split", (0.5, 1.0, 3.0)),
    ("price", "slot_split", (0.5, 1.0, 3.0)),
    ("price, few windows", "group_randomized", (0.5, 1.0, 3.0)),
    ("naive", "customer_shared", (0.5, 1.0)),
)


def table(worlds: Sequence[str], stocks: Sequence[float], blocks: Sequence[int], folder: Path) -> pl.DataFrame:
    """One row per world, level of stock and design. `truth` and `bias` are fractions of the control revenue.

    `truth` is the mean effect over futures and `bias` the mean estimate less it, each with its Monte-Carlo standard
    error; `coverage` is the share of 95 % intervals that hold that mean, `coverage_own` of those that hold the truth of
    their own future, `half_width` the mean of half their length, `rejects` the share that exclude 0,
    `wrong_sign` the share that exclude it on the wrong side, `aa_rejects` the share that do where both arms are alike.
    """
    rows = []
    for world in worlds:
        kept = [k for b in blocks if (k := load(Task(world=world, block=b), folder)) is not None]
        for name in designs_found():
            have = [k for k in kept if name in k]
            rows += [_row(world, stock, name, have) for stock in stocks if have]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _row(world: str, stock: float, name: str, have: Sequence[dict[str, Any]]) -> tuple[object, ...]:
    at = f"{stock:g}"
    control, treatment = (np.concatenate([k["truth"][at][arm] for k in have]) for arm in ("control", "treatment"))
    effect, lower, upper = (np.concatenate([k[name][at]["ab"][f] for k in have]) for f in Measured.__slots__)
    _, below, above = (np.concatenate([k[name][at]["aa"][f] for k in have]) for f in Measured.__slots__)
    truth, whole = treatment - control, control.mean()
    aim, root = truth.mean(), len(truth) ** 0.5
    error = effect - truth  # the same futures behind both, so that shocks of the whole shop cancel
    return (
        world,
        stock,
        designs_found()[name].NAME,
        len(truth),
        aim / whole,
        truth.std(ddof=1) / root / whole,
        error.mean() / whole,
        error.std(ddof=1) / root / whole,
        float(((lower <= aim) & (aim <= upper)).mean()),
        float(((lower <= truth) & (truth <= upper)).mean()),
        float((upper - lower).mean() / 2 / whole),
        float(((lower > 0) | (upper < 0)).mean()),
        float(((upper < 0) if aim > 0 else (lower > 0)).mean()),
        float(((below > 0) | (above < 0)).mean()),
    )


def _order() -> list[str]:
    found = designs_found()
    names = [name for name in ORDER if name in found] + [name for name in found if name not in ORDER]
    return [found[name].NAME for name in names]


def chart(figures: pl.DataFrame) -> alt.FacetChart:
    """Bias and wrong signs of every design, by level of stock, one dot per world."""
    shown = figures.select(
        "world",
        "design",
        "bias",
        level=pl.format("stock {} x demand", pl.col("stock").map_elements(lambda s: f"{s:g}", return_dtype=pl.String)),
    )
    dots = (
        alt.Chart()
        .mark_circle(size=70, opacity=0.75)
        .encode(
            x=alt.X("bias:Q", title="bias, as a share of the sale's revenue", axis=alt.Axis(format="+.0%")),
            y=alt.Y("design:N", sort=_order(), title=None, axis=alt.Axis(labelLimit=240)),
            color=alt.Color("world:N", title="world"),
        )
    )
    zero = alt.Chart().mark_rule(color="#888").encode(x=alt.datum(0.0))
    return alt.layer(zero, dots, data=shown).properties(width=560, height=170).facet(row=alt.Row("level:N", title=None))


def markdown(figures: pl.DataFrame, size: Size, command: str) -> str:
    """The page: how it was made, the designs that `design()` chooses, means over worlds, and every world."""
    most, least = figures["replicates"].max(), figures["replicates"].min()
    replicates = (
        f"{most} replicates" if most == least else f"{most} replicates, or {least} of designs that nobody should choose"
    )
    return "\n".join([_intro(size, replicates, command), *_chosen(figures), *_means(figures), *_worlds(figures)]) + "\n"


def _intro(size: Size, replicates: str, command: str) -> str:
    back = [float(returned(cut)) for cut in (CONTROL, TREATMENT)]
    return f"""# Which test tells the truth about a sale?

Generated by `{command}`; do not edit.

A sale of {size.n_deals} deals in 16 windows of two hours over four days. Control: 30 % off. Treatment: the same deals
at a price 25 % higher. What is tested is the net revenue of the sale: {back[0]:.1%} of the units sold at the low
price come back, {back[1]:.1%} of those sold at the high one. *Stock* is what is allotted to each deal, as a multiple
of its expected demand at the control price. The shop's forecast is wrong: by a factor with a log standard deviation
of {ITEM_ERROR:g} for each item and {CELL_ERROR:g} for each of its windows. Every figure is over
{replicates} (futures, with arms drawn anew). The simulated shop says what customers want of each deal in each window at
each price, in futures that are the same for every design; shelves are emptied window by window.

**Truth** is what the whole sale earns, all stock in one heap, if everybody has the treatment price, less what it
earns if everybody has the control price, as a share of control. **Bias** is the mean estimate less that. **Covers**
is the share of 95 % intervals that hold the mean truth over all futures, which is harder than to hold the truth of
the one future in which the test ran (**own**). **Width** is half of the
interval's. **Rejects** is the share that
reject no effect (power), **wrong sign** the share that reject it on the wrong side, **A/A** the share that reject
where both arms are alike. The world `sell_outs` is left out: it differs from `log_linear` by its stock, which is set
here.

Why each design errs where it errs:

- With **shared stock** the cheaper arm, or the cheaper window, empties the shelf of the other, so the dearer price
  looks worse than it is.
- **Stock cut into windows** makes sixteen small sales. One sells out while another keeps what it could not sell, so a
  price that sells slowly looks worse than in one sale, and a cheap one at ample stock looks worse, too.
- The **slot-split switchback** gives each price one quota for all of its windows. Each arm is a sale of half the
  size, which loses a little of what one heap sells (half a per cent of revenue), and the analysis goes by item: what
  an arm sold of an item, divided by its share of the quota. Chance is judged by substitution groups, not by windows,
  of which there are few. All items switch together, so that they do not meet at two prices. Orders of the windows are
  drawn among those that balance each day's expected demand, since a day's traffic moves all items at once.
- The **stock-split** gives each half of the customers half of the stock. Customers are not the only chance: a demand
  of items differs from sale to sale. Its interval knows both. Sold-out offers bring price x quota, whoever buys.
- **Items** share no stock, but in some worlds they share customers or attention: then a dearer deal sends its
  customers to the cheaper ones, and the comparison sees them twice. Treating whole substitution groups alike mends
  the first (`substitution`) and not the second (`attention`, `mixture`): there its estimates stay biased, and only its
  wide intervals save it. It is the design for sales with fewer than four windows, and it says what it assumes.

A customer split of a price shows two prices for one item at a moment. It stands here for any lever of this strength
that works on customers, such as a coupon or a ranking; `design()` offers it for these alone. Where stock is plentiful
its usual interval (Welch's t on customers) holds the truth of its own sale. It does not know that the demand of items
differs from sale to sale, so it holds the mean over sales less often, in one world much less; the analysis of a
stock-split (`experiments.stock_split`) knows.

![bias of each design](images/experiment_truth.png)
"""


def _chosen(figures: pl.DataFrame) -> list[str]:
    """Pooled figures of the designs that are chosen, beside the naive one."""
    told = (
        "Pooled over worlds and the levels of stock at which the design is chosen. **Limit** is the largest share of "
        "A/A rejections\nthat a test at 5 % shows by chance (one-sided, 5 % divided by the number of rows)."
    )
    lines = [
        "## The designs that `design()` chooses, beside the naive split",
        "",
        told,
        "",
        "| lever | design | stock | runs | covers | worst world | wrong sign | worst | power | A/A | limit |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for lever, name, levels in CHOSEN:
        part = figures.filter(pl.col("design") == designs_found()[name].NAME, pl.col("stock").is_in(levels))
        if part.is_empty():
            continue
        runs = int(part["replicates"].sum())
        pooled = part.select(
            (pl.col("coverage", "wrong_sign", "rejects", "aa_rejects") * pl.col("replicates")).sum() / runs
        ).row(0)
        limit = float(binom.ppf(1.0 - 0.05 / len(CHOSEN), runs, 0.05)) / runs
        lines.append(
            f"| {lever} | {part['design'][0]} | {', '.join(f'{one:g}' for one in levels)} | {runs:,} | {pooled[0]:.1%} "
            f"| {part['coverage'].min():.1%} | {pooled[1]:.2%} | {part['wrong_sign'].max():.1%} | {pooled[2]:.0%} "
            f"| {pooled[3]:.2%} | {limit:.2%} |"
        )
    return [*lines, ""]


def _means(figures: pl.DataFrame) -> list[str]:
    lines = [
        "## Mean over worlds, and the worst of them",
        "",
        "| stock | design | bias | worst | covers | worst | own | width | rejects | wrong sign | worst | A/A | worst |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for stock in figures["stock"].unique().sort():
        for design in _order():
            part = figures.filter((pl.col("stock") == stock) & (pl.col("design") == design))
            if part.is_empty():
                continue
            far = part.sort(pl.col("bias").abs())["bias"][-1]
            mean = {name: float(part.select(pl.col(name).mean()).item()) for name in list(SCHEMA)[6:]}
            lines.append(
                f"| {stock:g} | {design} | {mean['bias']:+.1%} | {far:+.1%} | {mean['coverage']:.1%} "
                f"| {part['coverage'].min():.1%} | {mean['coverage_own']:.1%} | {mean['half_width']:.1%} "
                f"| {mean['rejects']:.0%} | {mean['wrong_sign']:.1%} | {part['wrong_sign'].max():.1%} "
                f"| {mean['aa_rejects']:.1%} | {part['aa_rejects'].max():.1%} |"
            )
    return [*lines, ""]


def _worlds(figures: pl.DataFrame) -> list[str]:
    lines = [
        "## Every world",
        "",
        "Truth and bias as shares of the control revenue, with their Monte-Carlo standard errors.",
        "",
        "| world | stock | design | truth | bias | covers | own | rejects | wrong sign | A/A |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rank = {name: k for k, name in enumerate(_order())}
    rows = sorted(figures.iter_rows(named=True), key=lambda r: (r["world"], r["stock"], rank[r["design"]]))
    lines += [
        f"| {row['world']} | {row['stock']:g} | {row['design']} | {row['truth']:+.1%} ± {row['truth_error']:.1%} "
        f"| {row['bias']:+.1%} ± {row['bias_error']:.1%} | {row['coverage']:.1%} | {row['coverage_own']:.1%} "
        f"| {row['rejects']:.0%} | {row['wrong_sign']:.1%} | {row['aa_rejects']:.1%} |"
        for row in rows
    ]
    return lines
