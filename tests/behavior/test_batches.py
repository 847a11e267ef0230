import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.behavior.log import hours, log, shop

from flashlift.behavior.batches import Windows, batch, by_length, last_windows, training_windows
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.vocabulary import Vocabulary


def coded(events):
    return Histories.build(events, Vocabulary.fit(events, max_items=50), before=hours(9999))


def test_training_windows_hold_every_event_before_the_end_once():
    histories = coded(shop(np.random.default_rng(0), n_customers=9))
    until = instant(hours(1500))
    windows = training_windows(histories, until, 20, rng=np.random.default_rng(1))
    read = np.concatenate([np.arange(a, b) for a, b in zip(windows.start, windows.stop, strict=True)])
    assert sorted(read) == np.flatnonzero(histories.at < until).tolist()
    assert windows.length.max() <= 20 and windows.length.min() > 0
    assert (histories.offsets[windows.customer] <= windows.start).all()
    assert (windows.stop <= histories.offsets[windows.customer + 1]).all()


def test_last_windows_end_before_the_snapshot():
    histories = coded(shop(np.random.default_rng(0), n_customers=9))
    snapshots = Snapshots(customer=np.arange(9), at=np.full(9, instant(hours(1500))))
    windows = last_windows(histories, snapshots, 20)
    for customer in range(9):
        own = [k for k in range(histories.offsets[customer], histories.offsets[customer + 1])
               if histories.at[k] < snapshots.at[0]]  # fmt: skip
        assert list(range(windows.start[customer], windows.stop[customer])) == own[-20:]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(31, 200), st.booleans())
def test_groups_hold_every_window_once_within_the_budget(lengths, tokens, mix):
    length = np.array(lengths)
    windows = Windows(customer=np.zeros_like(length), start=np.zeros_like(length), stop=length)
    groups = by_length(windows, tokens, rng=np.random.default_rng(0) if mix else None)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    assert all(len(rows) * (length[rows].max() + 1) <= tokens for rows in groups)


def test_codes_by_hand():
    histories = coded(log({"customer_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "hours": [0.0, 1.0, 30.0],
                           "event": ["view", "purchase", "cart"]}))  # fmt: skip
    windows = Windows(customer=np.array([0, 1]), start=np.array([0, 2]), stop=np.array([2, 3]))
    codes = batch(histories, windows)
    assert codes.item.tolist() == [[1, 2], [1, 0]]
    assert codes.kind.tolist() == [[0, 5], [3, 0]]
    assert codes.gap.tolist() == [[0, 12], [0, 0]]  # 3,600 s lie between 2^11 and 2^12
    assert codes.clock.tolist() == [[0, 1], [30, 0]]  # hours of the week; the log starts on a Monday
    assert codes.seconds.tolist() == [[0, 3600], [0, 0]]
    assert codes.price.isnan().all()
