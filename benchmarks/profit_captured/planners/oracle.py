"""The exact planner on the truth, improved by local search on the true value where effects between offers bend it.

It knows parameters and present state, not future shocks. The futures it searches on are not those plans are judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks.profit_captured.case import Case, Estimated
from flashlift.domain import Offer
from flashlift.planning.limits import Rows, compile_limits
from flashlift.planning.problem import Columns, build_columns
from flashlift.planning.programme import maximize
from flashlift.planning.solution import offers_of
from flashlift.protocols import FloatArray

__all__ = ["ESTIMATOR", "NAME", "SEARCH_SEED", "Bounded", "Move", "climb", "plan"]

NAME = "oracle"
ESTIMATOR = "truth"
SEARCH_SEED = 101
PLAYS = 800  # plans tried at most
SECONDS, GAP_FRAC = 60.0, 1e-4  # of the start
FUTURES = 2  # times the estimators' draws
QUOTA_QUANTILES = (0.8, 0.9999)
BEST_OTHERS = 8  # items tried in the place of a chosen one
SURE = 2.0  # standard errors by which a plan must be better in the same futures

Chosen = frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Take some offers out and put others in."""

    out: Chosen = frozenset()
    into: Chosen = frozenset()

    def apply(self, chosen: Chosen) -> Chosen | None:
        """The plan after it; None where it does not fit the plan."""
        fits = self.out <= chosen and not self.into & chosen
        return (chosen - self.out) | self.into if fits else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded(Sequence[Offer]):
    """Offers, and a value that no plan exceeds; None where none is known."""

    offers: tuple[Offer, ...]
    bound: float | None

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        return self.offers[at]

    def __len__(self) -> int:
        return len(self.offers)


def plan(case: Case, estimated: Estimated) -> Bounded:
    """Solve, and climb where offers touch each other.

    Where they do not, the solver's bound on the draws is handed on: its expectation is above the true value of every
    plan with these quotas (Mak, Morton and Wood 1999, theorem 1), so it is an upper bound up to the noise of the draws.
    """
    campaign, items = case.campaign, case.items
    columns = _columns(case, estimated)
    rows = compile_limits(campaign, items, columns)
    start = maximize(columns.value, rows, time_limit_s=SECONDS, gap_frac=GAP_FRAC)
    if start is None:
        raise RuntimeError("the solver found no plan within the limits")
    chosen = frozenset(np.flatnonzero(start.chosen).tolist())

    def offers(chosen: Chosen) -> tuple[Offer, ...]:
        return offers_of(_mask(chosen, len(columns)), columns, campaign, items)

    if _apart(case, estimated, offers(chosen)):
        return Bounded(offers=offers(chosen), bound=start.bound)
    futures = case.shop.futures(campaign.slots, FUTURES * case.n_draws, seed=SEARCH_SEED)
    best = climb(
        chosen,
        partial(_moves, columns),
        keeps=partial(_keeps, rows),
        value=lambda chosen: futures.play(offers(chosen), campaign.costs).value,
        plays=PLAYS,
    )
    return Bounded(offers=offers(best), bound=None)


def _columns(case: Case, estimated: Estimated) -> Columns:
    """Every offer with a tight and with a generous quota, the tight ones first.

    Quotas are the planner's to choose within the stock. The campaign's rule, a quantile of the draws, would hold back
    the oracle most, because it is the least uncertain.
    """
    parts = [
        build_columns(replace(case.campaign, quota_quantile=quantile), case.items, estimated.draws)
        for quantile in QUOTA_QUANTILES
    ]
    return Columns(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Columns)})


def _apart(case: Case, estimated: Estimated, offers: Sequence[Offer]) -> bool:
    """Whether offers do not touch each other, so that the solver's sum of their values is the whole account.

    The truth has no effects between items, and these offers are worth as much together as one by one in every future.
    """
    if len(estimated.draws.cross().source):
        return False
    futures = case.shop.futures(case.campaign.slots, case.n_draws, seed=SEARCH_SEED)
    together = futures.play(offers, case.campaign.costs).value
    alone = [futures.play([offer], case.campaign.costs).value for offer in offers]
    return bool(np.allclose(together, np.sum(alone, axis=0), rtol=1e-9, atol=1e-6)) if alone else True


