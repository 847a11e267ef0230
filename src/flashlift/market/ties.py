"""Social ties: who knows whom, and how word of a purchase moves friends to the same item."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.market.rhythm import hour_profiles
from flashlift.market.visits import BUY, COLLECT, NONE, SECONDS_PER_EPISODE, Visits, Window
from flashlift.market.words import CHANNELS
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Ties

__all__ = ["Friends", "WordOfMouth", "make_friends"]

_TAIL = 2.0  # index of the Pareto law of sociability: a finite mean, no finite variance
_REACH = 0.25  # typical distance of friends on the line of likeness, in mean numbers of friends
_FAR_FRAC = 0.05  # of ties, between any two customers

_TALKER_FRAC = 0.5  # of buyers
_FIRST_WORD_S, _WORD_S = 1_800.0, 86_400.0  # least delay, and mean delay beyond it
_LONGEST_END_S = 600.0  # from the begin of the last episode of a visit to its payment, at most
_BUY_WEIGHT = 3.0  # a friend's word rather ends in a purchase than a look of one's own does
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Friends:
    """Who knows whom.

    Args:
        frame: schema Ties.
        first: the friends of customer c are `friend[first[c] : first[c + 1]]`.
        friend: row numbers of customers, (2 x number of ties,).
        kind: of each customer, as index into `KINDS`: when friends have time to answer.
    """

    frame: pl.DataFrame
    first: IntArray
    friend: IntArray
    kind: IntArray

    def take(self, chosen: Mask) -> Friends:
        """The ties among some of the customers."""
        customer = np.repeat(np.arange(len(self.kind)), np.diff(self.first))
        kept = chosen[customer] & chosen[self.friend]
        row = np.cumsum(chosen) - 1
        return Friends(
            frame=self.frame.filter(kept),
            first=np.searchsorted(row[customer[kept]], np.arange(chosen.sum() + 1)),
            friend=row[self.friend[kept]],
            kind=self.kind[chosen],
        )


def make_friends(
    mean: float, ids: pl.Series, region: IntArray, favorite: IntArray, kind: IntArray, *, rng: np.random.Generator
) -> Friends | None:
    """Ties between customers who are alike, with degrees of a heavy tail; None where `mean` is 0.

    Customers stand on a line, ordered by region and favorite category. Each has a sociability of Pareto's law and
    befriends those near on the line, the more sociable the farther out. So friends of friends are often friends: the
    small world of Watts and Strogatz (1998), with hubs.

    Args:
        mean: mean number of friends; met exactly up to rounding.
        ids: of the customers.
        region: of each customer.
        favorite: category that each likes best.
        kind: see `Friends`.
        rng: of everything.
    """
    if mean == 0.0:
        return None
    n = len(ids)
    line = np.lexsort((rng.random(n), favorite, region))
    social = rng.pareto(_TAIL, n) + 1.0
    social /= social.mean()
    wanted = round(n * mean / 2)
    pairs = np.array([], dtype=np.int64)  # lower place x n + upper place
    while len(pairs) < wanted:
        one = rng.choice(n, size=2 * (wanted - len(pairs)) + 10, p=social / n)
        apart = np.ceil(rng.exponential(_REACH * mean * social[one])) * rng.choice((-1, 1), len(one))
        far = rng.random(len(one)) < _FAR_FRAC
        other = np.where(far, rng.integers(n, size=len(one)), one + apart.astype(np.int64))
        real = (other >= 0) & (other < n) & (other != one)
        code = np.minimum(one, other)[real] * n + np.maximum(one, other)[real]
        pairs = np.union1d(pairs, code)
    pairs = rng.permutation(pairs)[:wanted]
    one, other = line[pairs // n], line[pairs % n]
    customer, friend = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.lexsort((friend, customer))
    customer, friend = customer[order], friend[order]
    frame = pl.DataFrame({Ties.customer_id.name: ids.gather(customer), Ties.friend_id.name: ids.gather(friend)})
    first = np.searchsorted(customer, np.arange(n + 1))
    return Friends(frame=Ties.validate(frame), first=first, friend=friend, kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What friends have heard: of which item, who, and when they will look at it, in seconds since 1970."""

    item: IntArray
    friend: IntArray
    at: FloatArray

    def __getitem__(self, which: Mask | IntArray) -> Self:
        return replace(self, **{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def __add__(self, other: Self) -> Self:
        return replace(
            self, **{f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)}
        )


class WordOfMouth:
    """Half of the buyers talk about what they bought; each friend may look at it or buy it, soon or days later.

    How much is bought and looked at stays as it is: word of mouth decides by whom.
    """

    def __init__(self, friends: Friends) -> None:
        self._friends = friends
        self._profiles = hour_profiles()
        none = np.array([], dtype=np.int64)
        self._waiting = _Words(item=none, friend=none, at=none.astype(np.float64))

    def carry(self, visits: Visits, window: Window, *, rng: np.random.Generator) -> Visits:
        """Give some of the episodes online to friends who heard of a purchase, in visits of their own.

        Call it window by window in order of time: words not yet answered are kept for the next.
        """
        opens, closes = (window.day.timestamp() + second for second in window.bounds())
        due = self._waiting.at < closes
        heard = self._waiting[due & (self._waiting.at >= opens)]
        free = visits.manner <= BUY
        visits = self._answered(visits, heard, free, window, rng)

        bought = (visits.manner == BUY) | (visits.manner == COLLECT)
        talks = np.flatnonzero(bought & (rng.random(len(bought)) < _TALKER_FRAC))
        free[talks] = False  # who told others is not told in turn by what came of it
        news = self._told(visits, talks, window, rng)
        self._waiting = self._waiting[~due] + news[news.at >= closes]
        return self._answered(visits, news[news.at < closes], free, window, rng)

    def _told(self, visits: Visits, talks: IntArray, window: Window, rng: np.random.Generator) -> _Words:
        """Every friend of who talks hears of it."""
        friends, visit = self._friends, visits.visit[talks]
        size = np.bincount(visits.visit, minlength=len(visits))[visit]
        paid = visits.begins[visit] + SECONDS_PER_EPISODE * size + _LONGEST_END_S
        first = friends.first[visits.customer[visit]]
        count = friends.first[visits.customer[visit] + 1] - first
        nth = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
        delay = _FIRST_WORD_S + rng.exponential(_WORD_S, len(nth))
        return _Words(
            item=np.repeat(visits.item[talks], count),
            friend=friends.friend[np.repeat(first, count) + nth],
            at=window.day.timestamp() + np.repeat(paid, count) + delay,
        )

    def _answered(self, visits: Visits, heard: _Words, free: Mask, window: Window, rng: np.random.Generator) -> Visits:
        """The visits with episodes moved to those who heard; `free` loses these episodes."""
        second = heard.at - window.day.timestamp()
        profile = self._profiles[window.weekend]
        awake = profile[self._friends.kind[heard.friend], (second // 3600.0).astype(np.int64).clip(0, 23)]
        ready = rng.random(len(second)) * profile.max() < awake
        heard, second = heard[ready], second[ready]
        chance = np.where(visits.manner == BUY, _BUY_WEIGHT, 1.0)
        word, episode = _pairs(heard.item, visits.item, chance, free, rng)
        free[episode] = False
        own = visits.visit.copy()
        own[episode] = len(visits) + np.arange(len(episode))
        n, (opens, closes) = len(word), window.bounds()
        return replace(
            visits,
            customer=np.concatenate([visits.customer, heard.friend[word]]),
            begins=np.concatenate([visits.begins, second[word]]),
            opens=np.concatenate([visits.opens, np.full(n, opens)]),
            closes=np.concatenate([visits.closes, np.full(n, closes)]),
            channel=np.concatenate([visits.channel, np.full(n, CHANNELS.index("social"))]),
            store=np.concatenate([visits.store, np.full(n, NONE)]),
            visit=own,
        )


def _pairs(
    heard: IntArray, item: IntArray, chance: FloatArray, free: Mask, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Numbers of words and episodes of the same item, at random, each at most once; likely ones by `chance`."""
    episode = np.flatnonzero(free)
    episode = episode[np.lexsort((rng.exponential(size=len(episode)) / chance[episode], item[episode]))]
    word = np.lexsort((rng.random(len(heard)), heard))
    nth = np.arange(len(word)) - np.searchsorted(heard[word], heard[word])
    place = np.searchsorted(item[episode], heard[word]) + nth
    found = place < np.searchsorted(item[episode], heard[word], side="right")
    return word[found], episode[place[found]]
