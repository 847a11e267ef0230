"""A fitted demand model: draws, forecasts, price curves, elasticities; saved and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift import artifacts
from flashlift.account import HORIZON_DAYS
from flashlift.demand.baseline import Baseline
from flashlift.demand.config import DemandConfig
from flashlift.demand.draws import PosteriorDraws
from flashlift.demand.event_study import MissingShare
from flashlift.demand.forecast import daily_units, day_slots, planned_sales
from flashlift.demand.noise import Noise
from flashlift.demand.panel import Panel
from flashlift.demand.posterior import draw_truncated, elasticity_summary, lift_curves
from flashlift.demand.profile import HourProfile, by_day
from flashlift.demand.response import Effects, Response, SaleRows
from flashlift.demand.state import History, State
from flashlift.demand.substitution import diversion, substitute_groups
from flashlift.domain import Slot
from flashlift.errors import InputError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["FittedDemand"]

_KIND = "demand"
_LEVEL = 0.9
_IDENTIFIED_SD = 0.5**0.5  # of the prior's: below it, the log has removed more than half of the assumed variance


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedDemand:
    """What `fit` learned; implements `DemandModel`.

    Args:
        item_ids: known items, sorted.
        category: their category, row number in `categories`.
        categories: category paths; the first, empty one stands for none.
        origin_day: first day that was not known, in days since 1970-01-01 (UTC).
        state: what was known of each item then.
        fresh: the same for an item never sold, one row per category and a last one for an unknown category.
        lump: usual units per purchase of each item, and last of an unknown item, (n_items + 1,).
        n_sales: past sales behind each item's response.
        deepest: deepest discount seen for each item (else its category, else the shop), (n_items,).
        deepest_category: the same by category, and last the shop's, (n_categories + 1,).
        identified: whether the log, not the assumed prior, tells how the shop's customers answer to prices.
        baseline: units without a sale.
        response: visibility and elasticity.
        pull: share of extra units missing in the weeks after a sale.
        diverted: share of extra units that substitutes lose during it.
        noise: spreads of the forecast.
        profile: the hours of a day.
        detected: past sales were detected from prices, not recorded; the lift of being shown is then assumed.
        config: the choices of the fit.
    """

    item_ids: tuple[str, ...]
    category: IntArray
    categories: tuple[str, ...]
    origin_day: int
    state: State
    fresh: State
    lump: FloatArray
    n_sales: IntArray
    deepest: FloatArray
    deepest_category: FloatArray
    identified: bool
    baseline: Baseline
    response: Response
    pull: MissingShare
    diverted: MissingShare
    noise: Noise
    profile: HourProfile
    detected: bool
    config: DemandConfig

    @classmethod
    def assemble(
        cls,
        *,
        panel: Panel,
        history: History,
        baseline: Baseline,
        response: Response,
        sales: SaleRows,
        pull: MissingShare,
        diverted: MissingShare,
        noise: Noise,
        config: DemandConfig,
    ) -> FittedDemand:
        """Gather the parts that outlive the log."""
        n_items, n_categories = len(panel.item_ids), len(panel.categories)
        depth = -np.expm1(-sales.x)
        deepest_category = np.zeros(n_categories + 1)
        np.maximum.at(deepest_category, panel.category[sales.item], depth)
        deepest_category[-1] = deepest_category.max()
        deepest_category[deepest_category == 0] = deepest_category[-1]
        deepest = np.zeros(n_items)
        np.maximum.at(deepest, sales.item, depth)
        sd = float(np.sqrt(response.shop_covariance[1, 1]))
        every = np.arange(n_items)
        return cls(
            item_ids=tuple(panel.item_ids),
            category=panel.category,
            categories=tuple(panel.categories),
            origin_day=panel.first_day + panel.n_days,
            state=history.state(every, np.full(n_items, panel.n_days)),
            fresh=history.newcomers(np.append(np.arange(n_categories), -1), panel.n_days),
            lump=np.append(panel.lump, np.average(panel.lump, weights=panel.units.sum(1))),
            n_sales=np.bincount(sales.item, minlength=n_items),
            deepest=np.where(deepest > 0, deepest, deepest_category[panel.category]),
            deepest_category=deepest_category,
            identified=sd < _IDENTIFIED_SD * config.assumed_elasticity_sd,
            baseline=baseline,
            response=response,
            pull=pull,
            diverted=diverted,
            noise=noise,
            profile=panel.profile,
            detected=panel.detected,
            config=config,
        )

    def _rows(self, item_ids: Sequence[str]) -> IntArray:
        number = {item_id: k for k, item_id in enumerate(self.item_ids)}
        return np.array([number.get(item_id, -1) for item_id in item_ids], dtype=np.int64)

    def _groups(self, rows: IntArray, categories: Sequence[str | None]) -> IntArray:
        """Category of each item: its own where known, else the one given; -1 where the log has none such."""
        number = {path: k for k, path in enumerate(self.categories)}
        given = np.array([number.get(path or "", -1) for path in categories], dtype=np.int64)
        return np.where(rows >= 0, self.category[rows], given)

    def _known_rows(self, item_ids: Sequence[str]) -> IntArray:
        rows = self._rows(item_ids)
        if (rows < 0).any():
            missing = [item_id for item_id, row in zip(item_ids, rows, strict=True) if row < 0]
            raise InputError(
                f"Item {missing[0]!r} ({len(missing)} in all) was not sold in the fitted log. Ask for items with "
                f"a purchase or stock in the {self.config.history_days} days before {_date(self.origin_day)}."
            )
        return rows

    def _states(self, rows: IntArray, groups: IntArray) -> State:
        return _choose(self.state, self.fresh, rows, groups)

    def _effects(self, rows: IntArray, groups: IntArray) -> tuple[Effects, Effects]:
        items = _pick(self.response.items, self.response.newcomers(len(rows)), rows)
        return items, _pick(self.response.categories, self.response.unknown_categories(len(rows)), groups)

    def draw(
        self, items: pl.DataFrame, slots: Sequence[Slot], n_draws: int, *, rng: np.random.Generator
    ) -> PosteriorDraws:
        """Draws for `items` (schema SaleItems) and `slots`; new items get what their category or the shop tells.

        Raises:
            InputError: no slots, or a slot that begins before the end of the fitted log.
        """
        if not slots:
            raise InputError("There are no slots to draw demand for. Give the campaign at least one slot.")
        early = min(slots, key=lambda slot: slot.start)
        if early.start.timestamp() < self.origin_day * 86_400:
            raise InputError(
                f"Slot {early.slot_id!r} begins at {early.start:%Y-%m-%d %H:%M}, before the end of the fitted log "
                f"({_date(self.origin_day)}). Move the slot, or fit with an earlier `until`."
            )
        rows = self._rows(items["item_id"].to_list())
        groups = self._groups(rows, items["category"].to_list())
        slot_units, rest, in_horizon, total_28 = self._expected(rows, groups, slots)
        visibility, elasticity = self._draw_response(rows, groups, n_draws, rng)
        lump = self.lump[rows]
        return PosteriorDraws(
            slot_units=slot_units,
            rest_units=rest,
            in_horizon=in_horizon,
            lump=lump,
            visibility=visibility,
            elasticity=elasticity,
            level=self._draw_level(total_28, lump, n_draws, rng),
            slot_level=self._draw_slot_level(slots, n_draws, rng),
            cell_sd=float(np.sqrt(np.log1p(self.noise.cell))),
            pull_forward=self.pull.draw(n_draws, rng),
            effects=diversion(
                self.diverted.mean, substitute_groups(items["category"].to_list(), items["title"].to_list()), total_28
            ),
            deepest=np.where(rows >= 0, self.deepest[rows], self.deepest_category[groups]),
            identified=self.identified,
            seed=rng.integers(0, 2**64, len(rows), dtype=np.uint64),
        )

    def _daily(self, rows: IntArray, groups: IntArray, first: int, days: int) -> FloatArray:
        """Expected units without a sale, (n, days), from day `first` (since 1970-01-01) on."""
        state = self._states(rows, groups)
        out = np.empty((len(rows), days))
        for k in range(days):
            # Beyond the longest trained horizon the weekday and season still move; the horizon stands still.
            ahead = first + k - self.origin_day + 1
            horizon = min(ahead, self.config.horizon_days)
            origin = np.full(len(rows), self.origin_day + ahead - horizon)
            out[:, k] = self.baseline.predict(state, origin, np.full(len(rows), horizon))
        return out

    def _expected(
        self, rows: IntArray, groups: IntArray, slots: Sequence[Slot]
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_], FloatArray]:
        end = max(slot.end for slot in slots) + timedelta(days=HORIZON_DAYS)
        whole = (min(slot.start for slot in slots), end)
        windows = pl.DataFrame(
            {
                "start": [whole[0], *(s.start for s in slots)],
                "end": [whole[1], *(s.end for s in slots)],
            },
            schema={"start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC")},
        )
        cut = by_day(windows, self.profile)
        first = int(cut["day"].min())  # type: ignore[arg-type]
        days = int(cut["day"].max()) - first + 1  # type: ignore[arg-type]
        daily = self._daily(rows, groups, first, days)
        share = np.zeros((len(windows), days))
        np.add.at(share, (cut["window"].to_numpy(), cut["day"].to_numpy() - first), cut["share"].to_numpy())
        slot_units = daily @ share[1:].T
        in_horizon = _disjoint(slots)
        rest_share = np.maximum(share[0] - share[1:][in_horizon].sum(0), 0.0)
        return slot_units, daily @ rest_share, in_horizon, daily.mean(1) * 28

    def _draw_response(
        self, rows: IntArray, groups: IntArray, n_draws: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Visibility and elasticity, (n, n_draws) each; items of a category share the draw of their category."""
        response = self.response
        shop = rng.multivariate_normal(response.shop_mean, response.shop_covariance, n_draws, method="eigh")
        codes, of = np.unique(groups, return_inverse=True)
        categories = _pick(response.categories, response.unknown_categories(len(codes)), codes)
        parent = np.empty((len(codes), n_draws, shop.shape[1]))
        parent[:, :, 2:] = shop[:, 2:]
        noise = np.einsum("nij,nkj->nki", _root(categories.covariance), rng.standard_normal((len(codes), n_draws, 2)))
        parent[:, :, :2] = categories.constant[:, None] + np.einsum("nij,kj->nki", categories.slope, shop) + noise
        items = _pick(response.items, response.newcomers(len(rows)), rows)
        visibility, elasticity = np.empty((len(rows), n_draws)), np.empty((len(rows), n_draws))
        for k in range(n_draws):
            mean = items.constant + np.einsum("nij,nj->ni", items.slope, parent[of, k])
            visibility[:, k], elasticity[:, k] = draw_truncated(mean, items.covariance, rng)
        if self.detected:
            assumed = self._assumed_visibility + self.config.unrecorded_lift_sd * rng.standard_normal(n_draws)
            visibility = np.broadcast_to(assumed, elasticity.shape)
        return visibility, elasticity

    @property
    def _assumed_visibility(self) -> float:
        return float(np.log(self.config.unrecorded_lift))

    def _draw_level(self, units_28: FloatArray, lump: FloatArray, n_draws: int, rng: np.random.Generator) -> FloatArray:
        own = self.noise.item_variance(units_28, lump)
        level = rng.gamma(1.0 / np.maximum(own, 1e-6)[:, None], np.maximum(own, 1e-6)[:, None], (len(own), n_draws))
        return np.asarray(level * _lognormal(self.noise.shop, n_draws, rng))

    def _draw_slot_level(self, slots: Sequence[Slot], n_draws: int, rng: np.random.Generator) -> FloatArray:
        """Slots that begin on one day share the shop's day."""
        days, of = np.unique([slot.start.date().toordinal() for slot in slots], return_inverse=True)
        return _lognormal(self.noise.day, (len(days), n_draws), rng)[of]

    def forecast(
        self, start: date, days: int, *, n_draws: int, rng: np.random.Generator, promotions: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Units of every known item per day, with 90 % intervals of what will be counted.

        Args:
            start: first day, not before the end of the fitted log.
            days: number of days.
            n_draws: draws behind the intervals.
            promotions: sales already decided for these days: `item_id`, `start`, `end`, `depth` (fraction off the
                usual price).
            rng: source of the draws.

        Returns:
            `item_id`, `date`, `mean`, `ci_lower`, `ci_upper`, sorted by item and date.
        """
        edges = [
            np.stack([part.mean(2), *np.quantile(part, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=2)])
            for part in self.daily_units(start, days, n_draws=n_draws, rng=rng, promotions=promotions)
        ]
        mean, lower, upper = np.concatenate(edges, axis=1).reshape(3, -1)
        dates = pl.date_range(start, start + timedelta(days=days - 1), eager=True)
        return pl.DataFrame(
            {
                "item_id": [item_id for item_id in self.item_ids for _ in range(days)],
                "date": pl.concat([dates] * len(self.item_ids)),
                "mean": mean,
                "ci_lower": lower,
                "ci_upper": upper,
            }
        )

    def daily_units(
        self, start: date, days: int, *, n_draws: int, rng: np.random.Generator, promotions: pl.DataFrame | None = None
    ) -> Iterator[FloatArray]:
        """Drawn units of all known items in order, in blocks (some items, days, n_draws); as in `forecast`."""
        items = pl.DataFrame(
            {
                "item_id": self.item_ids,
                "category": [self.categories[k] for k in self.category],
                "title": pl.Series([None] * len(self.item_ids), dtype=pl.String),
            }
        )
        draws = self.draw(items, day_slots(start, days), n_draws, rng=rng)
        share, depth = planned_sales(promotions, self.item_ids, self.profile, start, days)
        return daily_units(draws, share, depth)

    def curves(self, item_ids: Sequence[str], discounts: Sequence[float]) -> pl.DataFrame:
        """Price-response curves of known items.

        Args:
            item_ids: items with purchases in the fitted log.
            discounts: fractions of the list price, in [0, 1).

        Returns:
            `item_id`, `discount_frac`, `lift` (expected units in a sale over units without one), `ci_lower`,
            `ci_upper` (90 %), `identified` (false: the item's own sales
            do not tell it; it comes from the category, the shop, or the assumption).

        Raises:
            InputError: an item without purchases, or a discount out of range.
        """
        discount = np.asarray(discounts, dtype=np.float64)
        if len(discount) and not (discount.min() >= 0 and discount.max() < 1):
            raise InputError(f"Discounts {list(discounts)} are not all in [0, 1). Give fractions of the list price.")
        rows = self._known_rows(item_ids)
        mean, spread = self._marginal(rows)
        lift, lower, upper = lift_curves(mean, spread, discount)
        return pl.DataFrame(
            {
                "item_id": [item_id for item_id in item_ids for _ in discount],
                "discount_frac": np.tile(discount, len(rows)),
                "lift": lift.ravel(),
                "ci_lower": lower.ravel(),
                "ci_upper": upper.ravel(),
                "identified": np.repeat(self._own_response(rows), len(discount)),
            }
        )

    def elasticities(self) -> pl.DataFrame:
        """Price elasticity d ln q / d ln p of every known item with its 90 % interval; all below 0.

        Returns:
            `item_id`, `category`, `elasticity`, `ci_lower`, `ci_upper`, `n_promotions`, `identified`.
        """
        elasticity, lower, upper = elasticity_summary(*self._marginal(np.arange(len(self.item_ids))))
        return pl.DataFrame(
            {
                "item_id": self.item_ids,
                "category": [self.categories[k] or None for k in self.category],
                "elasticity": elasticity,
                "ci_lower": lower,
                "ci_upper": upper,
                "n_promotions": self.n_sales,
                "identified": self._own_response(np.arange(len(self.item_ids))),
            },
            schema_overrides={"category": pl.String},
        )

    def _own_response(self, rows: IntArray) -> npt.NDArray[np.bool_]:
        """Whether an item's own past sales speak in its response, in a shop whose log identifies one."""
        return self.identified & (self.n_sales[rows] > 0)

    def _marginal(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        mean, spread = self.response.marginal(*self._effects(rows, self.category[rows]))
        if self.detected:
            mean[:, 0] = self._assumed_visibility
            spread[:, 0], spread[:, :, 0] = 0.0, 0.0
            spread[:, 0, 0] = self.config.unrecorded_lift_sd**2
        return mean, spread

    def save(self, folder: Path, *, inputs: str) -> None:
        """Write the model as an artifact; `inputs` is the digest of what it was made from."""
        arrays = {
            "category": self.category,
            "lump": self.lump,
            "n_sales": self.n_sales,
            "deepest": self.deepest,
            "deepest_category": self.deepest_category,
            "profile": self.profile.cumulative,
            "coefficients": self.baseline.coefficients,
            "booster": np.frombuffer(self.baseline.booster.model_to_string().encode(), dtype=np.uint8),
            **{f"shop_{k}": getattr(self.response, k) for k in _SHOP_ARRAYS},
        }
        for name, part in (("state", self.state), ("fresh", self.fresh)):
            arrays |= {f"{name}_{k}": getattr(part, k) for k in State.__slots__ if getattr(part, k) is not None}
        for name, effects in (("items", self.response.items), ("categories", self.response.categories)):
            arrays |= {f"{name}_{k}": getattr(effects, k) for k in Effects.__slots__}
        manifest = {
            "origin_day": self.origin_day,
            "categories": list(self.categories),
            "dispersion": self.response.dispersion,
            "n_sales": self.response.n_sales,
            "pull": asdict(self.pull),
            "diverted": asdict(self.diverted),
            "noise": asdict(self.noise),
            "detected": self.detected,
            "identified": self.identified,
            "config": asdict(self.config),
        }
        frames = {"items": pl.DataFrame({"item_id": self.item_ids})}
        artifacts.save(
            artifacts.Artifact(kind=_KIND, manifest=manifest, inputs=inputs, arrays=arrays, frames=frames), folder
        )

    @classmethod
    def load(cls, folder: Path) -> FittedDemand:
        """Read a saved model back; it answers exactly as the one that was saved.

        Raises:
            ArtifactError: missing, damaged, or something else.
        """
        stored = artifacts.load(folder, _KIND)
        arrays, facts = stored.arrays, stored.manifest
        return cls(
            item_ids=tuple(stored.frames["items"]["item_id"].to_list()),
            category=arrays["category"],
            categories=tuple(facts["categories"]),
            origin_day=facts["origin_day"],
            state=_state(arrays, "state"),
            fresh=_state(arrays, "fresh"),
            lump=arrays["lump"],
            n_sales=arrays["n_sales"],
            deepest=arrays["deepest"],
            deepest_category=arrays["deepest_category"],
            identified=facts["identified"],
            baseline=Baseline(arrays["coefficients"], lgb.Booster(model_str=arrays["booster"].tobytes().decode())),
            response=Response(
                items=Effects(**{k: arrays[f"items_{k}"] for k in Effects.__slots__}),
                categories=Effects(**{k: arrays[f"categories_{k}"] for k in Effects.__slots__}),
                **{k: arrays[f"shop_{k}"] for k in _SHOP_ARRAYS},
                dispersion=facts["dispersion"],
                n_sales=facts["n_sales"],
            ),
            pull=MissingShare(**facts["pull"]),
            diverted=MissingShare(**facts["diverted"]),
            noise=Noise(**facts["noise"]),
            profile=HourProfile(cumulative=arrays["profile"]),
            detected=facts["detected"],
            config=DemandConfig(**facts["config"]),
        )


_SHOP_ARRAYS = ("shop_mean", "shop_covariance", "within", "between")


def _state(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> State:
    parts: dict[str, Any] = {k: arrays.get(f"{name}_{k}") for k in State.__slots__}
    return State(**parts)


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def _choose(known: State, fresh: State, rows: IntArray, groups: IntArray) -> State:
    def pick(name: str) -> FloatArray | None:
        old, new = getattr(known, name), getattr(fresh, name)
        if old is None or new is None:
            return None
        select = (rows >= 0).reshape(-1, *[1] * (old.ndim - 1))
        return np.asarray(np.where(select, old[rows], new[groups]))

    return State(**{name: pick(name) for name in State.__slots__})  # type: ignore[arg-type]


def _pick(known: Effects, unknown: Effects, rows: IntArray) -> Effects:
    def choose(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.where((rows >= 0).reshape(-1, *[1] * (a.ndim - 1)), a[rows], b)

    return Effects(**{name: choose(getattr(known, name), getattr(unknown, name)) for name in Effects.__slots__})


def _disjoint(slots: Sequence[Slot]) -> npt.NDArray[np.bool_]:
    """Slots in order of start that do not overlap a slot already taken."""
    taken = np.zeros(len(slots), dtype=bool)
    end: datetime | None = None
    for k in sorted(range(len(slots)), key=lambda k: (slots[k].start, slots[k].end)):
        if end is None or slots[k].start >= end:
            taken[k], end = True, slots[k].end
    return taken


def _lognormal(variance: float, size: int | tuple[int, int], rng: np.random.Generator) -> FloatArray:
    sd = np.sqrt(np.log1p(variance))
    return np.asarray(np.exp(sd * rng.standard_normal(size) - 0.5 * sd**2))


def _root(covariance: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.cholesky(covariance))
