from datetime import timedelta

import numpy as np
import pytest
from tests.recommend.log import START, log

from flashlift.domain import Offer, Plan, PlanStatus
from flashlift.errors import InputError
from flashlift.recommend import audience, rank_offers

EVENTS = log([(0, "a", "i1", "purchase")])
AT = START + timedelta(hours=1)


def offer(item, slot, price=5.0):
    return Offer(item_id=item, slot_id=slot, discount_frac=0.2, price=price, quota=1, expected_units=1.0,
                 expected_value=1.0)  # fmt: skip


PLAN = Plan(
    offers=(offer("i1", "evening"), offer("i2", "evening"), offer("i3", "evening"), offer("i2", "morning", 4.0)),
    status=PlanStatus.OPTIMAL, objective=0.0, bound=0.0, gap_frac=0.0, limit_prices={},
)  # fmt: skip


class Taste:
    def score(self, events, customers, at, item_ids):
        taste = {"a": {"i1": 1.0, "i2": 3.0, "i3": 3.0}, "b": {"i1": 9.0, "i2": 0.0, "i3": 1.0}}
        return np.array([[taste[customer][item] for item in item_ids] for customer in customers])


def test_each_slot_is_ranked_by_itself_and_ties_keep_the_order_of_the_plan():
    ranked = rank_offers(Taste(), EVENTS, PLAN, ["b", "a"], AT, k=2)
    assert ranked.select("customer_id", "slot_id", "rank", "item_id", "price").rows() == [
        ("b", "evening", 1, "i1", 5.0),
        ("b", "evening", 2, "i3", 5.0),
        ("b", "morning", 1, "i2", 4.0),
        ("a", "evening", 1, "i2", 5.0),
        ("a", "evening", 2, "i3", 5.0),
        ("a", "morning", 1, "i2", 4.0),
    ]


def test_the_audience_are_those_who_see_the_offer():
    ranked = rank_offers(Taste(), EVENTS, PLAN, ["a", "b"], AT, k=2)
    assert audience(ranked, PLAN.offers[0]) == ["b"]
    assert audience(ranked, PLAN.offers[2]) == ["a", "b"]
    assert audience(ranked, PLAN.offers[3]) == ["a", "b"]


def test_nothing_to_rank_is_an_empty_table():
    empty = Plan(offers=(), status=PlanStatus.OPTIMAL, objective=0.0, bound=0.0, gap_frac=0.0, limit_prices={})
    assert rank_offers(Taste(), EVENTS, empty, ["a"], AT).is_empty()
    assert rank_offers(Taste(), EVENTS, PLAN, [], AT).is_empty()


def test_no_offers_asked_for_is_refused():
    with pytest.raises(InputError, match="first 0"):
        rank_offers(Taste(), EVENTS, PLAN, ["a"], AT, k=0)
