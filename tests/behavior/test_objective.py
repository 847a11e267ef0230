import numpy as np
from tests.behavior.log import SPLIT, TINY, hours, log

from flashlift.behavior.batches import Windows
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.losses import first_of_instant
from flashlift.behavior.objective import Objective
from flashlift.behavior.snapshots import Snapshots, hours_to_purchase
from flashlift.behavior.vocabulary import Vocabulary

BASKETS = log(
    {
        "customer_id": ["a"] * 6 + ["b"],
        "item_id": ["x", "y", "z", "z", "w", "v", "x"],
        "hours": [1.0, 1.0, 5.0, 5.0, 5.0, 1450.0, 2.0],
        "event": ["purchase", "purchase", "purchase", "purchase", "refund", "purchase", "view"],
        "order_id": ["1", "1", "2", "2", "2", "3", None],
    }
)


def objective():
    vocabulary = Vocabulary.fit(BASKETS, max_items=50)
    histories = Histories.build(BASKETS, vocabulary, before=SPLIT.valid_end)
    return vocabulary, Objective.build(histories, vocabulary.n_trained, TINY, instant(SPLIT.train_end),
                                       instant(hours(1700)), rng=np.random.default_rng(0))  # fmt: skip


def test_instants_open_with_their_first_event():
    _, built = objective()
    assert first_of_instant(built.histories).tolist() == [0, 0, 2, 2, 2, 5, 6]


def test_a_basket_is_asked_for_from_what_was_before_it():
    _, built = objective()
    windows = Windows(customer=np.array([0, 1]), start=np.array([1, 6]), stop=np.array([6, 7]))
    train_end, rng = instant(SPLIT.train_end), np.random.default_rng(0)
    asked = built.losses.questions(windows, 0, train_end, rng=rng)
    wanted = [1, 2, 3, 6]  # not the refund, and nothing after the end of training
    assert asked.code.tolist() == built.histories.item[wanted].tolist()
    assert asked.snapshots.at.tolist() == built.histories.at[wanted].tolist()
    assert asked.row.tolist() == [0, 0, 0, 1]
    assert asked.position.tolist() == [0, 1, 1, 0]  # both lines of order 2 after the one event read before it
    later = built.losses.questions(windows, train_end, instant(hours(1700)), rng=rng)
    assert (later.position.tolist(), later.code.tolist()) == ([4], built.histories.item[[5]].tolist())


def test_moments_lie_within_the_stretch_of_their_window():
    _, built = objective()
    windows = Windows(customer=np.array([0, 0, 1]), start=np.array([0, 2, 6]), stop=np.array([2, 5, 7]))
    row, moments, stretch = built.cut(windows, rng=np.random.default_rng(0))
    begin = built.histories.at[windows.start[row]]
    end = np.array([instant(hours(5)), instant(SPLIT.train_end), instant(SPLIT.train_end)])[row]
    assert (moments.at > begin).all() and (moments.at <= end).all()
    np.testing.assert_allclose(stretch, end - begin, atol=2)


def test_an_open_order_is_not_a_purchase_to_come():
    late = log({"customer_id": ["a", "a", "a"], "item_id": ["x", "y", "z"], "hours": [1.0, 3.0, 9.0],
                "order_id": ["1", "1", "2"]})  # fmt: skip
    histories = Histories.build(late, Vocabulary.fit(late, max_items=9), before=hours(99))
    wait, seen = hours_to_purchase(histories, Snapshots(customer=np.array([0]), at=np.array([instant(hours(2))])),
                                   until=instant(hours(99)))  # fmt: skip
    assert (wait[0], seen[0]) == (7.0, True)
