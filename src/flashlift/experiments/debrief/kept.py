"""Whether the sale kept the campaign's limits, as far as the log tells."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from flashlift.domain import Campaign
from flashlift.experiments.debrief.happened import NOT_RUN
from flashlift.limits import BrandCount, Budget, CategoryCount, FunderBudget, MarginFloor, PerCustomer, SellThrough
from flashlift.schema import SaleItems

__all__ = ["kept_limits"]

Row = tuple[str, float | None, float | None, float | None, bool | None, str]
_TINY = 1e-6
_SCHEMA = {
    "limit": pl.String,
    "bound": pl.Float64,
    "planned": pl.Float64,
    "actual": pl.Float64,
    "kept": pl.Boolean,
    "says": pl.String,
}


def kept_limits(campaign: Campaign, offers: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """A row per limit that a log can tell of: limit, bound, planned, actual, kept (null: the log does not tell), says.

    Args:
        campaign: of the plan.
        offers: from `by_offer`.
        items: table SaleItems of the plan, with `funded`, the share of the discount that others pay.
    """
    facts = items.select(
        SaleItems.item_id.name, SaleItems.unit_cost.name, SaleItems.brand.name, SaleItems.cost_assumed.name, "funded"
    )
    rows = offers.join(facts, on=SaleItems.item_id.name, how="left", maintain_order="left")
    ran = rows.filter(pl.col("status") != NOT_RUN)
    found = [*_positions(campaign, rows, ran), *_quota(ran)]
    for limit in campaign.limits:
        match limit:
            case Budget():
                found.append(_budget("budget", limit.amount, rows, ran, 1.0 - pl.col("funded")))
            case FunderBudget():
                mine = pl.col("item_id").is_in(list(limit.item_ids)) | (pl.col("brand") == limit.brand).fill_null(False)
                share = pl.when(mine).then(limit.share).otherwise(0.0)
                found.append(_budget(f"budget of {limit.funder}", limit.amount, rows, ran, share))
            case MarginFloor():
                found.append(_margin(limit, rows, ran))
            case PerCustomer():
                found.append(_per_customer(limit, ran))
            case SellThrough():
                found.append(_sell_through(limit, rows, ran))
            case CategoryCount():
                inside = (pl.col("category") == limit.category) | pl.col("category").str.starts_with(
                    f"{limit.category}/"
                )
                found += _count(f"category {limit.category}", limit, rows.filter(inside), ran.filter(inside))
            case BrandCount():
                inside = pl.col("brand") == limit.brand
                found += _count(f"brand {limit.brand}", limit, rows.filter(inside), ran.filter(inside))
            case _:
                pass
    return pl.DataFrame(found, schema=_SCHEMA, orient="row")


def _positions(campaign: Campaign, rows: pl.DataFrame, ran: pl.DataFrame) -> Iterator[Row]:
    used = dict(ran.group_by("slot_id").len().iter_rows())
    planned = dict(rows.group_by("slot_id").len().iter_rows())
    for slot in campaign.slots:
        if slot.slot_id in planned:
            live = float(used.get(slot.slot_id, 0))
            yield (
                f"positions of {slot.slot_id}",
                float(slot.positions),
                float(planned[slot.slot_id]),
                live,
                live <= slot.positions,
                "offers that ran",
            )


def _quota(ran: pl.DataFrame) -> Iterator[Row]:
    over = ran.filter(pl.col("units") > pl.col("quota"))
    most = float((ran["units"] - ran["quota"]).max() or 0) if ran.height else 0.0  # type: ignore[arg-type]
    names = ", ".join(over["item_id"].head(5))
    says = f"oversold: {names}" if over.height else "no offer sold more than its quota"
    yield ("quota of every offer", 0.0, None, max(most, 0.0), over.is_empty(), says)


def _budget(name: str, amount: float, rows: pl.DataFrame, ran: pl.DataFrame, share: pl.Expr) -> Row:
    listed = pl.col("list_price")
    planned = rows.select((share * (listed - pl.col("planned_price")) * pl.col("planned_units")).sum()).item()
    spent = ran.select((share * (listed - pl.col("price")).clip(lower_bound=0.0) * pl.col("units")).sum()).item()
    return name, amount, float(planned), float(spent), spent <= amount * (1 + _TINY), "discount on units sold"


def _margin(limit: MarginFloor, rows: pl.DataFrame, ran: pl.DataFrame) -> Row:
    def least(frame: pl.DataFrame, price: str) -> float | None:
        found = frame.select(((pl.col(price) - pl.col("unit_cost")) / pl.col(price)).min()).item()
        return None if found is None else float(found)

    sold = ran.filter(pl.col("units") > 0)
    actual = least(sold, "price")
    kept = None if actual is None else actual >= limit.margin_frac - 1e-4
    cost = " (some unit costs are assumed)" if rows["cost_assumed"].any() else ""
    return "margin floor", limit.margin_frac, least(rows, "planned_price"), actual, kept, f"least margin{cost}"


def _per_customer(limit: PerCustomer, ran: pl.DataFrame) -> Row:
    most = ran["most"].max()
    if most is None:
        return "units per customer", float(limit.maximum), None, None, None, "no customer is known in the sale"
    over = ran.filter(pl.col("most") > limit.maximum)
    says = f"broken in {over.height} offers" if over.height else "most units of one customer in an offer"
    return "units per customer", float(limit.maximum), None, float(most), over.is_empty(), says  # type: ignore[arg-type]


def _sell_through(limit: SellThrough, rows: pl.DataFrame, ran: pl.DataFrame) -> Row:
    least = ran["sell_through"].min()
    short = ran.filter(pl.col("sell_through") < limit.minimum_frac).height
    planned = (rows["planned_units"] / rows["quota"]).min()
    says = f"{short} of {ran.height} offers below; the limit is on what was expected"
    actual = None if least is None else float(least)  # type: ignore[arg-type]
    return "sell-through", limit.minimum_frac, float(planned), actual, None if least is None else short == 0, says  # type: ignore[arg-type]


def _count(name: str, limit: CategoryCount | BrandCount, rows: pl.DataFrame, ran: pl.DataFrame) -> Iterator[Row]:
    def counts(frame: pl.DataFrame) -> list[int]:
        return frame.group_by("slot_id").len()["len"].to_list() if limit.per_slot else [frame.height]

    planned, actual = counts(rows), counts(ran)
    if limit.maximum is not None:
        most = max(actual, default=0)
        yield f"most of {name}", limit.maximum, max(planned, default=0), most, most <= limit.maximum, "offers that ran"
    if limit.minimum:
        least = min(actual, default=0)
        yield (
            f"least of {name}",
            limit.minimum,
            min(planned, default=0),
            least,
            least >= limit.minimum,
            "offers that ran",
        )
