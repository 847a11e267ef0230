"""Student's t on the normal scale, and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.stats.normal import NORMAL_90, normal_score, student_score


def test_scores_have_the_same_probability_beyond_them() -> None:
    t = np.array([-6.0, -1.0, 0.0, 2.0, 8.0])
    np.testing.assert_allclose(scipy_stats.norm.sf(normal_score(t, 7)), scipy_stats.t.sf(t, 7), rtol=1e-9)
    assert normal_score(3.3, np.inf) == pytest.approx(3.3, abs=1e-12)


@pytest.mark.parametrize("degrees", [1.0, 3.5, 40.0, 1e7, np.inf])
def test_there_and_back(degrees: float) -> None:
    z = np.array([0.0, 0.5, 1.96, 6.0])
    np.testing.assert_allclose(normal_score(student_score(z, degrees), degrees), z, atol=1e-7)
    assert student_score(np.inf, degrees) == np.inf


def test_constant() -> None:
    assert scipy_stats.norm.ppf(0.95) == pytest.approx(NORMAL_90, abs=1e-15)
