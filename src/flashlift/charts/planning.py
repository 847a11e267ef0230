"""Charts of a plan: calendar, what limits cost, comparison with rules of thumb, profit against gross sales."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from flashlift.charts.theme import INK, LABEL, MAIN, MUTED, SEQUENCE, WIDTH, Chart, checked, headed, labeled, styled
from flashlift.errors import InputError

__all__ = ["calendar", "limit_prices", "pareto", "value_comparison"]


def calendar(plan: pl.DataFrame, *, currency: str, most_items: int = 60) -> Chart:
    """The plan: slots on x, an item per row, each offer a tile with its discount and price.

    Args:
        plan: `slot_id`, `start` (UTC), `item_id`, `title`, `discount_frac`, `price`, `quota`, `expected_value`.
        currency: of the prices.
        most_items: rows shown at most; the items with the largest expected value stay, and the title says so.
    """
    names = ["slot_id", "start", "item_id", "title", "discount_frac", "price", "quota", "expected_value"]
    offers = checked(plan, names, "calendar")
    worth = (
        offers.group_by("item_id")
        .agg(pl.col("expected_value").sum())
        .sort("expected_value", "item_id", descending=True)
    )
    kept = offers.filter(pl.col("item_id").is_in(worth["item_id"].head(most_items).implode()))
    when = pl.col("start").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    data = kept.sort("start", "slot_id", "expected_value", descending=[False, False, True]).with_columns(
        item=labeled(30),
        slot=when.dt.strftime("%a %d %b|%H:%M|") + pl.col("slot_id"),
        tile=pl.format("−{}%\u2002{}", (pl.col("discount_frac") * 100).round(0).cast(pl.Int64), _money("price")),
    )
    rows, slots = (data[name].unique(maintain_order=True).to_list() for name in ("item", "slot"))
    wide = max(96, (WIDTH - 220) // len(slots))
    base = alt.Chart(data).encode(
        x=alt.X(
            "slot:N",
            sort=slots,
            title="slot start (UTC)",
            axis=alt.Axis(
                orient="top",
                labelAngle=0,
                labelPadding=20,
                labelExpr="slice(split(datum.label, '|'), 0, 2)",
                ticks=False,
                domain=False,
            ),
        ),
        y=alt.Y(
            "item:N",
            sort=rows,
            title=None,
            axis=alt.Axis(labelExpr=LABEL, labelLimit=260, ticks=False, domain=False),
        ),
    )
    shade = alt.Scale(range=SEQUENCE, zero=False)
    tiles = base.mark_rect(cornerRadius=4, stroke="white", strokeWidth=2).encode(
        color=alt.Color(
            "discount_frac:Q", scale=shade, title="discount", legend=alt.Legend(format="%", orient="bottom")
        ),
        tooltip=[
            alt.Tooltip("title:N"),
            alt.Tooltip("item_id:N", title="item"),
            alt.Tooltip("discount_frac:Q", format=".0%", title="discount"),
            alt.Tooltip("price:Q", format=",.2f", title=f"price ({currency})"),
            alt.Tooltip("quota:Q", format=",", title="quota (units)"),
            alt.Tooltip("expected_value:Q", format=",.0f", title=f"expected profit gain ({currency})"),
        ],
    )
    middle = (float(offers["discount_frac"].min()) + float(offers["discount_frac"].max())) / 2  # type: ignore[arg-type]
    dark = alt.condition(f"datum.discount_frac > {middle}", alt.value("white"), alt.value(INK))
    text = base.mark_text(fontSize=11).encode(text="tile:N", color=dark)
    hidden = worth.height - len(rows)
    cut = f" The {len(rows)} items with the largest expected gain; {hidden} more are in the table." if hidden else ""
    title = headed(
        f"{offers.height} offers of {worth.height} items in {offers['slot_id'].n_unique()} slots",
        f"Each tile: discount and price in {currency}.{cut}",
    )
    return styled(alt.layer(tiles, text).properties(width=alt.Step(wide), height=alt.Step(24), title=title))


def _money(column: str) -> pl.Expr:
    """Price with exactly two decimals, as text."""
    cents = (pl.col(column) * 100).round(0).cast(pl.Int64)
    return pl.format("{}.{}", cents // 100, (cents % 100).cast(pl.String).str.zfill(2))


def limit_prices(prices: Mapping[str, float], *, currency: str, most: int = 15, of: str = "profit") -> Chart:
    """What one more unit of each limit would add to the expected profit; limits that cost nothing are left out.

    Args:
        prices: limit name -> profit per unit of the limit, or what else `of` names.
        currency: of the profit.
        most: bars shown at most.
        of: what the prices are of.
    """
    named = {"limit": list(prices), "value": [float(v) for v in prices.values()]}
    table = pl.DataFrame(named, schema={"limit": pl.String, "value": pl.Float64})
    binding = table.filter(pl.col("value").abs() > 1e-9).sort(pl.col("value").abs(), "limit", descending=[True, False])
    if binding.is_empty():
        raise InputError("No limit costs anything, so there is nothing to draw. Say that in words.")
    data = binding.head(most).with_columns(end=pl.col("value").clip(lower_bound=0.0))
    room = alt.Scale(domainMax=1.15 * float(data["end"].to_numpy().max()))  # for the figures beside the bars
    base = alt.Chart(data).encode(y=alt.Y("limit:N", sort=None, title=None))
    axis = alt.X("value:Q", title=f"{of} per unit of the limit ({currency})", scale=room, axis=alt.Axis(tickCount=6))
    bars = base.mark_bar(color=MAIN, height=16, cornerRadiusEnd=3).encode(x=axis)
    text = base.mark_text(align="left", dx=5).encode(x="end:Q", text=alt.Text("value:Q", format=",.2f"))
    name, change = data.row(0)[:2]
    title = headed(
        f"One more unit of '{name}' would change the {of} most: by {change:+,.2f} {currency}",
        f"{binding.height} of {table.height} limits hold the plan back; prices are duals of the relaxed problem.",
    )
    return styled(alt.layer(bars, text).properties(width=WIDTH - 200, height=alt.Step(26), title=title))


def value_comparison(comparison: pl.DataFrame, *, currency: str, highlight: str | None = None) -> Chart:
    """Expected incremental profit of plans with intervals, best first.

    Args:
        comparison: `plan`, `value`, `ci_lower`, `ci_upper`; a rule that cannot keep the limits has no value and no bar.
        currency: of the values.
        highlight: name of the plan to stress; the first row when not given.
    """
    data = checked(comparison, ["plan", "value", "ci_lower", "ci_upper"], "comparison")
    ours = highlight or str(data["plan"][0])
    data = data.drop_nulls("value").with_columns(ours=pl.col("plan") == ours).sort("value", descending=True)
    base = alt.Chart(data).encode(y=alt.Y("plan:N", sort=None, title=None))
    bars = base.mark_bar(height=18, cornerRadiusEnd=3).encode(
        x=alt.X("value:Q", title=f"expected incremental profit ({currency})", axis=alt.Axis(tickCount=6)),
        color=alt.condition("datum.ours", alt.value(MAIN), alt.value("#C3CBD4")),
        tooltip=["plan:N", *(alt.Tooltip(f"{name}:Q", format=",.0f") for name in ("value", "ci_lower", "ci_upper"))],
    )
    ranges = base.mark_rule(color=INK, strokeWidth=1.6).encode(x="ci_lower:Q", x2="ci_upper:Q")
    ends = [base.mark_tick(color=INK, thickness=1.6, size=9).encode(x=f"{end}:Q") for end in ("ci_lower", "ci_upper")]
    zero = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color=MUTED).encode(x="zero:Q")
    title = _comparison_title(data, ours, currency)
    return styled(alt.layer(bars, ranges, *ends, zero).properties(width=WIDTH - 180, height=alt.Step(34), title=title))


def _comparison_title(data: pl.DataFrame, ours: str, currency: str) -> alt.TitleParams:
    detail = "Valued on demand draws that the planner did not see; lines: intervals."
    others = data.filter(pl.col("plan") != ours)
    mine = data.filter(pl.col("plan") == ours)
    if others.is_empty() or mine.is_empty():
        return headed("Expected incremental profit", detail)
    best = others.row(0, named=True)
    lead = mine["value"].item() - best["value"]
    words = f"{lead:,.0f} {currency} ahead of" if lead >= 0.0 else f"{-lead:,.0f} {currency} behind"
    return headed(f"The {ours} is {words} the best other plan ({best['plan']})", detail)


def pareto(points: pl.DataFrame, *, currency: str) -> Chart:
    """Profit against gross sales: a plan at each point, none of which has more of both.

    Args:
        points: `weight`, `profit`, `revenue`, `buyers`, `offers`, as `flashlift.planning.pareto` gives them.
        currency: of the figures.
    """
    data = checked(points, ["weight", "profit", "revenue", "buyers", "offers"], "Pareto").sort("revenue")
    axis = alt.Axis(format=",.0f", tickCount=6)
    base = alt.Chart(data).encode(
        x=alt.X(
            "revenue:Q", title=f"gross sales added ({currency})", axis=axis, scale=alt.Scale(zero=False, nice=True)
        ),
        y=alt.Y(
            "profit:Q", title=f"incremental profit ({currency})", axis=axis, scale=alt.Scale(zero=False, nice=True)
        ),
        tooltip=[
            alt.Tooltip("profit:Q", format=",.0f", title=f"incremental profit ({currency})"),
            alt.Tooltip("revenue:Q", format=",.0f", title=f"gross sales added ({currency})"),
            alt.Tooltip("buyers:Q", format=",.0f"),
            alt.Tooltip("offers:Q"),
            alt.Tooltip("weight:Q", format=".3f", title="weight of gross sales"),
        ],
    )
    line = base.mark_line(color=MAIN, strokeWidth=2)
    dots = base.mark_point(color=MAIN, filled=True, size=80, opacity=1.0)
    words = base.mark_text(align="left", dx=8, dy=-8, color=MUTED).encode(text=alt.Text("weight:Q", format=".2f"))
    most, least = data.row(0, named=True), data.row(-1, named=True)
    title = "One plan has the most of both profit and gross sales"
    if data.height > 1:
        lost, won = most["profit"] - least["profit"], least["revenue"] - most["revenue"]
        title = (
            f"From the plan that earns most to the one that sells most: {won:+,.0f} of sales, {-lost:+,.0f} of profit"
        )
    detail = (
        f"Each point: a plan within all limits, on draws it was not made on, in {currency}; its weight of gross sales."
    )
    return styled(alt.layer(line, dots, words).properties(width=WIDTH - 60, height=300, title=headed(title, detail)))
