"""The model card: what a behavior model was made from, what it can say, and where its word ends (arXiv 1810.03993)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import polars as pl

from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.model import HAZARD_HOURS

__all__ = ["Card"]

LONGEST_DAYS = HAZARD_HOURS[-1] // 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A model card; `print(card)` gives Markdown.

    Args:
        made: how it was made: name -> words.
        predicts: what it says, a sentence each.
        cannot: what it does not say, and why.
        limits: where its word ends.
        metrics: metrics on the validation window at the weights that were kept.
        segments: metrics by segment of customers on days it has not seen, as `segment_report` gives them.
    """

    made: Mapping[str, str]
    predicts: tuple[str, ...]
    cannot: tuple[str, ...]
    limits: tuple[str, ...]
    metrics: Mapping[str, float]
    segments: pl.DataFrame | None = None

    @classmethod
    def of(
        cls,
        config: BehaviorConfig,
        facts: Mapping[str, Any],
        *,
        n_weights: int,
        n_categories: int,
        with_texts: bool,
        calibrated: tuple[float, float] | None,
    ) -> Self:
        """From what a model knows of itself.

        Args:
            config: its sizes.
            facts: what happened in training.
            n_weights: weights of the network.
            n_categories: categories of items.
            with_texts: whether it reads the items' texts.
            calibrated: first and last horizon with its own calibration, in hours; None without purchase intent.
        """
        train_end, valid_end = (datetime.fromisoformat(facts[name]) for name in ("train_end", "valid_end"))
        can, cannot = _abilities(facts, n_categories, with_texts, calibrated)
        made = {
            "Trained on": f"events from {facts['first_event'][:10]} to {train_end:%Y-%m-%d}; with those up to "
            f"{valid_end:%Y-%m-%d}, for stopping and calibration, {facts['events']:,} events of "
            f"{facts['customers']:,} customers, {facts['items']:,} items",
            "Network": f"{config.layers} blocks, {config.width} wide, {config.heads} heads, {n_weights:,} weights",
            "Training": f"step {facts['best']['valid/loss']} of {facts['steps']} kept, {facts['minutes']:.1f} minutes "
            f"on {facts['device']}",
            "Language model": _language(facts.get("language"), with_texts),
        }
        if calibrated is not None:
            middle = train_end + (valid_end - train_end) / 2
            made["Calibrated"] = (
                f"from {calibrated[0]:g} to {calibrated[1]:g} hours, on {middle:%Y-%m-%d} to {valid_end:%Y-%m-%d}; "
                "shorter and longer horizons follow the curve of the stack"
            )
        return cls(made=made, predicts=can, cannot=cannot, limits=_limits(config), metrics=_metrics(facts))

    def to_polars(self) -> pl.DataFrame:
        """part, says: a row each, without the segments."""
        rows = [*self.made.items()]
        rows += [("On validation days", ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items()))]
        for part, sentences in (("Predicts", self.predicts), ("Cannot", self.cannot), ("Limits", self.limits)):
            rows += [(part, sentence) for sentence in sentences]
        return pl.DataFrame(rows, schema={"part": pl.String, "says": pl.String}, orient="row")

    def __str__(self) -> str:
        """Markdown."""
        lines = ["# Behavior model", "", *(f"- **{name}**: {words}" for name, words in self.made.items())]
        for head, sentences in (("Predicts", self.predicts), ("Cannot", self.cannot), ("Limits", self.limits)):
            lines += ["", f"## {head}", "", *(f"- {sentence}" for sentence in sentences)]
        metrics = pl.DataFrame({"metric": list(self.metrics), "value": list(self.metrics.values())})
        lines += ["", "## Metrics on the validation window", "", *_markdown(metrics)]
        if self.segments is not None:
            lines += ["", "## By segment of customers, on days it has not seen", "", *_markdown(self.segments)]
        return "\n".join(lines) + "\n"


def _abilities(
    facts: Mapping[str, Any], n_categories: int, with_texts: bool, calibrated: tuple[float, float] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What it predicts, and what it cannot."""
    can, cannot = ["Which item a customer turns to next, of all items or of those asked about."], []
    if calibrated is None:
        cannot.append("Purchases, their time, category and value: the log holds too few to learn from.")
    else:
        can.append(f"P(an order begins within h), calibrated, for every h up to {LONGEST_DAYS} days; its median time.")
        for ability, reason, ok in (
            ("The category of the next order", "no item has a category", n_categories),
            ("The value of the next order", "no order has a price", facts.get("largest_order")),
        ):
            (can if ok else cannot).append(f"{ability}." if ok else f"{ability}: {reason}.")
    new = "How items that nobody has bought yet rank, by their texts"
    (can if with_texts else cannot).append(f"{new}." if with_texts else f"{new}: it was trained on item ids alone.")
    cannot.append("What a price, an offer or a message causes: it says what customers do, not what changes them.")
    return tuple(can), tuple(cannot)


def _limits(config: BehaviorConfig) -> tuple[str, ...]:
    return (
        f"It reads the last {config.max_length} events of a customer; older ones count in sums alone.",
        f"Nothing is said of more than {LONGEST_DAYS} days ahead.",
        "Its probabilities hold for customers like those of the log: train again when assortment or visitors change.",
        f"Of logs with more than {config.max_events:,} events it has read a random part of the customers.",
    )


def _language(told: Mapping[str, Any] | None, with_texts: bool) -> str:
    if not with_texts:
        return "none: items are known by their ids"
    if told is None:
        return "vectors of texts that were handed in"
    return f"{told['model']}{', adapted to this shop' if told['adapted'] else ''} ({told['reason']})"


def _metrics(facts: Mapping[str, Any]) -> dict[str, float]:
    """Last look at the validation window at or before the step that was kept."""
    curves = pl.DataFrame(facts["curves"]).filter(
        pl.col("part") == "valid", pl.col("step") <= facts["best"]["valid/loss"]
    )
    last = curves.filter(pl.col("step") == pl.col("step").max())
    return dict(zip(last["metric"].to_list(), last["value"].to_list(), strict=True))


def _markdown(frame: pl.DataFrame) -> list[str]:
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in frame.iter_rows()]
    return [f"| {' | '.join(row)} |" for row in [frame.columns, ["---"] * frame.width, *cells]]
