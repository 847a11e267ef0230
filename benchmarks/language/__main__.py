"""Worth of each step of adaptation, and LoRA against full fine-tuning, on Online Retail.

    python -m benchmarks.language [--part ablation mask contrast] [--steps 60] [--seeds 3] [--out FOLDER]

Lessons end 56 days before the log does; validation is the 28 days after, test the last 28. A tenth of the items is
never taught. Parts:

1. `ablation`: no step, masked language modeling, + next-behavior prediction, + contrast, and contrast alone.
2. `mask`, `contrast`: LoRA (at most 1 % of the weights) against full fine-tuning, both `--steps` long: gain over the
   frozen model in masked-language-model loss, or in co-purchase recall@10. Each method has its own learning rate, the
   best on validation (seed 0); full fine-tuning trains everything, the head of the masked language model included, LoRA
   only its adapters.

Every finished run is kept in the folder, so the command goes on where it was cut short. Intervals are Student's t over
seeds, of the difference to the frozen model: they hold the luck of training, not that of the shop's one test window.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import torch
from rich.console import Console
from scipy import stats
from torch import nn

from benchmarks.language.store import Store
from flashlift import events, privacy
from flashlift.behavior.language import LanguageConfig, LanguageModel
from flashlift.behavior.language.adaptation import Heads, fit_token_head, take_step
from flashlift.behavior.language.descend import torch_at
from flashlift.behavior.language.lessons import Exam, Lessons
from flashlift.behavior.language.lora import attach, largest_rank
from flashlift.behavior.language.mask import TokenHead

CHAINS = (("mask", "next", "contrast"), ("contrast",))
METHODS = ("lora", "full")
RATES = {
    ("mask", "lora"): (2e-3, 5e-3, 1e-2),
    ("mask", "full"): (1e-4, 3e-4, 1e-3),
    ("contrast", "lora"): (1e-3, 3e-3, 5e-3, 1e-2),
    ("contrast", "full"): (5e-5, 1e-4, 2e-4, 4e-4),
}
MARK = {"contrast": "recall@10", "mask": "mask_loss"}  # the loss falls, recall rises
PARTS = ("ablation", *MARK)
CONFIG = LanguageConfig(
    head_steps=60, mask_steps=60, next_steps=40, contrast_steps=60, contrast_rate=1e-3, texts_per_batch=48
)
console = Console()


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What every run shares."""

    base: LanguageModel
    lessons: Lessons
    valid: Exam
    test: Exam
    fitted: dict[int, TokenHead] = field(default_factory=dict)

    @classmethod
    def open(cls) -> Study:
        with tempfile.TemporaryDirectory() as name:
            store = Path(name) / "shop"
            events.ingest([events.bundled()], store, key=privacy.Key.generate(), now=datetime(2012, 1, 1, tzinfo=UTC))
            tables = events.open_store(store)
            split = events.time_split(tables.events, valid_days=28, test_days=28)
            share = CONFIG.held_items
            return cls(
                base=LanguageModel.load(),
                lessons=Lessons.build(tables, split.train_end, share, rng=np.random.default_rng(0)),
                valid=Exam.build(tables, split.train_end, split.valid_end, share),
                test=Exam.build(tables, split.valid_end, split.test_end, share),
            )

    def start(self, method: str, seed: int) -> tuple[LanguageModel, Heads]:
        """A model to teach, and heads of which the token head is fitted on the frozen model, once per seed."""
        torch.manual_seed(seed)
        if method == "lora":
            model = attach(self.base, largest_rank(self.base, CONFIG.trainable_share))
        else:
            model = self.base.having(network=deepcopy(self.base.network).requires_grad_(True))
        if seed not in self.fitted:
            with torch_at(1, seed * 1000):  # the same head for every method, whichever came first
                self.fitted[seed] = TokenHead.of(model)
                fit_token_head(model, self.fitted[seed], self.lessons, CONFIG, rng=np.random.default_rng(seed))
        return model, Heads(token=deepcopy(self.fitted[seed]), follow=nn.Linear(model.width, 1))

    def marks(self, model: LanguageModel, heads: Heads, taught: bool) -> dict[str, float]:
        """All marks on test, and on validation those that choose."""
        marks = self.test.take(model, heads.token, heads.follow if taught else None)
        return marks | {f"valid/{mark}": self.mark(model, heads, step, "valid")["valid"] for step, mark in MARK.items()}

    def mark(self, model: LanguageModel, heads: Heads, step: str, *windows: str) -> dict[str, float]:
        """The mark that a step is for, in some windows (default: validation and test)."""
        exams = {window: getattr(self, window) for window in windows or ("valid", "test")}
        if step == "mask":
            return {name: float(np.mean(exam.mask_losses(model, heads.token))) for name, exam in exams.items()}
        vectors = model.encode(self.valid.texts).vectors  # both windows ask about the same catalog
        return {name: float(exam.recall(vectors)[0].mean()) for name, exam in exams.items()}


