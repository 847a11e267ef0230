"""The 78 tests of the ASOS data set, looked at in the order of their checkpoints.

Liu, Cardoso, Couturier and McCoy, "Datasets for online controlled experiments", NeurIPS Datasets and Benchmarks 2021.
A checkpoint holds count, mean and variance of both arms since the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.experiment_aa.methods import ALPHA
from flashlift.errors import InputError
from flashlift.experiments import Goal, Look, Monitor, Reading, RunningTest, Verdict
from flashlift.stats.confidence_sequence import ConfidenceSequence

__all__ = ["Followed", "follow", "found_over_time", "read", "said"]

START = datetime(2020, 1, 1, tzinfo=UTC)  # the data set counts days from each test's own start
KEYS = ["experiment_id", "variant_id", "metric_id"]
EQUAL = (0.45, 0.55)  # shares of treatment that were meant to be one half; others are taken as they came out
METHODS = ("one look at the end", "naive: p < 0.05 at any checkpoint", "group-sequential", "confidence sequence")


@dataclass(frozen=True, kw_only=True)
class Followed:
    """One metric of one variant of one test.

    Args:
        experiment: name of the test.
        verdict: of the monitor; None where it refused the log, for the reason given.
        refused: the reason.
        half: whether one half of the users was meant for treatment, as far as the counts tell.
        checkpoints: how many there are.
        first: method -> (share of the test's duration until its first finding, the finding's sign); absent where none.
    """

    experiment: str
    verdict: Verdict | None
    refused: str
    half: bool
    checkpoints: int
    first: dict[str, tuple[float, float]]


def read(path: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    """Checkpoints of each metric of each variant, in their order; those without a variance cannot be judged."""
    data = pl.read_parquet(path).sort(*KEYS, "time_since_start")
    judged = data.filter(pl.col("variance_c") > 0.0, pl.col("variance_t") > 0.0)
    for (experiment, *_), part in judged.group_by(KEYS, maintain_order=True):
        yield str(experiment), part


def follow(experiment: str, part: pl.DataFrame) -> Followed:
    """What each method says, checkpoint after checkpoint.

    Users' metrics go on growing after they joined, so information is the variance of the arms' totals, not the number
    of users: z statistics of a growing total are at least as alike as this takes them to be.
    """
    n_c, n_t, v_c, v_t = (part[name].to_numpy() for name in ("count_c", "count_t", "variance_c", "variance_t"))
    effect, error = (part["mean_t"] - part["mean_c"]).to_numpy(), np.sqrt(v_c / n_c + v_t / n_t)
    z, information = effect / error, n_c * v_c + n_t * v_t
    elapsed = (part["time_since_start"] / part["time_since_start"].max()).to_numpy()
    last = np.arange(len(z)) == len(z) - 1
    sequence = ConfidenceSequence(alpha=ALPHA).critical(information / information.max())
    beyond = {
        METHODS[0]: last & (np.abs(z) > 1.96),
        METHODS[1]: np.abs(z) > 1.96,
        METHODS[3]: np.abs(z) > sequence,
    }
    first = {
        name: (float(elapsed[hit.argmax()]), float(np.sign(z[hit.argmax()])))
        for name, hit in beyond.items()
        if hit.any()
    }
    test, looks = _test(experiment, part, float(information.max())), _looks(part, effect, error, information)
    verdict, refused = None, ""
    try:
        monitor = Monitor(test=test).replay(looks)
    except InputError as refusal:
        refused = str(refusal)
    else:
        verdict, stop = monitor.verdict, len(monitor.looks) - 1
        if verdict in {Verdict.GAIN, Verdict.HARM}:
            first[METHODS[2]] = (float(elapsed[stop]), float(np.sign(z[stop])))
    return Followed(
        experiment=experiment,
        verdict=verdict,
        refused=refused,
        half=test.treatment_frac == 0.5,
        checkpoints=len(z),
        first=first,
    )


def _test(experiment: str, part: pl.DataFrame, information: float) -> RunningTest:
    n_c, n_t = float(part["count_c"][-1]), float(part["count_t"][-1])
    share = n_t / (n_c + n_t)
    return RunningTest(
        name=experiment,
        start=START,
        end=START + timedelta(days=float(part["time_since_start"][-1])),
        planned_units=int(n_c + n_t),
        goals=(Goal(name="metric"),),
        treatment_frac=0.5 if EQUAL[0] < share < EQUAL[1] else share,
        alpha=ALPHA,
        planned_information=information * (1.0 + 1e-9),
    )


def _looks(part: pl.DataFrame, effect: np.ndarray, error: np.ndarray, information: np.ndarray) -> list[Look]:
    return [
        Look(
            at=START + timedelta(days=row["time_since_start"]),
            counts={"control": int(row["count_c"]), "treatment": int(row["count_t"])},
            readings={"metric": Reading(effect=float(effect[k]), std_error=float(error[k]))},
            information=float(information[k]),
        )
        for k, row in enumerate(part.iter_rows(named=True))
    ]


def said(followed: list[Followed]) -> pl.DataFrame:
    """One row per method, over the comparisons that the monitor accepted.

    `gains` and `losses`: findings; `not_at_end`: of them, those that the look at the end does not confirm (no finding,
    or one of the other sign); `missed`: findings of the look at the end that the method has not.
    """
    accepted = [one for one in followed if one.verdict not in {None, Verdict.RATIO_BROKEN}]
    rows = []
    for method in METHODS:
        signs = [(one.first.get(method, (0.0, 0.0))[1], one.first.get(METHODS[0], (0.0, 0.0))[1]) for one in accepted]
        when = [one.first[method][0] for one in accepted if method in one.first]
        rows.append(
            {
                "method": method,
                "comparisons": len(accepted),
                "gains": sum(sign > 0 for sign, _ in signs),
                "losses": sum(sign < 0 for sign, _ in signs),
                "not_at_end": sum(sign not in {0.0, end} for sign, end in signs),
                "missed": sum(end not in {0.0, sign} for sign, end in signs),
                "median_stop": float(np.median(when)) if when else None,
            }
        )
    return pl.DataFrame(rows)


def found_over_time(followed: list[Followed]) -> pl.DataFrame:
    """Share of comparisons in which each method has made a finding, by share of the test's duration."""
    accepted = [one for one in followed if one.verdict not in {None, Verdict.RATIO_BROKEN}]
    rows = []
    for method in METHODS:
        times = np.sort([one.first[method][0] for one in accepted if method in one.first])
        rows += [
            {"method": method, "elapsed": float(t), "found": float((times <= t).sum() / len(accepted))}
            for t in np.linspace(0.0, 1.0, 101)
        ]
    return pl.DataFrame(rows)
