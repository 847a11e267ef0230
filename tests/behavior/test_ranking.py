from datetime import timedelta

import polars as pl
import pytest

from flashlift import market
from flashlift.behavior import BehaviorConfig, fit
from flashlift.domain import Split


@pytest.fixture(scope="module")
def model():
    shop = market.simulate(market.MarketConfig().sized(8_000), seed=7)
    split = Split(train_end=shop.now - timedelta(days=28), valid_end=shop.now - timedelta(days=14), test_end=shop.now)
    config = BehaviorConfig(width=16, max_steps=10, eval_every=5)
    return fit(shop.tables, split=split, config=config, seed=0)


def test_popularity_still_speaks_for_an_item_where_most_is_looked_at_again(model):
    network = model.network
    assert network.trend_weight.item() > 0
    assert network.own_weight[0].item() > 0


def test_the_weights_of_a_later_slice_rank_it_no_worse(model):
    curve = model.curves
    rows = curve.filter(
        pl.col("metric") == "ndcg@10", pl.col("part") == "valid", pl.col("step") == model.facts["best"]["valid/loss"]
    )
    assert model.facts["ndcg@10_after_refit"] > rows["value"].item() - 0.01
