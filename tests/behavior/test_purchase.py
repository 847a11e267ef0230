import numpy as np
import pytest
from tests.behavior.log import SPLIT, shop

from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.intent import calibration_snapshots, outcomes
from flashlift.behavior.purchase import FOLDS, PurchaseIntent, out_of_fold
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.behavior.watched import Watched
from flashlift.errors import InputError
from flashlift.stats.calibration import log_odds

EDGES = np.array([6.0, 24.0, 72.0, 168.0, 720.0])
BORDERS = instant(SPLIT.train_end), instant(SPLIT.valid_end)
HORIZONS = [1.0, 6.0, 20.0, 24.0, 100.0, 500.0, 720.0]


def ignorant(snapshots):
    """A network that tells the same of everybody."""
    return np.tile(-EDGES / 100, (len(snapshots.at), 1))


@pytest.fixture(scope="module")
def histories():
    events = shop(np.random.default_rng(5))
    return Histories.build(events, Vocabulary.fit(events, max_items=50), before=SPLIT.test_end)


@pytest.fixture(scope="module")
def intent(histories):
    return PurchaseIntent.fit(histories, EDGES, ignorant, borders=BORDERS, rng=np.random.default_rng(0))


def test_probabilities_are_true_where_the_rates_are_known(histories, intent):
    snapshots = calibration_snapshots(histories, BORDERS[1], instant(SPLIT.test_end), rng=np.random.default_rng(1))
    found = intent.probability(ignorant(snapshots), histories, snapshots, [24.0, 72.0])
    often = np.array([int(histories.customers[row][1:]) % 2 for row in snapshots.customer], dtype=bool)
    for rows, pace in ((often, 24.0), (~often, 240.0)):
        # Purchases come by a Poisson process. Calibration saw 60 customers of each kind: three standard errors.
        np.testing.assert_allclose(found[rows].mean(axis=0), 1 - np.exp(-np.array([24.0, 72.0]) / pace), atol=0.1)


def test_a_network_that_knows_nothing_gets_little_weight_and_shows_it_alone(histories, intent):
    snapshots = calibration_snapshots(histories, BORDERS[1], instant(SPLIT.test_end), rng=np.random.default_rng(2))
    hours, seen, _ = outcomes(histories, snapshots, until=instant(SPLIT.test_end))
    outcome = seen & (hours < 24)
    asked = (ignorant(snapshots), histories, snapshots, [24.0])
    stack, alone = (ask(*asked)[:, 0] for ask in (intent.probability, intent.network_alone))
    assert np.ptp(alone) < 1e-9
    assert np.mean((stack - outcome) ** 2) < np.mean((alone - outcome) ** 2) - 0.02


def test_curves_rise_and_strangers_get_the_base_rate(histories, intent):
    known = Snapshots(customer=np.arange(histories.n_customers), at=np.full(histories.n_customers, BORDERS[1]))
    curve = intent.probability(ignorant(known), histories, known, HORIZONS)
    assert (np.diff(curve, axis=1) >= 0).all() and (curve > 0).all() and (curve < 1).all()
    early = Snapshots(customer=np.arange(3), at=np.zeros(3, np.int64))
    stranger = intent.probability(ignorant(early), histories, early, [24.0])
    np.testing.assert_allclose(stranger, intent.calibration.base_rate[1])
    with pytest.raises(InputError, match="721"):
        intent.probability(ignorant(early), histories, early, [721.0])


def test_save_and_load_is_identity(histories, intent):
    again = PurchaseIntent.from_arrays({name: value.copy() for name, value in intent.arrays().items()})
    snapshots = Snapshots(customer=np.arange(5), at=np.full(5, BORDERS[1]))
    one, two = (each.probability(ignorant(snapshots), histories, snapshots, HORIZONS) for each in (intent, again))
    np.testing.assert_array_equal(one, two)
    assert PurchaseIntent.from_arrays({}) is None


def test_nothing_at_or_after_the_last_border_is_read(histories, intent):
    events = shop(np.random.default_rng(5))
    past = Histories.build(events, Vocabulary.fit(events, max_items=50), before=SPLIT.valid_end)
    again = PurchaseIntent.fit(past, EDGES, ignorant, borders=BORDERS, rng=np.random.default_rng(0))
    for name, value in intent.arrays().items():
        np.testing.assert_array_equal(value, again.arrays()[name])


def test_too_few_orders_give_no_intent(histories, caplog):
    few = shop(np.random.default_rng(5), n_customers=2, days=70)[:15]
    coded = Histories.build(few, Vocabulary.fit(few, max_items=50), before=SPLIT.valid_end)
    assert PurchaseIntent.fit(coded, EDGES, ignorant, borders=BORDERS, rng=np.random.default_rng(0)) is None
    assert "no purchase intent" in caplog.text


def test_who_is_calibrated_on_was_not_stacked_on():
    rng = np.random.default_rng(0)
    curves = [np.sort(rng.uniform(0.01, 0.6, (600, len(EDGES))), axis=1) for _ in range(2)]
    fold = rng.integers(FOLDS, size=600)
    bought = rng.random((600, len(EDGES))) < curves[0]
    seen = Watched(edges=EDGES, bought=bought, known=np.ones_like(bought))
    other = Watched(edges=EDGES, bought=np.where(fold[:, None] == 0, ~bought, bought), known=seen.known)
    usual = log_odds(seen.rate)
    one, two = (out_of_fold(curves, usual, told, fold) for told in (seen, other))
    np.testing.assert_array_equal(one[fold == 0], two[fold == 0])
    assert np.abs(one - two)[fold == 1].max() > 0.1
