from datetime import UTC, datetime

import numpy as np
import polars as pl
from tests.behavior.log import hours, log, shop

from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.snapshots import N_FACTS, Snapshots, facts, hours_to_purchase, spent, spread_snapshots
from flashlift.behavior.vocabulary import Vocabulary


def plain_facts(events, customer, at):
    """The same facts by filtering a table, one snapshot at a time."""
    before = events.filter((pl.col("customer_id") == customer) & (pl.col("at") < at))
    if before.is_empty():
        return [0.0] * N_FACTS
    hours_ago = [(at - time).total_seconds() / 3600 for time in before["at"]]
    recent = {days: sum(ago <= 24 * days for ago in hours_ago) for days in (1, 7, 30, 90)}
    since = [min(hours_ago), min(hours_ago), max(hours_ago)]  # every event of this shop is an order
    return np.log1p([*since, before.height, *(recent[d] for d in (1, 7, 30, 90)), *(recent[d] for d in (7, 30, 90))])


def coded(events):
    return Histories.build(events, Vocabulary.fit(events, max_items=50), before=hours(9999))


def test_facts_and_outcomes_equal_the_plain_ones():
    events = shop(np.random.default_rng(0), n_customers=8)
    histories = coded(events)
    snapshots = spread_snapshots(histories, instant(hours(100)), instant(hours(2000)), n=60,
                                 rng=np.random.default_rng(1))  # fmt: skip
    fast = facts(histories, snapshots)
    until = hours(1500)
    wait, seen = hours_to_purchase(histories, snapshots, until=instant(until))
    for row in range(60):
        customer = histories.customers[snapshots.customer[row]]
        at = datetime.fromtimestamp(snapshots.at[row] / 1e6, UTC)
        np.testing.assert_allclose(fast[row], plain_facts(events, customer, at), rtol=1e-5)
        later = events.filter((pl.col("customer_id") == customer) & pl.col("at").is_between(at, until, closed="left"))
        assert seen[row] == (later.height > 0)
        end = later["at"].min() if later.height else max(until, at)
        np.testing.assert_allclose(wait[row], (end - at).total_seconds() / 3600, atol=1e-6)


def test_customers_without_events_have_blank_facts():
    events = shop(np.random.default_rng(0), n_customers=3)
    histories = Histories.build(events, Vocabulary.fit(events, max_items=9), before=hours(9999), customers=["nobody"])
    assert (facts(histories, Snapshots(customer=np.array([0]), at=np.array([instant(hours(5))]))) == 0).all()


def test_what_was_spent_is_that_of_orders_before_the_snapshot():
    events = log({"customer_id": ["a", "a", "a", "b"], "item_id": ["x"] * 4, "hours": [1.0, 2.0, 5.0, 1.0],
                  "price": [2.0, None, 8.0, 4.0]})  # fmt: skip
    asked = [("a", 1), ("a", 2), ("a", 5), ("a", 6), ("b", 6)]
    histories = coded(events)
    snapshots = Snapshots(customer=np.array([histories.customers.index(name) for name, _ in asked]),
                          at=np.array([instant(hours(hour)) for _, hour in asked]))  # fmt: skip
    sums = np.log([[1, 2, 2, 16, 4]])
    np.testing.assert_allclose(spent(histories, snapshots), np.vstack([sums, [0, 1, 1, 2, 1]]).T, atol=1e-6)


def test_clock():
    friday = Snapshots(customer=np.array([0]), at=np.array([instant(datetime(2024, 11, 29, 20, 59, tzinfo=UTC))]))
    assert (friday.hour[0], friday.weekday[0]) == (20, 4)


def test_snapshots_spread_over_customers_and_time():
    histories = coded(shop(np.random.default_rng(0), n_customers=40))
    start, stop = instant(hours(1000)), instant(hours(2000))
    snapshots = spread_snapshots(histories, start, stop, n=4000, rng=np.random.default_rng(1))
    assert (snapshots.at >= start).all() and (snapshots.at < stop).all()
    assert (snapshots.at > histories.at[histories.offsets[snapshots.customer]]).all()
    # 40 customers who all came before the start: counts are binomial(4000, 1/40), five standard errors wide.
    counts = np.bincount(snapshots.customer, minlength=40)
    assert np.abs(counts - 100).max() < 5 * np.sqrt(100)
