import numpy as np
import pytest
from tests.behavior.log import hours, log, shop

from flashlift.behavior.aggregates import AGGREGATES, aggregates
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.snapshots import Snapshots, spread_snapshots
from flashlift.behavior.vocabulary import Vocabulary

LATE = hours(24 * 400)


def coded(events):
    return Histories.build(events, Vocabulary.fit(events, max_items=100), before=LATE)


def at(histories, moment):
    table = aggregates(histories, Snapshots(customer=np.array([0]), at=np.array([instant(moment)])))
    return dict(zip(AGGREGATES, table[0], strict=True))


@pytest.fixture
def one():
    return coded(log({
        "customer_id": ["c"] * 6, "item_id": ["a", "b", "a", "a", "b", "c"],
        "event": ["view", "cart", "purchase", "view", "purchase", "view"], "hours": [0.0, 1, 2, 100, 122, 1000],
    }))  # fmt: skip


def test_counts_gaps_and_recency_of_a_history_written_by_hand(one):
    found = {name: np.expm1(value) for name, value in at(one, hours(130)).items()}
    expected = {
        "view_1d": 0, "view_7d": 2, "cart_7d": 1, "purchase_7d": 2, "purchase_1d": 1, "favorite_90d": 0,
        "view_since_order": 0, "hours_since_event": 8, "hours_since_order": 8, "hours_since_first_event": 130,
        "hours_since_view": 30, "hours_since_cart": 129, "orders": 2, "mean_gap": 120, "last_gap": 120,
        "gap_to_date_over_mean_gap": 8 / 120, "distinct_items": 2, "new_items_1d": 0, "new_items_7d": 2,
        "active_days": 3, "lines_per_order": 1,
    }  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def test_orders_in_the_same_days_of_the_week_are_those_ahead(one):
    early = at(one, hours(7 * 24 + 1))  # a week after hour 1: the order at hour 2 lies in the day ahead, 122 in seven
    assert np.expm1(early["orders_same_1d_of_the_week"]) == pytest.approx(1)
    assert np.expm1(early["orders_same_7d_of_the_week"]) == pytest.approx(2)


def test_nothing_at_or_after_the_moment_is_read():
    events = shop(np.random.default_rng(0), n_customers=30)
    everything, moment = coded(events), hours(24 * 60)
    past = Histories.build(events, Vocabulary.fit(events, max_items=100), before=moment)
    rows = {name: row for row, name in enumerate(past.customers)}
    places = [row for row, name in enumerate(everything.customers) if name in rows]
    when = np.full(len(places), instant(moment))
    before = aggregates(past, Snapshots(customer=np.array([rows[everything.customers[k]] for k in places]), at=when))
    np.testing.assert_array_equal(before, aggregates(everything, Snapshots(customer=np.array(places), at=when)))


def test_a_customer_alone_has_the_same_aggregates_as_among_others():
    events = shop(np.random.default_rng(1), n_customers=20)
    together, moment = coded(events), hours(24 * 50)
    vocabulary = Vocabulary.fit(events, max_items=100)
    for row, name in enumerate(together.customers[:5]):
        alone = Histories.build(events, vocabulary, before=LATE, customers=[name])
        when = np.array([instant(moment)])
        np.testing.assert_array_equal(
            aggregates(alone, Snapshots(customer=np.array([0]), at=when)),
            aggregates(together, Snapshots(customer=np.array([row]), at=when)),
        )


def test_a_customer_without_events_is_finite():
    events = log({"customer_id": ["c"], "item_id": ["a"], "hours": [1.0]})
    empty = Histories.build(events, Vocabulary.fit(events, max_items=5), before=LATE, customers=["nobody"])
    table = aggregates(empty, Snapshots(customer=np.array([0]), at=np.array([instant(LATE)])))
    assert table.shape == (1, len(AGGREGATES)) and np.isfinite(table).all()


def test_everything_is_finite_at_random_moments():
    histories = coded(shop(np.random.default_rng(2), n_customers=30))
    snapshots = spread_snapshots(histories, instant(hours(0)), instant(hours(2000)), n=500,
                                 rng=np.random.default_rng(0))  # fmt: skip
    assert np.isfinite(aggregates(histories, snapshots)).all()
