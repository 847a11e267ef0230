from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.behavior.log import hours, shop

from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.seen import Met, Seen
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.schema import EVENT_KINDS

EVENTS = shop(np.random.default_rng(0), n_customers=9)
VOCABULARY = Vocabulary.fit(EVENTS, max_items=50)
HISTORIES = Histories.build(EVENTS, VOCABULARY, before=hours(9999))
MOMENTS = Snapshots(customer=np.array([0, 3, 3, 8]), at=np.array([instant(hours(x)) for x in (5, 500, 1500, 2000)]))


def plain(customer, at, code):
    """The definition, from the customer's own events."""
    own = slice(*HISTORIES.offsets[customer : customer + 2])
    before = HISTORIES.at[own] < at
    met = HISTORIES.at[own][before & (HISTORIES.item[own] == code)]
    if not len(met):
        return [0.0] * 4
    return [1.0, np.log(len(met)), np.log1p((at - met.max()) / 86_400e6), np.log(before.sum())]


def test_features_equal_the_definition_for_shared_and_for_own_candidates():
    seen, codes = Seen.build(HISTORIES, VOCABULARY.size), np.array([3, 1, 3, 7, 99])
    expected = [[plain(c, at, code) for code in codes] for c, at in zip(MOMENTS.customer, MOMENTS.at, strict=True)]
    np.testing.assert_allclose(seen.features(MOMENTS, codes), expected, rtol=1e-5)
    np.testing.assert_allclose(seen.features(MOMENTS, np.tile(codes, (4, 1))), expected, rtol=1e-5)


def test_met_items_are_those_of_the_customer():
    seen = Seen.build(HISTORIES, VOCABULARY.size)
    met = seen.met(MOMENTS, 50)
    for row, customer in enumerate(MOMENTS.customer):
        own = HISTORIES.item[HISTORIES.offsets[customer] : HISTORIES.offsets[customer + 1]]
        assert sorted(set(met[row]) - {0}) == sorted(set(own.tolist()))
    assert seen.met(MOMENTS, 2).shape == (4, 2)


def test_it_knows_whether_anybody_comes_back_to_an_item():
    assert Seen.build(HISTORIES, VOCABULARY.size).repeats
    once = EVENTS.unique(["customer_id", "item_id"], keep="first", maintain_order=True)
    assert not Seen.build(Histories.build(once, VOCABULARY, before=hours(9999)), VOCABULARY.size).repeats
    assert Seen.build(HISTORIES, VOCABULARY.size).features(MOMENTS, np.array([60])).sum() == 0


@given(st.permutations(range(30)))
def test_what_one_customer_met_can_be_told_event_by_event_in_any_order(order):
    part = slice(HISTORIES.offsets[1], HISTORIES.offsets[1] + 30)
    at, item, kind = HISTORIES.at[part], HISTORIES.item[part].copy(), HISTORIES.kind[part].copy()
    item[::7], kind[::5] = 0, EVENT_KINDS.index("refund")
    alone = replace(HISTORIES, customers=["c"], offsets=np.array([0, 30]), at=at, item=item, kind=kind)
    moment = Snapshots(customer=np.zeros(1, dtype=np.int64), at=at[-1:] + 1)
    _, expected_codes, expected = Seen.build(alone, VOCABULARY.size).sparse(moment, np.arange(VOCABULARY.size))
    met = Met.of(alone, 0)
    for k in order:
        met.add(int(item[k]), int(kind[k]), int(at[k]))
    for told in (met, Met.of(alone, 30)):
        codes, values = told.features(int(moment.at[0]), 30)
        np.testing.assert_array_equal(np.sort(codes), expected_codes)
        np.testing.assert_allclose(values[np.argsort(codes)], expected, rtol=1e-6)
