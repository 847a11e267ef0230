"""A fitted demand model: draws, forecasts, price curves, elasticities; saved and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift import artifacts
from flashlift.demand.baseline import Baseline
from flashlift.demand.complements import Complements
from flashlift.demand.config import DemandConfig
from flashlift.demand.draws import PosteriorDraws
from flashlift.demand.event_study import MovedShare
from flashlift.demand.forecast import daily_units, day_slots, day_table, planned_sales
from flashlift.demand.halo import halo_effects, halo_sentence
from flashlift.demand.horizon import look_ahead, week_ahead
from flashlift.demand.neighbors import rates_of_neighbors
from flashlift.demand.noise import Noise
from flashlift.demand.posterior import draw_effects, elasticity_summary, lift_curves
from flashlift.demand.profile import HourProfile
from flashlift.demand.response import Response
from flashlift.demand.state import LONG_WINDOW, State
from flashlift.demand.storage import KIND, LAYOUT, pack, unpack
from flashlift.demand.substitutes import join_groups, without_brand
from flashlift.demand.substitution import diversion, diversion_sentence
from flashlift.demand.threads import one_blas_thread
from flashlift.demand.titles import TitleVectors
from flashlift.demand.traffic_effect import TrafficEffect, lean_on
from flashlift.domain import Estimate, Slot
from flashlift.errors import InputError
from flashlift.protocols import FloatArray, IntArray, SparseEffects

__all__ = ["FittedDemand"]


_DECIMALS = 6  # of drawn parameters: a plan may turn on the last bits, and those differ between machines


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedDemand:
    """What `fit` learned; implements `DemandModel`.

    Args:
        item_ids: known items, sorted.
        titles: their titles.
        category: their category, row number in `categories`.
        categories: category paths; the first, empty one stands for none.
        brand: brand of the known items, row number in `brands`.
        brands: category (row number) and name of each brand of a category; the first stands for none.
        group: number of the group of substitutes of each item, (n_items,).
        origin_day: first day that was not known, in days since 1970-01-01 (UTC).
        state: what was known of each item then.
        fresh: the same for an item never sold, one row per category and a last one for an unknown category.
        lump: usual units per purchase of each item, and last of an unknown item, (n_items + 1,).
        n_sales: past sales behind each item's response.
        deepest: deepest discount seen for each item (else its category, else the shop), (n_items,).
        deepest_category: the same by category, and last the shop's, (n_categories + 1,).
        identified: whether the log, not the assumed prior, tells how the shop's customers answer to prices.
        log_position: mean log position of past sales, where the response stands; None where no position is known.
        baseline: units without a sale.
        gap_response: d ln units / d ln (our regular price / the lowest of competitors); None where it is not known.
        response: visibility and elasticity.
        pull: share of extra units missing in the weeks after a sale.
        diverted: share of extra units that substitutes lose during it.
        halo: units of complements that an extra unit brings.
        complements: which items go along with which; none where no halo was found.
        noise: spreads of the forecast.
        profile: the hours of a day.
        detected: past sales were detected from prices, not recorded; the lift of being shown is then assumed.
        config: the choices of the fit.
        traffic: what expected traffic was found to be worth; None where there was none.
        lean: log change of each item's forecast by it in the first week, (n_items,); 0 without any.
    """

    item_ids: tuple[str, ...]
    titles: tuple[str | None, ...]
    category: IntArray
    categories: tuple[str, ...]
    brand: IntArray
    brands: tuple[tuple[int, str], ...]
    group: IntArray
    origin_day: int
    state: State
    fresh: State
    lump: FloatArray
    n_sales: IntArray
    deepest: FloatArray
    deepest_category: FloatArray
    identified: bool
    log_position: float | None
    baseline: Baseline
    gap_response: Estimate | None
    response: Response
    pull: MovedShare
    diverted: MovedShare
    halo: MovedShare
    complements: Complements
    noise: Noise
    profile: HourProfile
    detected: bool
    config: DemandConfig
    traffic: TrafficEffect | None
    lean: FloatArray

    def _rows(self, item_ids: Sequence[str]) -> IntArray:
        number = {item_id: k for k, item_id in enumerate(self.item_ids)}
        return np.array([number.get(item_id, -1) for item_id in item_ids], dtype=np.int64)

    def _groups(self, rows: IntArray, categories: Sequence[str | None]) -> IntArray:
        """Category of each item: its own where known, else the one given; -1 where the log has none such."""
        number = {path: k for k, path in enumerate(self.categories)}
        given = np.array([number.get(path or "", -1) for path in categories], dtype=np.int64)
        return np.where(rows >= 0, self.category[rows], given)

    def _brands(self, rows: IntArray, groups: IntArray, names: Sequence[str | None]) -> IntArray:
        """Brand of each item: its own where known, else the one given; -1 where its category has none such."""
        number = {pair: k for k, pair in enumerate(self.brands)}
        given = [number.get((int(group), name), -1) if name else 0 for group, name in zip(groups, names, strict=True)]
        return np.where(rows >= 0, self.brand[rows], np.array(given, dtype=np.int64))

    def _substitutes(self, rows: IntArray, categories: IntArray, items: pl.DataFrame) -> IntArray:
        """Group of substitutes of each item; an item never sold joins by its title."""
        group = self.group[rows]
        new = np.flatnonzero(rows < 0)
        if len(new):
            known = without_brand(self.titles, [self.brands[k][1] for k in self.brand])
            title = without_brand(items["title"].gather(new).to_list(), items["brand"].gather(new).to_list())
            group[new] = join_groups(TitleVectors(known), self.group, self.category, title, categories[new])
        return group

    def _cross(self, rows: IntArray, groups: IntArray, items: pl.DataFrame, usual: FloatArray) -> SparseEffects:
        """What an extra unit of each item takes from substitutes and brings to complements."""
        taken = diversion(
            round(self.diverted.mean, _DECIMALS), self._substitutes(rows, groups, items), usual.round(_DECIMALS)
        )
        if not len(self.complements.source):
            return taken
        brought = halo_effects(round(self.halo.mean, _DECIMALS), self.complements, rows, len(self.item_ids))
        return SparseEffects(
            source=np.append(taken.source, brought.source),
            target=np.append(taken.target, brought.target),
            effect=np.append(taken.effect, brought.effect),
        )

    @property
    def substitution(self) -> str:
        """What sales take from substitutes, in a sentence, with the 90 % interval of the log alone."""
        return diversion_sentence(self.diverted, self.group)

    @property
    def spillover(self) -> str:
        """What sales bring to complements, in a sentence, with the 90 % interval of the log alone."""
        return halo_sentence(self.halo, self.complements)

    def _states(self, rows: IntArray, groups: IntArray, titles: Sequence[str | None]) -> State:
        """State of each item; one never sold is expected to sell like its category and items of similar titles."""
        state = self.state.choose(rows, self.fresh, groups)
        new = np.flatnonzero(rows < 0)
        if not len(new):
            return state
        rate = state.group.copy()
        level = self.state.levels()[:, LONG_WINDOW]
        rate[new] = rates_of_neighbors([titles[int(k)] for k in new], rate[new], self.titles, level)
        return replace(state, group=rate)

    def _known_rows(self, item_ids: Sequence[str]) -> IntArray:
        rows = self._rows(item_ids)
        if (rows < 0).any():
            missing = [item_id for item_id, row in zip(item_ids, rows, strict=True) if row < 0]
            raise InputError(
                f"Item {missing[0]!r} ({len(missing)} in all) was not sold in the fitted log. Ask for items with "
                f"a purchase or stock in the {self.config.history_days} days before {_date(self.origin_day)}."
            )
        return rows

    def draw(
        self, items: pl.DataFrame, slots: Sequence[Slot], n_draws: int, *, rng: np.random.Generator
    ) -> PosteriorDraws:
        """Draws for `items` (schema SaleItems) and `slots`; new items get what their brand, category or the shop tells.

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
        brands = self._brands(rows, groups, items["brand"].to_list())
        state = self._states(rows, groups, items["title"].to_list())
        with one_blas_thread():
            horizon = look_ahead(
                self.baseline,
                state,
                self.profile,
                slots,
                origin_day=self.origin_day,
                longest=self.config.horizon_days,
                lean=np.where(rows >= 0, self.lean[rows], 0.0),
            )
            visibility, elasticity, position = self._draw_effects(rows, brands, groups, n_draws, rng)
        lump = self.lump[rows]
        return PosteriorDraws(
            slot_units=horizon.slot_units.round(_DECIMALS),
            rest_units=horizon.rest_units.round(_DECIMALS),
            in_horizon=horizon.in_horizon,
            lump=lump,
            visibility=_rounded(visibility),
            elasticity=_rounded(elasticity),
            position=position.round(_DECIMALS),
            level=_rounded(self.noise.draw_levels(horizon.units_28, lump, n_draws, rng)),
            slot_level=self.noise.draw_slot_levels(slots, n_draws, rng).round(_DECIMALS),
            cell_sd=float(np.sqrt(np.log1p(self.noise.cell))),
            pull_forward=self.pull.draw(n_draws, rng).round(_DECIMALS),
            effects=self._cross(rows, groups, items, horizon.units_28),
            deepest=np.where(rows >= 0, self.deepest[rows], self.deepest_category[groups]),
            identified=self.identified,
            seed=rng.integers(0, 2**64, len(rows), dtype=np.uint64),
        )

    def with_traffic(self, effect: TrafficEffect | None, traffic: pl.DataFrame | None) -> FittedDemand:
        """The model with what `expect_traffic` expects as of its origin; without an effect or a frame, with none.

        Raises:
            InputError: the frame holds nothing as of the origin.
        """
        lean = np.zeros(len(self.item_ids))
        if effect is not None and traffic is not None:
            week = week_ahead(self.baseline, self.state, self.origin_day)
            lean = lean_on(effect, traffic, self.item_ids, self.state, week, self.origin_day).round(_DECIMALS)
        return replace(self, traffic=effect, lean=lean)

    def _draw_effects(
        self, rows: IntArray, brands: IntArray, groups: IntArray, n_draws: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Visibility (assumed where the log records no sales) and elasticity, (n, n_draws) each, and of position."""
        visibility, elasticity, position = draw_effects(self.response, rows, brands, groups, n_draws, rng)
        if self.detected:
            assumed = self._assumed_visibility + self.config.unrecorded_lift_sd * rng.standard_normal(n_draws)
            visibility[:] = assumed
        return visibility, elasticity, position

    @property
    def _assumed_visibility(self) -> float:
        return float(np.log(self.config.unrecorded_lift))

    def forecast(
        self, start: date, days: int, *, n_draws: int, rng: np.random.Generator, promotions: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Units of every known item per day, with 90 % intervals of what will be counted.

        Args:
            start: first day, not before the end of the fitted log.
            days: number of days.
            n_draws: draws behind the intervals.
            promotions: sales already decided for these days: `item_id`, `start`, `end`, `depth` (fraction off the
                usual price), and where it is known `position` (1 is best); without it, or where past sales have
                none, a sale is shown like the usual past one.
            rng: source of the draws.

        Returns:
            `item_id`, `date`, `mean`, `ci_lower`, `ci_upper`, sorted by item and date.

        Raises:
            InputError: a depth outside [0, 1) or a position below 1.
        """
        blocks = self.daily_units(start, days, n_draws=n_draws, rng=rng, promotions=promotions)
        return day_table(blocks, self.item_ids, start, days)

    def daily_units(
        self, start: date, days: int, *, n_draws: int, rng: np.random.Generator, promotions: pl.DataFrame | None = None
    ) -> Iterator[FloatArray]:
        """Drawn units of all known items in order, in blocks (some items, days, n_draws); as in `forecast`."""
        unsaid = pl.Series([None] * len(self.item_ids), dtype=pl.String)
        items = pl.DataFrame(
            {
                "item_id": self.item_ids,
                "category": [self.categories[k] for k in self.category],
                "brand": unsaid,
                "title": unsaid,
            }
        )
        draws = self.draw(items, day_slots(start, days), n_draws, rng=rng)
        sales = planned_sales(promotions, self.item_ids, self.profile, start, days, log_position=self.log_position)
        return daily_units(draws, *sales)

    def curves(self, item_ids: Sequence[str], discounts: Sequence[float]) -> pl.DataFrame:
        """Price-response curves of known items.

        Args:
            item_ids: items with purchases in the fitted log.
            discounts: fractions of the list price, in [0, 1).

        Returns:
            `item_id`, `discount_frac`, `lift` (expected units in a sale over units without one), `ci_lower`,
            `ci_upper` (90 %), `identified` (false: the item's own sales
            do not tell it; it comes from the brand, the category, the shop, or the assumption).

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
        mean, spread = self.response.marginal(rows, self.brand[rows], self.category[rows])
        if self.detected:
            mean[:, 0] = self._assumed_visibility
            spread[:, 0], spread[:, :, 0] = 0.0, 0.0
            spread[:, 0, 0] = self.config.unrecorded_lift_sd**2
        return mean, spread

    def save(self, folder: Path, *, inputs: str) -> None:
        """Write the model as an artifact; `inputs` is the digest of what it was made from."""
        artifacts.save(pack({one.name: getattr(self, one.name) for one in fields(self)}, inputs=inputs), folder)

    @classmethod
    def load(cls, folder: Path) -> FittedDemand:
        """Read a saved model back; it answers exactly as the one that was saved.

        Raises:
            ArtifactError: missing, damaged, something else, or of another version.
        """
        return cls(**unpack(artifacts.load(folder, KIND, LAYOUT)))


def _rounded(drawn: FloatArray) -> FloatArray:
    """In place: with as many items and draws as a shop may have, a copy counts."""
    return np.round(drawn, _DECIMALS, out=drawn)


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)
