from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from tests.recommend.log import START, log

from flashlift.errors import InputError
from flashlift.recommend import Popularity

REGIONS = {"n1": "north", "n2": "north", "s1": "south"}
EVENTS = log(
    [(0, "n1", "old", "purchase")]
    + [(100 + k, "n1", "snow", "purchase") for k in range(5)]
    + [(110 + k, "s1", "sun", "purchase") for k in range(4)]
    + [(120, "x", "seen", "view"), (121, "n2", "sun", "refund")],
    REGIONS,
)
AT = START + timedelta(hours=200)
ITEMS = ["old", "snow", "sun", "seen", "unknown"]


def test_shares_are_shrunken_towards_the_shop_and_its_interactions():
    model = Popularity.fit(EVENTS, days=5, shrinkage=2.0)
    score = model.score(EVENTS, ["n2", "s1", "nobody"], AT, ITEMS)
    interest = np.array([0, 5, 4, 1, 0]) / 10
    shop = (np.array([0, 5, 4, 0, 0]) + 2 * interest) / (9 + 2)
    north = (np.array([0, 5, 0, 0, 0]) + 2 * shop) / (5 + 2)
    south = (np.array([0, 0, 4, 0, 0]) + 2 * shop) / (4 + 2)
    np.testing.assert_allclose(score, [north, south, shop])


def test_the_customers_table_goes_before_the_log():
    people = pl.DataFrame({"customer_id": ["n2", "s1"], "region": ["south", None], "segment": [None, None],
                           "account_id": [None, None]}, schema_overrides={"segment": pl.String})  # fmt: skip
    model = Popularity.fit(EVENTS, people, days=5)
    assert dict(model.segments.rows()) == {"n1": "north", "n2": "south", "s1": "south"}


def test_events_at_or_after_the_moment_change_nothing():
    model = Popularity.fit(EVENTS, days=5)
    later = log([(200, "n1", "unknown", "purchase"), (300, "n1", "old", "purchase")], REGIONS)
    now = model.score(EVENTS, ["n1", "s1"], AT, ITEMS)
    assert (model.score(pl.concat([EVENTS, later]), ["n1", "s1"], AT, ITEMS) == now).all()


def test_a_log_without_events_scores_zero():
    model = Popularity.fit(EVENTS.clear())
    assert (model.score(EVENTS.clear(), ["n1"], AT, ITEMS) == 0).all()


def test_views_rank_a_shop_without_purchases():
    views = log([(1, "a", "x", "view"), (2, "a", "y", "view"), (3, "b", "y", "view")])
    score = Popularity.fit(views).score(views, ["a"], AT, ["x", "y"])
    assert score[0, 1] > score[0, 0] > 0


@pytest.mark.parametrize("shrinkage", [1e-9, 1e9])
def test_extreme_shrinkage_gives_the_segment_or_the_shop(shrinkage):
    score = Popularity.fit(EVENTS, days=5, shrinkage=shrinkage).score(EVENTS, ["n1", "s1"], AT, ["snow", "sun"])
    expected = [[1, 0], [0, 1]] if shrinkage < 1 else [[0.5, 0.4], [0.5, 0.4]]
    np.testing.assert_allclose(score, expected, atol=1e-6)


def test_a_window_of_no_length_is_refused():
    with pytest.raises(InputError, match="days=0"):
        Popularity.fit(EVENTS, days=0)
