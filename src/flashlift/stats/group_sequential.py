"""Group-sequential tests: how far a z statistic must go at each look so that all looks together keep the level.

Alpha is spent as information arrives (Lan and DeMets, Biometrika 1983): neither the number of looks nor their times
need be fixed before. Boundaries come from the recursion of Armitage, McPherson and Rowe (JRSS A 1969): the density of
the score z sqrt(information) among tests that have not stopped, carried from look to look by Gauss-Legendre quadrature.

Information is 1 / variance of the estimated effect, or anything in proportion to it, such as units in the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil, e, inf, log, pi, sqrt

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, roots_legendre

from flashlift.errors import InputError
from flashlift.protocols import FloatArray

__all__ = [
    "SMALLEST_STEP",
    "Boundary",
    "Spending",
    "boundary",
    "inflation",
    "obrien_fleming",
    "pocock",
    "stagewise_order",
]

Spending = Callable[[float, float], float]
"""(information fraction in (0, 1], alpha) -> two-sided alpha spent until then; rising to alpha at 1."""

SMALLEST_STEP = 1e-4  # of the planned information, between two looks: below it they are one look
SMALLEST_PROBABILITY = 1e-300  # what a double can still tell from 0
FARTHEST = 10.0  # standard deviations beyond which no probability is left (1e-23)


def obrien_fleming(fraction: float, alpha: float) -> float:
    """4 (1 - Phi(z_{alpha/4} / sqrt(fraction))): almost nothing early, almost all of alpha at the end.

    Lan and DeMets 1983, alpha_1*, with alpha / 2 on each side, as gsDesign (sfLDOF) and ldbounds (iuse = 1) have it.
    """
    return float(4.0 * ndtr(ndtri(alpha / 4.0) / sqrt(fraction)))


def pocock(fraction: float, alpha: float) -> float:
    """Alpha ln(1 + (e - 1) fraction): about the same boundary at all looks (Lan and DeMets 1983, alpha_2*)."""
    return alpha * log(1.0 + (e - 1.0) * fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A two-sided test stops at the first look where |z| reaches `critical`.

    Args:
        information: at each look, rising.
        critical: in standard errors, > 0; infinite where nothing is spent.
        spent: two-sided alpha spent until each look.
    """

    information: tuple[float, ...]
    critical: tuple[float, ...]
    spent: tuple[float, ...]

    def until(self, looks: int) -> Boundary:
        """The boundary at the first `looks` looks."""
        return Boundary(information=self.information[:looks], critical=self.critical[:looks], spent=self.spent[:looks])

    def crossing(self, effect: npt.ArrayLike = 0.0) -> tuple[FloatArray, FloatArray]:
        """Probabilities to stop at each look above and below, (looks, *shape of effect) each.

        Args:
            effect: true effect, in a unit where z has the mean effect x sqrt(information).
        """
        theta = np.asarray(effect, dtype=np.float64)
        states = list(_surviving(self.information, self.critical))
        above, below = (
            np.array([_tail(state, z, sign * theta) for state, z in zip(states, self.critical, strict=True)])
            for sign in (1.0, -1.0)
        )
        return above, below

    def power(self, effect: npt.ArrayLike) -> FloatArray:
        """Probability to stop, on either side, when the true effect is `effect`, of its shape; at 0: alpha."""
        above, below = self.crossing(effect)
        return np.asarray(above.sum(axis=0) + below.sum(axis=0))


def boundary(
    information: npt.ArrayLike,
    *,
    planned: float,
    alpha: float = 0.05,
    spending: Spending = obrien_fleming,
    ended: bool = False,
) -> Boundary:
    """The boundary at the looks taken until now. It does not depend on looks to come.

    The fraction that `spending` sees is capped at 1: a look at more information than planned spends all of alpha that
    is left, and is the last one. A test that ends with less than planned spends the rest as well (`ended`). In both
    cases the level holds, because the covariance of the looks is that of the information they had, and what was spent
    before is not spent again; the end must not be chosen by looking at the effect.

    Args:
        information: at every look until now, (looks,), above 0, rising by at least `SMALLEST_STEP` of what is planned.
        planned: information at which the test ends, in the same unit.
        alpha: two-sided level of the whole test, in (0, 0.5].
        spending: how alpha is spent.
        ended: the last look is the final one, whatever its information.

    Raises:
        InputError: information does not rise, a look follows the final one, or alpha or `planned` is impossible.
    """
    reached = np.asarray(information, dtype=np.float64)
    _check(reached, planned, alpha)
    fraction = np.minimum(reached / planned, 1.0)
    spent = [spending(float(part), alpha) for part in fraction]
    if ended or fraction[-1] == 1.0:
        spent[-1] = alpha
    critical: list[float] = []
    states = _surviving(reached.tolist(), critical)
    for (before, after), state in zip(pairwise([0.0, *spent]), states, strict=True):
        critical.append(_solve(state, (after - before) / 2.0))
    return Boundary(information=tuple(reached.tolist()), critical=tuple(critical), spent=tuple(spent))


