from datetime import UTC, datetime

import numpy as np
import polars as pl
from tests.behavior.log import hours, log, shop

from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.trend import Trend, trend_now
from flashlift.behavior.vocabulary import Vocabulary


def plain(events, at, item, half_life):
    """The definition, event by event."""
    times = events.filter((pl.col("item_id") == item) & (pl.col("at") < at))["at"]
    return np.log(0.5 + sum(0.5 ** ((at - time).total_seconds() / 86400 / half_life) for time in times))


def test_the_grid_and_the_moment_agree_with_the_definition():
    events = shop(np.random.default_rng(0), n_customers=5, days=40)
    vocabulary = Vocabulary.fit(events, max_items=50)
    histories = Histories.build(events, vocabulary, before=hours(9999))
    trend = Trend.build(histories, vocabulary.size, instant(hours(900)), 3.0)
    item_ids = vocabulary.items["item_id"].to_list()
    for row in (0, 1, 17, 63):
        at = datetime.fromtimestamp(trend.instants[row] / 1e6, UTC)
        expected = [plain(events, at, item, 3.0) for item in item_ids]
        np.testing.assert_allclose(trend.logs[row, 1:], expected, atol=1e-5)
        # The moment's own count forgets what is ten half-lives old: a thousandth of an event each.
        np.testing.assert_allclose(trend_now(events, at, item_ids, 3.0), expected, atol=0.02)


def test_a_row_knows_only_what_was_before():
    events = shop(np.random.default_rng(0), n_customers=5, days=40)
    vocabulary = Vocabulary.fit(events, max_items=50)
    histories = Histories.build(events, vocabulary, before=hours(9999))
    trend = Trend.build(histories, vocabulary.size, instant(hours(900)), 3.0)
    at = np.array([instant(hours(h)) for h in (130.0, 400.0, 899.0)])
    assert (trend.instants[trend.row(at)] <= at).all()


def test_unwanted_and_anonymous_events_do_not_count():
    events = log({"customer_id": ["a", "a", None, "a"], "item_id": ["x"] * 4, "hours": [1.0, 2.0, 3.0, 4.0],
                  "event": ["purchase", "refund", "purchase", "uncart"]})  # fmt: skip
    assert trend_now(events, hours(25), ["x", "y"], 1.0).tolist() == [np.log(0.5 + 0.5), np.log(0.5)]
