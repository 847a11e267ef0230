"""The jackknife against leaving clusters out by hand."""

from __future__ import annotations

import numpy as np

from flashlift.stats.jackknife import two_way_jackknife


def by_hand(design: np.ndarray, weight: np.ndarray, y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    def solved(keep: np.ndarray) -> np.ndarray:
        root = np.sqrt(weight[keep])
        return np.linalg.lstsq(design[keep] * root[:, None], y[keep] * root, rcond=None)[0]

    whole = solved(np.ones(len(y), dtype=bool))
    names = np.unique(labels)
    return (len(names) - 1) / len(names) * sum((solved(labels != name) - whole) ** 2 for name in names)


def test_it_is_leaving_clusters_out_by_hand() -> None:
    rng = np.random.default_rng(0)
    n = 120
    design, weight, y = rng.normal(size=(n, 2)), rng.uniform(0.5, 2.0, n), rng.normal(size=n)
    one, other = rng.integers(5, 15, n), rng.integers(0, 12, n) * 3
    y += rng.normal(size=20)[one] + rng.normal(size=40)[other]
    solution, variance = two_way_jackknife(design, weight, y, one, other)
    root = np.sqrt(weight)
    np.testing.assert_allclose(solution, np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0])
    ways = [by_hand(design, weight, y, labels) for labels in (one, other, one * 100 + other)]
    np.testing.assert_allclose(variance, np.maximum(np.maximum(*ways[:2]), ways[0] + ways[1] - ways[2]))


def test_one_week_leaves_the_errors_of_items() -> None:
    rng = np.random.default_rng(1)
    design, y, item = rng.normal(size=(50, 2)), rng.normal(size=50), np.arange(50) % 10
    variance = two_way_jackknife(design, np.ones(50), y, item, np.zeros(50, dtype=np.int64))[1]
    np.testing.assert_allclose(variance, by_hand(design, np.ones(50), y, item))
