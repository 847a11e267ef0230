"""Match cancellations to the purchases they cancel.

A cancellation matches a purchase of the same item by the same customer that happened earlier and has at least as many
units left. Among several, the one with the cancellation's own order_id wins, then the latest, and at one instant the
smallest. Cancellations take their turn in order of time (at one instant the largest first), and each uses up the
units it returns. Sales to nobody known match nothing.

The outcome depends on the set of rows only, not on the order in which files brought them nor on the key of the
pseudonyms, so a purchase that arrives after its cancellation still finds it.
"""

from __future__ import annotations

import polars as pl

__all__ = ["match_cancellations"]

_PAIR = ["customer_id", "item_id"]
# At one instant the smallest purchase that is large enough comes last and is taken. An event_id may hold a pseudonym,
# whose order is the key's, so it decides only between what is equal.
_ORDER = ["at", "quantity", "order_id", "event_id"]
_DESCENDING = [False, True, False, False]


def match_cancellations(cancellations: pl.DataFrame, purchases: pl.DataFrame) -> pl.DataFrame:
    """The purchase of each cancellation that has one.

    Works in rounds: the k-th round settles the k-th cancellation of every (customer, item) at once.

    Args:
        cancellations: `event_id`, `customer_id`, `item_id`, `at`, `quantity` (positive), `order_id`.
        purchases: the same columns.

    Returns:
        `event_id` of matched cancellations, `purchase_id` (the purchase's event_id) and its `order_id`.
    """
    turns = (
        cancellations.select("event_id", *_PAIR, "at", "quantity", "order_id")
        .drop_nulls(_PAIR)
        .sort(*_ORDER, descending=_DESCENDING)
        .with_columns(turn=pl.int_range(pl.len()).over(_PAIR))
    )
    bought = (
        purchases.join(turns.select(_PAIR).unique(), on=_PAIR, how="semi")
        .sort(*_ORDER, descending=_DESCENDING)
        .select(*_PAIR, purchase_id="event_id", bought_at="at", purchase_order="order_id", left="quantity")
        .with_row_index("place")
    )
    left = bought["left"].to_numpy().copy()
    matches = [pl.DataFrame(schema={"event_id": pl.String, "purchase_id": pl.String, "order_id": pl.String})]
    for (_,), turn in turns.group_by("turn", maintain_order=True):
        bought = bought.join(turn.select(_PAIR), on=_PAIR, how="semi")
        found = (
            turn.join(bought.with_columns(left=left[bought["place"].to_numpy()]), on=_PAIR)
            .filter((pl.col("bought_at") < pl.col("at")) & (pl.col("left") >= pl.col("quantity")))
            .with_columns(same_order=(pl.col("order_id") == pl.col("purchase_order")).fill_null(value=False))
            .sort("same_order", "place")
            .unique("event_id", keep="last", maintain_order=True)
        )
        left[found["place"].to_numpy()] -= found["quantity"].to_numpy()
        matches.append(found.select("event_id", "purchase_id", order_id="purchase_order"))
    return pl.concat(matches)