def climb(
    start: Chosen,
    moves: Callable[[Chosen], Iterator[Move]],
    *,
    keeps: Callable[[Chosen], bool],
    value: Callable[[Chosen], FloatArray],
    plays: int,
    sure: float = SURE,
) -> Chosen:
    """Take every move that raises the mean value by `sure` standard errors, until none does or `plays` are used up.

    Args:
        start: the plan to begin with.
        moves: moves worth trying from a plan, the most promising first.
        keeps: whether a plan keeps the limits.
        value: value of a plan in each of some common futures.
        plays: plans valued at most.
        sure: standard errors of the difference in the common futures.
    """
    best, worth, left, found = start, value(start), plays - 1, True
    while found:
        found = False
        for move in moves(best):
            other = move.apply(best)
            if other is None or not keeps(other):
                continue
            if left == 0:
                return best
            left -= 1
            gain = (outcome := value(other)) - worth
            if gain.mean() > sure * gain.std(ddof=1) / len(gain) ** 0.5:
                best, worth, found = other, outcome, True
    return best


def _moves(columns: Columns, chosen: Chosen) -> Iterator[Move]:
    """Leave an offer out, add one, then replacements and exchanges, by what they promise one by one."""
    worth = columns.value
    for k in sorted(chosen, key=lambda k: worth[k]):
        yield Move(out=frozenset({k}))
    others = _best_others(columns, chosen)
    for k in sorted(others, key=lambda k: -worth[k]):
        yield Move(into=frozenset({k}))
    swaps = [*_same_item(columns, chosen), *_exchanges(columns, chosen)]
    swaps += [
        Move(out=frozenset({k}), into=frozenset({new}))
        for k in chosen
        for new in others
        if columns.slot[new] == columns.slot[k]
    ]

    def promise(move: Move) -> tuple[float, list[int]]:
        gain = sum(worth[k] for k in move.into) - sum(worth[k] for k in move.out)
        return -gain, sorted(move.out | move.into)  # the second part only makes the order the same on every run

    yield from sorted(swaps, key=promise)


def _best_others(columns: Columns, chosen: Chosen) -> list[int]:
    """The best offer, in each slot, of the best items that are not in the plan."""
    taken = {int(columns.item[k]) for k in chosen}
    found = []
    for slot in np.unique(columns.slot):
        seen = set(taken)
        here = np.flatnonzero(columns.slot == slot)
        for k in here[np.argsort(-columns.value[here], kind="stable")].tolist():
            if len(seen) == len(taken) + BEST_OTHERS:
                break
            if int(columns.item[k]) not in seen:
                seen.add(int(columns.item[k]))
                found.append(k)
    return found


def _same_item(columns: Columns, chosen: Chosen) -> Iterator[Move]:
    """Another step of the ladder in the same slot, or another slot."""
    for k in chosen:
        for new in np.flatnonzero(columns.item == columns.item[k]).tolist():
            if new != k:
                yield Move(out=frozenset({k}), into=frozenset({new}))


def _exchanges(columns: Columns, chosen: Chosen) -> Iterator[Move]:
    """Two items trade their slots and keep their prices."""
    at = {(int(columns.item[k]), int(columns.slot[k]), float(columns.price[k])): k for k in range(len(columns))}
    for a in chosen:
        for b in chosen:
            if columns.slot[a] < columns.slot[b]:
                to_b = at.get((int(columns.item[a]), int(columns.slot[b]), float(columns.price[a])))
                to_a = at.get((int(columns.item[b]), int(columns.slot[a]), float(columns.price[b])))
                if to_a is not None and to_b is not None:
                    yield Move(out=frozenset({a, b}), into=frozenset({to_a, to_b}))


def _keeps(rows: Rows, chosen: Chosen) -> bool:
    return bool((rows.violation(_mask(chosen, rows.matrix.shape[1])) <= 1e-9).all())


def _mask(chosen: Chosen, n: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros(n, dtype=bool)
    mask[list(chosen)] = True
    return mask
