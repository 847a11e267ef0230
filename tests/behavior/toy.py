"""A network of a few weights and an objective whose best weights are known, to test the loop by itself."""

import numpy as np
import torch
from tests.behavior.log import SPLIT, shop
from torch import nn

from flashlift.behavior import BehaviorConfig
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.vocabulary import Vocabulary

GOAL = 3.0
CONFIG = BehaviorConfig(
    width=4, heads=2, max_length=10, tokens_per_batch=1500, max_steps=24, eval_every=5, learning_rate=0.1, patience=9
)


class Toy(nn.Module):
    """Weights, a single number, and dropout."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2))
        self.scale = nn.Parameter(torch.zeros(()))
        self.drop = nn.Dropout(0.2)
        self.register_buffer("unused", torch.arange(3))

    def forward(self):
        return self.drop(self.weight - GOAL) + self.scale


class Squares:
    """Mean square distance of the weights from `GOAL`, with noise from both generators and from the batch.

    `looks` are validation losses to answer with instead of the true one; `before` is called before each loss.
    """

    def __init__(self, histories, *, looks=None, before=lambda: None, factor=1.0):
        self.histories, self.train_end = histories, instant(SPLIT.train_end)
        self.looks, self.before, self.factor = looks, before, factor
        self.batches = []
        self.criteria = ("valid/loss",)

    def training_loss(self, network, windows, *, rng):
        self.before()
        self.batches.append((windows.start.copy(), windows.stop.copy()))
        noise = rng.normal(0.0, 0.1) + float(windows.length.mean()) / 1000
        return self.factor * (network() + noise).square().mean()

    def look(self, network):
        network.eval()
        with torch.no_grad():
            loss = float(network().square().mean())
        return {"train/loss": loss, "valid/loss": loss if self.looks is None else next(self.looks), "valid/auc": 0.5}


def data(seed=5):
    events = shop(np.random.default_rng(seed), n_customers=30)
    return Histories.build(events, Vocabulary.fit(events, max_items=100), before=SPLIT.valid_end)


def fresh(seed=0):
    """First weights and the generator of a seed."""
    torch.manual_seed(seed)
    return Toy(), np.random.default_rng(seed)