def inflation(
    fractions: npt.ArrayLike, *, alpha: float = 0.05, target_power: float = 0.8, spending: Spending = obrien_fleming
) -> float:
    """Planned information of the group-sequential test, as a multiple of what one look at the end needs; above 1.

    Multiply a sample size by it (Jennison and Turnbull 2000, section 3.1, the factor R).

    Args:
        fractions: information at the planned looks, the last one 1, (looks,).
        alpha: two-sided level.
        target_power: of both tests, in (alpha, 1).
        spending: how alpha is spent.

    Raises:
        InputError: as `boundary`, or the power is not above alpha.
    """
    if not alpha < target_power < 1.0:
        raise InputError(f"Power {target_power:g} must lie between alpha {alpha:g} and 1. Choose for example 0.8.")
    many = boundary(fractions, planned=1.0, alpha=alpha, spending=spending, ended=True)
    once = Boundary(information=(1.0,), critical=(float(-ndtri(alpha / 2.0)),), spent=(alpha,))
    needed = [brentq(lambda t, b=b: float(b.power(t)) - target_power, 0.0, 20.0, xtol=1e-12) for b in (many, once)]
    return float((needed[0] / needed[1]) ** 2)


def stagewise_order(known: Boundary, z: float) -> Callable[[float], float]:
    """For a true effect: P(stopped above before the last look, or came to it and had at least `z` there).

    It rises with the effect from 0 to 1, so it orders outcomes (see `flashlift.stats.stagewise`).
    """
    states = list(_surviving(known.information, known.critical))
    limits = [*known.critical[:-1], z]

    def probability(effect: float) -> float:
        theta = np.asarray(effect)
        return float(sum(_tail(state, limit, theta) for state, limit in zip(states, limits, strict=True)))

    return probability


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Tests without an effect that have not stopped before a look.

    Args:
        score: nodes of the score at the look before.
        mass: probability of each, with the weight of the node.
        before, here: information at that look, and at the present one.
    """

    score: FloatArray
    mass: FloatArray
    before: float
    here: float


def _surviving(information: Sequence[float], critical: Sequence[float]) -> Iterator[_State]:
    """The state before every look. `critical` may grow between two of them."""
    state = _State(score=np.zeros(1), mass=np.ones(1), before=0.0, here=information[0])
    yield state
    for look, after in enumerate(information[1:]):
        gained, step = state.here - state.before, after - state.here
        nodes, width = _nodes(min(critical[look], FARTHEST) * sqrt(state.here), sqrt(min(gained, step)))
        kernel = np.exp(-((nodes[:, None] - state.score) ** 2) / (2.0 * gained))
        mass = width * (kernel @ state.mass) / sqrt(2.0 * pi * gained)
        state = _State(score=nodes, mass=mass, before=state.here, here=after)
        yield state


def _tail(state: _State, z: float, effect: FloatArray) -> FloatArray:
    """P(in this state, and the statistic at the present look at least z), of the shape of `effect`."""
    theta = effect[..., None]
    # the density under an effect is that under none times the likelihood ratio
    weight = state.mass * np.exp(theta * state.score - theta**2 * state.before / 2.0)
    gained = state.here - state.before
    return np.asarray((weight * ndtr((state.score + theta * gained - z * sqrt(state.here)) / sqrt(gained))).sum(-1))


def _solve(state: _State, probability: float) -> float:
    """The value that the statistic reaches with this probability."""
    if probability < SMALLEST_PROBABILITY:
        return inf
    none = np.zeros(())
    return float(brentq(lambda z: float(_tail(state, z, none)) - probability, 0.0, 40.0, xtol=1e-13))


def _nodes(end: float, finest: float) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on [-end, end] that resolve a normal density of standard deviation `finest`."""
    node, weight = _legendre(32 * ceil((32.0 + 3.0 * end / finest) / 32.0))
    return end * node, end * weight


@lru_cache(maxsize=64)
def _legendre(count: int) -> tuple[FloatArray, FloatArray]:
    node, weight = roots_legendre(count)
    return np.asarray(node), np.asarray(weight)


def _check(reached: FloatArray, planned: float, alpha: float) -> None:
    if not (0.0 < planned < inf and 0.0 < alpha <= 0.5):
        raise InputError(
            f"A boundary needs planned information above 0 and alpha in (0, 0.5], not {planned:g} and {alpha:g}."
        )
    if reached.ndim != 1 or not reached.size or not np.isfinite(reached).all() or reached[0] <= 0.0:
        raise InputError("A boundary needs the information at each look, a list of finite numbers above 0.")
    low = np.flatnonzero(np.diff(reached) < SMALLEST_STEP * planned)
    if low.size:
        first = low[0]
        raise InputError(
            f"Look {first + 2} has the information {reached[first + 1]:g} after {reached[first]:g}: each look must add "
            f"at least {SMALLEST_STEP:.2%} of the planned {planned:g}. Leave out looks at which nothing was learned."
        )
    if (reached[:-1] >= planned).any():
        last = int(np.argmax(reached >= planned))
        raise InputError(
            f"Look {last + 1} had reached the planned information ({reached[last]:g} of {planned:g}), so it was the "
            "final one. Leave out later looks."
        )
