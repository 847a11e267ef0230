import numpy as np
import pytest
import torch
from tests.behavior import toy
from tests.behavior.log import SPLIT, TINY, shop, tables

from flashlift.behavior import fit


@pytest.fixture(scope="session")
def events():
    return shop(np.random.default_rng(5))


@pytest.fixture(scope="session")
def model(events):
    return fit(tables(events), split=SPLIT, config=TINY, seed=0)


@pytest.fixture(scope="session")
def histories():
    return toy.data()


@pytest.fixture(autouse=True)
def _generator():
    with torch.random.fork_rng(devices=[]):
        yield
