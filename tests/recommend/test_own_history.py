from datetime import timedelta

import numpy as np
from tests.recommend.log import START, log

from flashlift.recommend import OwnHistory, Popularity

EVENTS = log(
    [(k, "a", "tea", "purchase") for k in range(2)]
    + [(5, "a", "cup", "purchase"), (6, "a", "pot", "refund")]
    + [(10 + k, "b", "hat", "purchase") for k in range(5)]
    + [(300, "a", "hat", "purchase")],
    {},
)
AT = START + timedelta(hours=200)
ITEMS = ["hat", "cup", "tea", "pot", "unknown"]


def scores(events=EVENTS, customers=("a", "b", "nobody")):
    model = OwnHistory(otherwise=Popularity.fit(events.filter(events["at"] < AT)))
    return model.score(events, customers, AT, ITEMS)


def test_own_counts_come_first_and_popularity_breaks_ties():
    of_a, of_b, of_nobody = scores()
    assert [ITEMS[k] for k in np.argsort(-of_a)][:3] == ["tea", "cup", "hat"]
    assert ITEMS[int(np.argmax(of_b))] == "hat"
    assert ITEMS[int(np.argmax(of_nobody))] == "hat"
    assert np.floor(of_a + 1 - 1e-9)[[1, 2]].tolist() == [1.0, 2.0]


def test_the_future_changes_nothing():
    np.testing.assert_array_equal(scores(), scores(EVENTS.filter(EVENTS["at"] < AT)))
