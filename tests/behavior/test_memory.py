from datetime import timedelta

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.behavior.log import SPLIT, TINY

from flashlift.behavior import Live
from flashlift.behavior.batches import Windows, batch
from flashlift.behavior.histories import instant
from flashlift.behavior.memory import STRETCH
from flashlift.behavior.reading import inference

AT = SPLIT.valid_end
LONGEST = TINY.max_length + int(STRETCH * TINY.max_length)


@pytest.fixture(scope="module")
def live(model, events):
    return Live.prepare(model, events, AT)


def read_anew(network, histories, start, stop):
    """The state after the events [start, stop), from the whole network."""
    window = Windows(customer=np.array([0]), start=np.array([start]), stop=np.array([stop]))
    with inference(1):
        return network(batch(histories, window))[:, stop - start]


STEPS = st.one_of(
    st.tuples(st.just("add"), st.floats(0, 60)),
    st.tuples(st.just("ask"), st.floats(0, 0)),
    st.tuples(st.just("add late"), st.floats(0, 400)),
    st.tuples(st.just("ask of the past"), st.floats(0, 400)),
)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 45), st.lists(STEPS, max_size=60), st.randoms(use_true_random=False))
def test_what_is_remembered_equals_reading_anew(live, events, first, steps, random):
    history, network = live.history(events, "nobody", AT), live.model.network
    steps = [("add", 1.0)] * first + [("ask", 0.0), *steps, ("ask", 0.0)]
    now = AT
    for step, hours in steps:
        now += timedelta(hours=hours if step == "add" else 0.0)
        moment = now - timedelta(hours=hours if step != "add" else 0.0)
        if step.startswith("add"):
            kind = random.choice(["view", "cart", "purchase", "refund"])
            live.add(history, kind, f"i{random.randrange(14)}", moment, price=random.choice([None, 5.0, 8.0]))
            continue
        at = instant(moment) + 1
        with inference(1):
            state = history.read(live.ranking, at)
        memory, stop = history.memories[network], int((history.coded.at < at).sum())
        fresh = max(stop - TINY.max_length, 0)
        assert max(fresh - (LONGEST - TINY.max_length), 0) <= memory.start <= fresh
        expected = read_anew(network, history.coded, memory.start, stop)
        torch.testing.assert_close(state, expected, atol=1e-5, rtol=1e-5)


def test_an_event_costs_one_position_until_the_window_is_a_quarter_too_long(live, events):
    network, read = live.model.network, []
    history = live.history(events, "c1", AT)
    assert len(history) > LONGEST
    hook = network.blocks[0].register_forward_hook(lambda block, given, out: read.append(out.shape[1]))
    for k in range(12):
        at = AT + timedelta(hours=k)
        live.score(history, live.candidates(["i1"]), at)
        live.add(history, "view", "i1", at)
    hook.remove()
    whole = TINY.max_length + 1
    assert read == [whole] + [1] * (LONGEST - TINY.max_length) + [whole] + [1] * (12 - 2 - LONGEST + TINY.max_length)


def test_memories_are_of_one_network(live, events):
    history = live.history(events, "c1", AT)
    with inference(1):
        one, other = (history.read(follower, instant(AT)) for follower in (live.ranking, live.timing))
    stop = len(history)
    torch.testing.assert_close(one, read_anew(live.model.network, history.coded, stop - TINY.max_length, stop))
    torch.testing.assert_close(other, read_anew(live.model.timing, history.coded, stop - TINY.max_length, stop))


@pytest.mark.parametrize("customer", ["nobody", "c0"])
def test_scores_with_memory_are_those_of_a_history_read_anew(live, events, customer):
    history, candidates = live.history(events, customer, AT - timedelta(days=60)), live.candidates(["i3", "i1", "i3"])
    for k in range(9):
        at = AT + timedelta(hours=k * k)
        live.add(history, "purchase" if k % 3 else "view", f"i{k % 4}", at, price=3.0 + k)
        score = live.score(history, candidates, at + timedelta(hours=1))
        history.memories.clear()
        np.testing.assert_allclose(
            score, live.score(history, candidates, at + timedelta(hours=1)), rtol=1e-5, atol=1e-5
        )
        assert score[0] == score[2]
