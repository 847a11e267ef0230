"""The chosen test: its parameters as tables, as JSON, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from flashlift.experiments.facts import Facts, Kind, Rules
from flashlift.experiments.planned_power import Resolution

__all__ = ["Design"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The test to run.

    Args:
        kind: how it is split.
        metric: what is judged, in words.
        reason: why this design.
        rejected: designs that come before it and why each cannot be used here.
        arms: variant -> share of the units.
        unit: what is put into arms: customers, windows, items, groups or regions.
        n_units: how many there are.
        estimand: what the effect is the effect on.
        assumptions: what remains to be believed.
        guardrails: what must not get worse meanwhile.
        alpha, target_power: of the test.
        windows: slot_id, start, end, cluster, variant: what each cluster of items has when; None: no windows switch.
        quotas: item_id, cluster, group, size, control, treatment: units of each arm, whole, adding up to the quota;
            None: arms share what there is.
        units: unit, size, variant where items, groups or regions have one arm each.
        washout_hours: between windows.
        release: when what is left of the quotas is pooled; only sales before it count. None: after the sale.
        left_out: items that take no part, because too little stock or too few windows can be split.
        resolution: what the test can see; None where there is no history of it.
        power_at_forecast: probability that one such sale detects the forecast effect.
        needed: units that detect the forecast effect with the target power; None without a forecast above 0.
        needed_sales: sales of this size to be pooled for that.
        expected_effect: the forecast effect.
        window_days: days over which the metric is summed.
    """

    kind: Kind
    metric: str
    reason: str
    rejected: tuple[tuple[Kind, str], ...]
    arms: Mapping[str, float]
    unit: str
    n_units: int
    estimand: str
    assumptions: tuple[str, ...]
    guardrails: tuple[str, ...]
    alpha: float
    target_power: float
    window_days: float
    windows: pl.DataFrame | None = None
    quotas: pl.DataFrame | None = None
    units: pl.DataFrame | None = None
    washout_hours: float = 0.0
    release: datetime | None = None
    left_out: tuple[str, ...] = ()
    resolution: Resolution | None = None
    expected_effect: float | None = None
    power_at_forecast: float | None = None
    needed: int | None = None
    needed_sales: int | None = None

    def to_polars(self) -> pl.DataFrame:
        """One row of the figures."""
        seen = self.resolution
        return pl.DataFrame(
            {
                "design": [self.kind.value],
                "unit": [self.unit],
                "n_units": [self.n_units],
                "minimum_effect": [seen.minimum_effect if seen else None],
                "minimum_effect_frac": [seen.minimum_effect_frac if seen else None],
                "simulated_effect_frac": [seen.simulated_effect_frac if seen else None],
                "simulated_alpha": [seen.simulated_alpha if seen else None],
                "power_at_forecast": [self.power_at_forecast],
                "needed": [self.needed],
                "needed_sales": [self.needed_sales],
            },
            schema_overrides={
                **dict.fromkeys(
                    (
                        *("minimum_effect", "minimum_effect_frac", "simulated_effect_frac", "simulated_alpha"),
                        "power_at_forecast",
                    ),
                    pl.Float64,
                ),
                "needed": pl.Int64,
                "needed_sales": pl.Int64,
            },
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; tables as lists of rows, times in ISO 8601."""
        seen = self.resolution
        return {
            "kind": self.kind.value,
            "metric": self.metric,
            "reason": self.reason,
            "rejected": [{"kind": kind.value, "reason": reason} for kind, reason in self.rejected],
            "arms": dict(self.arms),
            **{name: getattr(self, name) for name in ("unit", "n_units", "estimand", "alpha", "target_power")},
            **{name: list(getattr(self, name)) for name in ("assumptions", "guardrails", "left_out")},
            **{name: _rows(getattr(self, name)) for name in ("windows", "quotas", "units")},
            "washout_hours": self.washout_hours,
            "release": self.release.isoformat() if self.release else None,
            "resolution": None
            if seen is None
            else {
                name: getattr(seen, name)
                for name in (
                    *("baseline", "minimum_effect", "minimum_effect_frac", "simulated_effect_frac", "simulated_alpha"),
                    "variance_reduction_frac",
                )
            },
            **{name: getattr(self, name) for name in ("expected_effect", "power_at_forecast", "needed")},
            "needed_sales": self.needed_sales,
            "paragraph": self.paragraph(),
        }

    def paragraph(self) -> str:
        """For a campaign manager: what to do, why, what it can see, and what remains to be believed."""
        told = [self.reason, *self._split(), *self._resolution(), *self._forecast()]
        if self.rejected:
            told.append("Not used: " + "; ".join(f"{kind.value}: {reason}" for kind, reason in self.rejected) + ".")
        told += [f"What is estimated: {self.estimand}.", f"It assumes that {', and that '.join(self.assumptions)}."]
        return " ".join([*told, f"Watch meanwhile: {', '.join(self.guardrails)}."])

    def __str__(self) -> str:
        return self.paragraph()

    def _split(self) -> list[str]:
        """How the units are split, in figures."""
        told = []
        if self.windows is not None:
            clusters = self.windows["cluster"].n_unique()
            together = "all items together" if clusters == 1 else f"{clusters} groups, each in an order of its own"
            told.append(
                f"{self.windows['slot_id'].n_unique()} windows switch in an order drawn by lot, "
                f"{together}; for {self.washout_hours:g} hours before each window nothing is sold."
            )
        if self.quotas is not None:
            whole = self.quotas.select(pl.col("control").sum(), pl.col("treatment").sum()).row(0)
            told.append(
                f"Each arm sells from its own quota: {whole[0]:,} units of {self.quotas.height} items in control, "
                f"{whole[1]:,} in treatment."
            )
        if self.release is not None:
            told.append(
                f"What is left of both is pooled at {self.release:%Y-%m-%d %H:%M} UTC; only sales before count."
            )
        if self.left_out:
            told.append(f"{len(self.left_out)} items take no part: their stock or windows cannot be split.")
        return told

    def _resolution(self) -> list[str]:
        seen = self.resolution
        if seen is None:
            return ["How small an effect it would see is not known: no past sales in these windows were given."]
        per = self.unit == "customers"
        over = f" summed over {self.window_days:g} days" if per else " of the sale's windows"
        figure = seen.minimum_effect / self.n_units if per else seen.minimum_effect
        relative = "" if seen.minimum_effect_frac is None else f" ({seen.minimum_effect_frac:.1%} of its usual value)"
        text = (
            f"With {self.n_units:,} {self.unit}, {self.arms['treatment']:.0%} of them in treatment, and {self.metric}"
            f"{over}, the test detects a difference of {figure:,.3g} "
            f"{'per customer' if per else 'over the sale'}{relative} with {self.target_power:.0%} probability at a "
            f"false-positive rate of {self.alpha:.0%}"
        )
        if seen.variance_reduction_frac > 0.0:
            text += f"; each customer's past spending removes {seen.variance_reduction_frac:.0%} of the noise variance"
        if seen.simulated_alpha is None:
            return [text + "."]
        size = "none of those tried" if seen.simulated_effect_frac is None else f"{seen.simulated_effect_frac:.1%}"
        past = (
            f"Run again and again on the shop's own past, it detects {size} with that probability and finds an effect "
            f"in {seen.simulated_alpha:.1%} of tests where there is none."
        )
        return [text + ".", past]

    def _forecast(self) -> list[str]:
        if self.expected_effect is None or self.resolution is None:
            return []
        if self.needed is None or self.needed_sales is None:
            return [f"The forecast change is {self.expected_effect:,.4g}: there is no gain to be detected."]
        text = (
            f"The forecast gain would be detected with probability {self.power_at_forecast:.0%}; "
            f"detecting it with {self.target_power:.0%} needs {self.needed:,} {self.unit}"
        )
        days = self.needed_sales * self.window_days
        more = f", that is about {self.needed_sales:,} such sales pooled ({days:,.0f} days)"
        return [text + (more if self.needed_sales > 1 else "") + "."]


def _rows(frame: pl.DataFrame | None) -> list[dict[str, Any]] | None:
    if frame is None:
        return None
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    return frame.with_columns(pl.col(times).dt.to_string("iso:strict")).to_dicts()


def guardrails(facts: Facts) -> tuple[str, ...]:
    """What must not get worse: margin, refunds, sell-outs, and complaints where the shop counts them."""
    told = ("margin per customer", "refunded share of units", "share of offers sold out")
    return (*told, "complaints per order") if facts.complaints else told


def arms(rules: Rules, *, even: bool) -> dict[str, float]:
    """Shares of the arms; where a coin decides, halves."""
    return {"control": 0.5, "treatment": 0.5} if even else dict(rules.arms)
