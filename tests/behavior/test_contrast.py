from dataclasses import replace

import numpy as np
import torch
from tests.behavior.log import SPLIT, TINY, shop, tables

from flashlift.behavior import fit
from flashlift.behavior.batches import Windows
from flashlift.behavior.contrast import NextWindow
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.loop import train
from flashlift.behavior.model import EventTransformer
from flashlift.behavior.vocabulary import Vocabulary

MIDDLE = instant(SPLIT.train_end) + (instant(SPLIT.valid_end) - instant(SPLIT.train_end)) // 2


def clans(n_customers=80):
    """Customers of six clans that buy other items each: what comes next is told by what came before."""
    parts = shop(np.random.default_rng(1), n_customers=n_customers)
    clan = parts["customer_id"].str.slice(1).cast(int) % 6
    return parts.with_columns(item_id=parts["item_id"] + "-" + clan.cast(str))


def objective(events):
    vocabulary = Vocabulary.fit(events, max_items=200)
    histories = Histories.build(events, vocabulary, before=SPLIT.valid_end)
    return vocabulary, NextWindow(histories=histories, config=TINY, train_end=instant(SPLIT.train_end), middle=MIDDLE)


def test_it_learns_to_tell_the_next_window_of_a_later_time():
    vocabulary, target = objective(clans())
    torch.manual_seed(0)
    network = EventTransformer(TINY, vocabulary)
    before = target.look(network)
    train(network, target, replace(TINY, max_steps=60, eval_every=30), rng=np.random.default_rng(0))
    after = target.look(network)
    assert after["valid/loss"] < before["valid/loss"] - 0.5
    assert after["valid/next_window"] > 2 * before["valid/next_window"]


def test_short_windows_and_single_customers_teach_nothing_and_break_nothing():
    vocabulary, target = objective(clans())
    network = EventTransformer(TINY, vocabulary)
    short = Windows(customer=np.array([0, 1]), start=np.array([0, 5]), stop=np.array([3, 5]))
    loss = target.training_loss(network, short, rng=np.random.default_rng(0))
    assert float(loss.detach()) == 0.0
    loss.backward()


def test_a_fit_with_pretraining_is_another_model_and_leaves_no_checkpoint(tmp_path):
    events, config = clans(), replace(TINY, max_steps=4, eval_every=2, pretrain_steps=4)
    plain = fit(tables(events), split=SPLIT, config=replace(config, pretrain_steps=0), seed=0)
    taught = fit(tables(events), split=SPLIT, config=config, seed=0, checkpoint=tmp_path / "kept")
    assert not torch.equal(plain.network.item.delta.weight, taught.network.item.delta.weight)
    assert not (tmp_path / "kept").exists()
