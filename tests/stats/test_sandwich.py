"""The sandwich's middle: a row a cluster gives the usual one, and doubled rows count as one."""

from __future__ import annotations

import numpy as np
import pytest

from flashlift.stats.sandwich import cluster_meat


def test_a_cluster_of_one_row_each_is_the_plain_sum() -> None:
    score = np.random.default_rng(0).standard_normal((50, 3))
    assert cluster_meat(score, np.arange(50)) == pytest.approx(score.T @ score)


def test_labels_need_not_be_numbers_in_a_row() -> None:
    score = np.random.default_rng(1).standard_normal((6, 2))
    sums = np.stack([score[[0, 3]].sum(0), score[[1, 2]].sum(0), score[[4, 5]].sum(0)])
    assert cluster_meat(score, np.array([900, 7, 7, 900, -3, -3])) == pytest.approx(sums.T @ sums)


def test_standard_errors_of_a_mean_cover_where_clusters_share_shocks() -> None:
    rng, covered, rounds = np.random.default_rng(2), 0, 400
    for _ in range(rounds):
        cluster = np.repeat(np.arange(60), 5)
        y = rng.standard_normal(60)[cluster] + 0.3 * rng.standard_normal(300)
        sd = np.sqrt(cluster_meat((y - y.mean())[:, None], cluster)[0, 0]) / 300
        covered += abs(y.mean()) < 1.645 * sd
    assert 0.85 < covered / rounds < 0.94  # 0.90 less what 60 clusters miss; by rows it would be 0.56
