import numpy as np
import polars as pl
import pytest
import torch

from flashlift.behavior import BehaviorConfig
from flashlift.behavior.histories import GAP_BUCKETS
from flashlift.behavior.model import (
    HAZARD_HOURS,
    Batch,
    EventTransformer,
    hazard_loss,
    log_survival,
    value_loss,
)
from flashlift.behavior.next_item import draw_negatives, next_item_loss
from flashlift.behavior.piecewise import PiecewiseLinear
from flashlift.behavior.seen import N_OWN
from flashlift.behavior.vocabulary import Vocabulary

CONFIG = BehaviorConfig(width=16, max_length=30, temperature=0.5)


def vocabulary(n_codes=40):
    items = pl.DataFrame({"item_id": [f"i{k:04d}" for k in range(n_codes - 1)]})
    labels = pl.DataFrame({"field": ["channel"] * 2, "value": ["web", "app"], "code": [1, 2]})
    return Vocabulary(items=items.with_row_index("code", offset=1), labels=labels, n_trained=n_codes - 1)


def network(n_codes=40, content=None):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = EventTransformer(CONFIG, vocabulary(n_codes), content).eval()
        for block in net.blocks:  # biases that are not close to zero, as after training
            torch.nn.init.normal_(block.gap_bias.weight)
            torch.nn.init.normal_(block.order_bias.weight)
        return net


def random_batch(generator, shape=(3, 10), n_codes=40):
    sizes = {"item": n_codes, "kind": 7, "clock": 168, "gap": GAP_BUCKETS, "channel": 3, "region": 1, "phase": 5}
    codes = {name: torch.randint(size, shape, generator=generator) for name, size in sizes.items()}
    price = torch.randn(*shape, 3, generator=generator)
    price[torch.rand(*shape, 3, generator=generator) < 0.3] = torch.nan
    seconds = (torch.rand(shape, generator=generator) * 1e6).cumsum(dim=1)
    return Batch(**codes, price=price, seconds=seconds - seconds[:, :1])


def test_items_begin_at_their_texts_and_every_gradient_is_of_their_size():
    content = torch.nn.functional.normalize(torch.randn(40, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    content[[0, 7]] = 0.0  # the unknown item, and one without a text
    vectors = network(content=content).item
    assert torch.allclose(vectors(torch.arange(40))[1:7], content[1:7], atol=1e-6)
    vectors(torch.arange(40)).pow(3).sum().backward()
    size = vectors.delta.weight.grad.norm(dim=1)
    assert size.max() < 1e3  # a vector of zeros, brought to unit length, would have 1e12


def test_an_item_without_text_and_without_events_has_no_vector():
    codes = vocabulary()
    content = torch.zeros(41, 16)
    content[5] = 1 / 4
    net = EventTransformer(CONFIG, codes, content)
    assert not net.item(torch.tensor([40, 99])).any(dim=1)[0]
    assert net.item(torch.tensor([6])).norm().item() == pytest.approx(1.0, abs=1e-5)


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


def questions(n_codes, n=200, spread=4):
    generator = torch.Generator().manual_seed(3)
    query = torch.nn.functional.normalize(torch.randn(n, CONFIG.width, generator=generator), dim=-1)
    target = torch.randint(n_codes - 1, (n,), generator=generator) ** 2 // n_codes + 1
    trend = torch.randn(n, n_codes, generator=generator)
    own = (torch.rand(n, n_codes, 1, generator=generator) < 0.1) * torch.rand(n, n_codes, N_OWN, generator=generator)
    return query, target, trend, own


def loss_on(net, query, target, trend, own, rng, negatives=256):
    codes, expected = draw_negatives(target.numpy(), trend.shape[1] - 1, negatives, 0.5, rng=rng)
    rows, codes = torch.arange(len(target)), torch.from_numpy(codes)
    drawn = codes, torch.from_numpy(expected).float()
    return float(next_item_loss(net, query, target, drawn, (trend[rows, target], trend[:, codes]),
                                (own[rows, target], own[:, codes])))  # fmt: skip


def full_softmax_loss(net, query, target, trend, own):
    total = 0.0
    for k, code in enumerate(target.tolist()):
        items = torch.nn.functional.normalize(net.item(torch.arange(1, trend.shape[1])), dim=1)
        taste = query[k] @ items.T / CONFIG.temperature
        logits = taste + net.trend_weight * trend[k, 1:] + own[k, 1:] @ net.own_weight
        total -= torch.log_softmax(logits, 0)[code - 1]
    return float(total / len(target))


def test_a_small_catalog_gets_the_exact_softmax():
    net, asked = network(), questions(40)
    with torch.no_grad():
        loss = loss_on(net, *asked, np.random.default_rng(0))
        assert loss == pytest.approx(full_softmax_loss(net, *asked), rel=1e-4)


def test_sampled_negatives_estimate_the_same_loss():
    net, asked = network(600), questions(600, n=100)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        draws = [loss_on(net, *asked, rng) for _ in range(50)]
        exact = full_softmax_loss(net, *asked)
    assert np.mean(draws) == pytest.approx(exact, abs=0.1)  # sampled softmax is biased at the order of 1 / negatives


def test_an_item_without_events_stands_where_its_text_puts_it():
    content = torch.nn.functional.normalize(torch.randn(45, CONFIG.width), dim=1)
    content[[0, 7]] = 0.0
    net = network(40, content)
    torch.nn.init.normal_(net.item.delta.weight, std=10.0)
    with torch.no_grad():
        vectors = net.item(torch.arange(60))
    torch.testing.assert_close(vectors[40:45], content[40:45])
    cosine = (vectors * content[:1].expand(60, -1).clone()).sum(1)
    assert (cosine == 0).all()
    # a delta of norm 1 turns a unit vector by at most 90 degrees, however large the weights are
    known = [code for code in range(1, 40) if code != 7]
    assert ((vectors[known] * content[known]).sum(1) >= -1e-6).all()
    torch.testing.assert_close(vectors[45:], vectors[:1].expand(15, -1))  # beyond all tables: the unknown item


def test_prices_are_encoded_piece_by_piece():
    layer = PiecewiseLinear(1, 8)
    layer.learn_borders(torch.arange(8.0)[:, None])
    torch.nn.init.eye_(layer.out.weight)
    with torch.no_grad():
        code = layer(torch.tensor([[2.5], [-1.0], [99.0], [torch.nan]]))
    assert code[0].tolist() == pytest.approx(
        [1, 1, 1, 0.5, 0, 0, 0, 0], abs=1e-6
    )  # known, then pieces full up to 2 and half of the third
    assert code[1].tolist() == [1] + [0] * 7 and code[2].tolist() == [1] * 8 and not code[3].any()


def test_the_value_loss_is_least_at_the_truth():
    x = torch.randn(20_000, generator=torch.Generator().manual_seed(0)) * 2 + 1
    losses = {(m, s): float(value_loss(torch.tensor(m), torch.tensor(s).log(), x).mean())
              for m in (0.5, 1.0, 1.5) for s in (1.5, 2.0, 2.5)}  # fmt: skip
    assert min(losses, key=losses.get) == (1.0, 2.0)
