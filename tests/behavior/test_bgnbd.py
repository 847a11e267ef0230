import numpy as np
import pytest
from scipy.stats import beta, gamma
from tests.behavior.log import hours, log

from flashlift.behavior.bgnbd import BgNbd, repeat_buying
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.errors import InsufficientDataError

TRUTH = BgNbd(r=0.8, alpha=10.0, a=1.5, b=4.0)


def simulated(rng, n, *, ahead=0.0):
    """Customers of the model's own story: repeat orders, last, age, and whether one orders in the time ahead."""
    rate, leave = rng.gamma(TRUTH.r, 1 / TRUTH.alpha, n), rng.beta(TRUTH.a, TRUTH.b, n)
    age = rng.uniform(50, 150, n)
    orders, last, then = np.zeros(n), np.zeros(n), np.zeros(n, bool)
    for k in range(n):
        time = rng.exponential(1 / rate[k])
        while time < age[k] + ahead:
            if time >= age[k]:
                then[k] = True
                break
            orders[k], last[k] = orders[k] + 1, time
            if rng.random() < leave[k]:
                break
            time += rng.exponential(1 / rate[k])
    return orders, last, age, then


def test_the_likelihood_is_the_mean_over_rates_and_chances_to_leave():
    middle = (np.arange(2000) + 0.5) / 2000
    rate = gamma.ppf(middle, TRUTH.r, scale=1 / TRUTH.alpha)[:, None]
    leave = beta.ppf(middle, TRUTH.a, TRUTH.b)
    for orders, last, age in ((0, 0.0, 30.0), (1, 12.0, 30.0), (3, 25.0, 40.0)):
        told = (1 - leave) ** orders * rate**orders * np.exp(-rate * age)
        if orders:
            told = told + leave * (1 - leave) ** (orders - 1) * rate**orders * np.exp(-rate * last)
        found = np.exp(TRUTH.log_likelihood(*(np.array([value], float) for value in (orders, last, age))))
        assert found[0] == pytest.approx(told.mean(), rel=5e-3)  # of 2,000 x 2,000 equally likely customers


def test_it_finds_the_parameters_of_simulated_customers():
    found = BgNbd.fit(*simulated(np.random.default_rng(0), 6000)[:3])
    # About three standard errors at 6,000 customers; a and b are known only by their ratio, nearly.
    assert found.r == pytest.approx(TRUTH.r, rel=0.15) and found.alpha == pytest.approx(TRUTH.alpha, rel=0.2)
    assert found.a / (found.a + found.b) == pytest.approx(TRUTH.a / (TRUTH.a + TRUTH.b), abs=0.04)


def test_its_probabilities_are_the_frequencies_of_simulated_customers():
    orders, last, age, then = simulated(np.random.default_rng(1), 6000, ahead=20.0)
    told = TRUTH.probability(orders, last, age, np.array([20.0]))[:, 0]
    for rows in (orders == 0, (orders > 0) & (age - last > 40), (orders > 2) & (age - last < 10)):
        error = np.sqrt(0.25 / rows.sum())
        assert told[rows].mean() == pytest.approx(then[rows].mean(), abs=4 * error)


def test_nobody_who_comes_back_is_too_little():
    with pytest.raises(InsufficientDataError, match="second order"):
        BgNbd.fit(np.zeros(100), np.zeros(100), np.ones(100))


def test_orders_are_read_as_of_a_moment():
    events = log({"customer_id": ["c", "c", "c", "d"], "item_id": ["a"] * 4, "hours": [24.0, 72.0, 240.0, 500.0]})
    histories = Histories.build(events, Vocabulary.fit(events, max_items=5), before=hours(1000))
    snapshots = Snapshots(customer=np.array([0, 1]), at=np.full(2, instant(hours(120))))
    orders, last, age = repeat_buying(histories, snapshots)
    np.testing.assert_allclose([orders, last, age], [[1, -1], [2, 0], [4, 0]])