def ablation(study: Study, store: Store, seed: int) -> None:
    """Every state of every chain, one row each."""
    for chain in CHAINS:
        names = ["none"] + ["+".join(chain[: n + 1]) for n in range(len(chain))]
        if all(store.has("ablation", name, seed) for name in names):
            continue
        model, heads = study.start("lora", seed)
        for number, name in enumerate(names):
            if number:
                rng = np.random.default_rng([seed, number])
                take_step(chain[number - 1], model, heads, study.lessons, CONFIG, rng=rng)
            if not store.has("ablation", name, seed):
                store.keep("ablation", name, seed, study.marks(model, heads, "next" in name))
                console.log(f"ablation: {name}, seed {seed}")


def method_run(
    study: Study, store: Store, step: str, method: str, rate: float, steps: int, seed: int
) -> dict[str, float]:
    """Gain of one step by one method at one rate in both windows, and what the training cost."""
    name = f"{step} {method} {rate:g} {steps}"
    if not store.has("method", name, seed):
        model, heads = study.start(method, seed)
        if not store.has("method", step, seed):
            store.keep("method", step, seed, study.mark(model, heads, step))
        before = store.read("method", step, seed)
        config = replace(CONFIG, **{f"{step}_rate": rate, f"{step}_steps": steps})
        rng = np.random.default_rng([seed, 1])
        begin = time.process_time()
        with torch_at(1, seed * 1000 + 1):  # its own draws, whatever ran before it
            take_step(step, model, heads, study.lessons, config, rng=rng, head_too=method == "full")
        cpu_seconds = time.process_time() - begin
        sign = -1 if step == "mask" else 1  # a loss gains by falling
        gain = {key: sign * (value - before[key]) for key, value in study.mark(model, heads, step).items()}
        store.keep("method", name, seed, gain | {"cpu_seconds": cpu_seconds})
        console.log(f"{name}, seed {seed}: {gain}")
    return store.read("method", name, seed)


def tried(study: Study, store: Store, step: str, steps: int) -> pl.DataFrame:
    """Gain of each method at each of its learning rates, seed 0: what the choice of the rate rests on."""
    rows = [
        {"method": method, "rate": rate, **method_run(study, store, step, method, rate, steps, 0)}
        for method in METHODS
        for rate in RATES[step, method]
    ]
    return pl.DataFrame(rows).select(pl.lit(MARK[step]).alias("mark"), pl.lit(steps).alias("steps"), pl.all())


def methods(study: Study, store: Store, step: str, steps: int, seeds: int) -> pl.DataFrame:
    """Gain on test of each method at its own best rate on validation, and LoRA's share of full fine-tuning's."""
    best = tried(study, store, step, steps).sort("valid").group_by("method", maintain_order=True).last()
    rates: dict[str, float] = dict(best.select("method", "rate").iter_rows())
    gains = {
        method: [method_run(study, store, step, method, rate, steps, seed)["test"] for seed in range(seeds)]
        for method, rate in rates.items()
    }
    share = [lora / full for lora, full in zip(gains["lora"], gains["full"], strict=True)]
    rows = [{"method": method, "rate": rates[method], **_interval(gains[method])} for method in METHODS]
    rows.append({"method": "lora / full", "rate": None, **_interval(share)})
    return pl.DataFrame(rows).select(pl.lit(MARK[step]).alias("mark"), pl.lit(steps).alias("steps"), pl.all())


def _interval(values: list[float]) -> dict[str, float | None]:
    """Mean and its 95 % interval by Student's t."""
    mean = float(np.mean(values))
    if len(values) < 2 or math.isnan(mean):
        return {"mean": mean, "ci_lower": None, "ci_upper": None}
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return {"mean": mean, "ci_lower": mean - half, "ci_upper": mean + half}


def ablation_table(store: Store, seeds: int) -> pl.DataFrame:
    """Mean of every mark by state, and its difference to the frozen model of the same seed with an interval."""
    names = ["none", *dict.fromkeys("+".join(chain[: n + 1]) for chain in CHAINS for n in range(len(chain)))]
    rows = []
    for name in names:
        runs = [store.read("ablation", name, seed) for seed in range(seeds)]
        frozen = [store.read("ablation", "none", seed) for seed in range(seeds)]
        for mark in runs[0]:
            change = _interval([run[mark] - zero[mark] for run, zero in zip(runs, frozen, strict=True)])
            mean = float(np.mean([run[mark] for run in runs]))
            row = {"steps": name, "mark": mark, "mean": mean, "change": change["mean"]}
            rows.append(row | {"ci_lower": change["ci_lower"], "ci_upper": change["ci_upper"]})
    return pl.DataFrame(rows).filter(~pl.col("mean").is_nan())


def main() -> None:
    """Run what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/language"))
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--steps", type=int, default=60, help="gradient steps of the compared methods")
    given = parser.parse_args()
    store = Store(folder=given.out)
    with torch_at(1, 0), pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=140, float_precision=4):
        study = Study.open()
        if "ablation" in given.part:
            for seed in range(given.seeds):
                ablation(study, store, seed)
            console.print(ablation_table(store, given.seeds))
        for step in (step for step in MARK if step in given.part):
            console.print(tried(study, store, step, given.steps))
            console.print(methods(study, store, step, given.steps, given.seeds))


if __name__ == "__main__":
    main()
