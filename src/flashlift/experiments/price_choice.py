"""What another choice of prices would have earned in the offers whose price was drawn by lot.

A plan is valued like any policy: a round is an explored place of the plan (an item in a slot), its actions are the
prices of the lot, and their propensities were written down before the sale (`flashlift.planning.explore`). A choice of
one price in each place is a deterministic policy: rounds that drew the chosen price count with weight 1 / propensity.
What the plan expected at each price takes the place of the reward model, so that DR needs no fit: it was told before
the outcome. Three of a hundred places are explored at most, so one sale is too small a log; put several into one table,
told apart by a column `sale`. Rounds of one item in one sale are taken to depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from flashlift.errors import InputError
from flashlift.experiments.off_policy import PolicyValue, Valuation, value
from flashlift.experiments.policy_table import PolicyTable
from flashlift.experiments.reward_model import Rewards

__all__ = ["PriceChoice", "value_prices"]

PriceChoice = Literal["planned", "lowest", "highest"]
CHOICES: Mapping[str, pl.Expr] = {
    "planned": pl.col("planned"),
    "lowest": pl.col("price") == pl.col("price").min(),
    "highest": pl.col("price") == pl.col("price").max(),
}
LOT = ("item_id", "slot_id", "price", "propensity", "planned", "drawn", "expected_units")


def value_prices(
    lots: pl.DataFrame,
    sold: pl.DataFrame,
    choice: PriceChoice | pl.DataFrame = "planned",
    asked: Valuation | None = None,
) -> PolicyValue:
    """Value a price for each explored place from what was sold at the drawn prices.

    The reward is units x (price - unit cost): contribution in the slot itself, pull-forward and cannibalization not
    subtracted, so compare choices by it and not a sale with no sale.

    Args:
        lots: exploration.csv, or those of several sales with a column `sale`: `item_id`, `slot_id`, `price`,
            `propensity`, `planned`, `drawn`, `expected_units`; a row for each price that could have been drawn.
        sold: `item_id`, `slot_id` (and `sale`): `units` sold there, `unit_cost` (0 values revenue).
        choice: `planned` (the best plan's own price), `lowest`, `highest`, or a table of `item_id`, `slot_id` (and
            `sale`) with one `price` of its lot for every place.
        asked: what is asked; the metric is "contribution per explored offer" where it is None.

    Raises:
        InputError: a column is missing, a place lacks its sales or its choice, a chosen price is none of the lot's, or
            a lot did not draw exactly one price.
        InsufficientDataError: too few places, or none that drew the chosen price.
    """
    place = ["sale", "item_id", "slot_id"] if "sale" in lots.columns else ["item_id", "slot_id"]
    place_id = pl.concat_str(place, separator=" / ")
    _check(lots, LOT, "lots")
    _check(sold, (*place, "units", "unit_cost"), "table of units sold")
    rows = lots.join(sold, on=place, how="left", maintain_order="left").with_columns(
        place=place_id, drawn=pl.col("drawn").cast(pl.Boolean), planned=pl.col("planned").cast(pl.Boolean)
    )
    _check_lots(rows)
    chosen = _chosen(rows, choice, place)
    margin = pl.col("price") - pl.col("unit_cost")
    rows = rows.with_columns(
        chosen=chosen, reward=pl.col("units") * margin, model=pl.col("expected_units") * margin
    ).with_columns(expected=pl.col("model").filter(pl.col("chosen")).first().over("place"))
    drawn = rows.filter("drawn")
    action = pl.when("chosen").then(pl.lit("chosen")).otherwise(pl.lit("another"))
    unit = pl.concat_str([name for name in place if name != "slot_id"], separator=" / ")
    return value(
        drawn.select("reward", "propensity", action=action, unit_id=unit),
        PolicyTable(table=pl.DataFrame({"action": ["chosen"], "probability": [1.0]})),
        asked or Valuation(metric="contribution per explored offer"),
        rewards=Rewards(predicted=drawn["model"].to_numpy(), expected=drawn["expected"].to_numpy()),
    )


def _check(table: pl.DataFrame, names: Sequence[str], what: str) -> None:
    if missing := [name for name in names if name not in table.columns]:
        raise InputError(f"The {what} lacks the column {', '.join(missing)}. It has {', '.join(table.columns)}.")


def _check_lots(rows: pl.DataFrame) -> None:
    unsold = rows.filter(pl.col("units").is_null() | pl.col("unit_cost").is_null())
    if unsold.height:
        raise InputError(
            f"No units or no unit cost are given for {unsold['place'].n_unique():,} explored places, the first "
            f"{unsold['place'][0]}. Add them (0 units where nothing was sold)."
        )
    per = rows.group_by("place", maintain_order=True).agg(
        pl.col("drawn").sum(), pl.col("propensity").sum(), one=pl.col("price").is_unique().all()
    )
    wrong = per.filter((pl.col("drawn") != 1) | ((pl.col("propensity") - 1.0).abs() > 1e-6) | ~pl.col("one"))
    if wrong.height:
        raise InputError(
            f"The lot of {wrong['place'][0]} drew {wrong['drawn'][0]} prices with propensities that add up to "
            f"{wrong['propensity'][0]:g}. It must hold every price once, one of them drawn, propensities adding up to "
            "1; tell the sales apart by a column sale where the table holds several."
        )


def _chosen(rows: pl.DataFrame, choice: PriceChoice | pl.DataFrame, place: list[str]) -> pl.Series:
    """Whether each row's price is the one that is chosen for its place."""
    if isinstance(choice, str):
        if choice not in CHOICES:
            raise InputError(f"There is no choice {choice!r} of prices. Use {', '.join(CHOICES)}, or a table.")
        chosen = rows.select(CHOICES[choice].over("place").alias("chosen"))["chosen"]
    else:
        _check(choice, (*place, "price"), "choice of prices")
        wanted = choice.select(*place, wanted="price")
        beside = rows.join(wanted, on=place, how="left", maintain_order="left")
        chosen = ((beside["wanted"] - beside["price"]).abs() < 0.005).fill_null(False)
    without = rows.select("place", chosen=chosen).group_by("place", maintain_order=True).agg(pl.col("chosen").sum())
    wrong = without.filter(pl.col("chosen") != 1)
    if wrong.height:
        raise InputError(
            f"{wrong.height:,} explored places have no price of their lot chosen, or several; the first is "
            f"{wrong['place'][0]}. Choose one of its prices."
        )
    return chosen
