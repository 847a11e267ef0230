from dataclasses import replace

import numpy as np
import pytest
import torch

from flashlift.behavior import BehaviorConfig
from flashlift.behavior.histories import DEPTH_BUCKETS, GAP_BUCKETS
from flashlift.behavior.model import HAZARD_HOURS, Batch, EventTransformer, hazard_loss, log_survival
from flashlift.behavior.next_item import Asked, next_item_loss, times_seen

CONFIG = BehaviorConfig(width=16, max_length=30)


def network(n_codes=40):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return EventTransformer(CONFIG, n_codes).eval()


def random_batch(generator, shape=(3, 10), n_codes=40):
    sizes = {"item": n_codes, "kind": 7, "depth": DEPTH_BUCKETS, "gap": GAP_BUCKETS, "hour": 24, "weekday": 7}
    return Batch(**{name: torch.randint(size, shape, generator=generator) for name, size in sizes.items()})


def test_the_future_does_not_change_the_past():
    generator = torch.Generator().manual_seed(1)
    one, other = random_batch(generator), random_batch(generator)
    mixed = Batch(**{name: torch.cat([getattr(one, name)[:, :6], getattr(other, name)[:, 6:]], dim=1)
                     for name in Batch.__slots__})  # fmt: skip
    net = network()
    with torch.no_grad():
        a, b = net(one), net(mixed)
    assert torch.equal(a[:, :7], b[:, :7])
    assert not torch.allclose(a[:, 7:], b[:, 7:])


def plain_hazard_loss(logits, hours, seen):
    """One row at a time, from probabilities."""
    total = 0.0
    for row, wait, bought in zip(1 / (1 + np.exp(-logits)), hours, seen, strict=True):
        likelihood, begin = 1.0, 0.0
        for hazard, end in zip(row, HAZARD_HOURS, strict=True):
            if bought and begin <= wait < end:
                likelihood *= hazard
                break
            likelihood *= (1 - hazard) ** min(max((wait - begin) / (end - begin), 0.0), 1.0)
            begin = end
        total -= np.log(likelihood)
    return total / len(hours)


def test_the_hazard_likelihood_equals_the_plain_one():
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 1, (200, len(HAZARD_HOURS)))
    hours = np.exp(rng.uniform(-3, 7.5, 200))  # some within the first hour, some beyond the last bin
    seen = rng.random(200) < 0.6
    fast = hazard_loss(torch.tensor(logits), torch.tensor(hours), torch.tensor(seen), torch.ones(200))
    assert float(fast) == pytest.approx(plain_hazard_loss(logits, hours, seen), rel=1e-5)


def test_weights_count_rows():
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(-1, 1, (3, len(HAZARD_HOURS))))
    hours, seen = torch.tensor([0.5, 30.0, 900.0]), torch.tensor([True, True, False])
    twice = torch.tensor([0, 1, 1, 2])
    weighted = hazard_loss(logits, hours, seen, torch.tensor([1.0, 2.0, 1.0]))
    assert float(weighted) == pytest.approx(float(hazard_loss(logits[twice], hours[twice], seen[twice], torch.ones(4))))


def test_maximum_likelihood_finds_the_true_survival_under_censoring():
    rng = np.random.default_rng(0)
    wait, watched = rng.exponential(100, 20_000), rng.uniform(20, 720, 20_000)
    hours, seen = torch.tensor(np.minimum(wait, watched)), torch.tensor(wait < watched)
    logits = torch.zeros(1, len(HAZARD_HOURS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200)

    def closure():
        optimizer.zero_grad()
        loss = hazard_loss(logits.expand(len(hours), -1), hours, seen, torch.ones(len(hours)))
        loss.backward()
        return loss

    optimizer.step(closure)
    survival = log_survival(logits.detach()).exp().numpy()[0]
    # Standard error of a survival probability below 0.5 / sqrt(20,000) = 0.0035, more where few are still watched.
    assert np.abs(survival - np.exp(-np.array(HAZARD_HOURS) / 100)).max() < 0.015


def test_survival_falls():
    logs = log_survival(torch.randn(5, len(HAZARD_HOURS)))
    assert (logs.diff(dim=1) <= 0).all() and (logs <= 0).all()


def full_softmax_loss(net, hidden, item, asked, trend):
    total = 0.0
    codes = torch.arange(1, trend.shape[1])
    for b, t, code, g in zip(asked.row, asked.position, asked.code, asked.trend, strict=True):
        seen = torch.tensor([float((item[b, :t] == c).sum()) for c in codes])
        logits = net.item_logit(net.item(codes) @ net.item_query(hidden[b, t]), trend[g, 1:], seen)
        total -= torch.log_softmax(logits, 0)[code - 1]
    return float(total / len(asked.row))


def questions(n_codes, n=200):
    generator = torch.Generator().manual_seed(3)
    read = random_batch(generator, shape=(20, 12), n_codes=n_codes)
    sizes = {"row": 20, "position": 13, "code": n_codes - 1, "trend": 4}
    asked = Asked(**{name: torch.randint(size, (n,), generator=generator) for name, size in sizes.items()})
    asked = replace(asked, code=asked.code**2 // n_codes + 1)
    return read, asked, torch.randn(4, n_codes, generator=generator)


def moved(net):
    """With tastes that are not zero, as they are at the start of training."""
    torch.nn.init.normal_(net.query.weight, generator=torch.Generator().manual_seed(4))
    return net


def test_a_small_catalog_gets_the_exact_softmax():
    net, (read, asked, trend) = moved(network()), questions(40)
    with torch.no_grad():
        hidden = net(read)
        loss = next_item_loss(net, hidden, read.item, asked, trend, negatives=256)
        assert float(loss) == pytest.approx(full_softmax_loss(net, hidden, read.item, asked, trend), rel=1e-4)


def test_sampled_negatives_estimate_the_same_loss():
    net, (read, asked, trend) = moved(network(600)), questions(600, n=100)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hidden = net(read)
        draws = [float(next_item_loss(net, hidden, read.item, asked, trend, negatives=256)) for _ in range(50)]
        exact = full_softmax_loss(net, hidden, read.item, asked, trend)
    assert np.mean(draws) == pytest.approx(exact, abs=0.1)  # sampled softmax is biased at the order of 1 / negatives


def test_times_seen_counts_the_history_alone():
    seen = times_seen(torch.tensor([[5, 7, 5]]), torch.tensor([5, 7]))
    assert seen.tolist() == [[[0, 0], [1, 0], [1, 1], [2, 1]]]
