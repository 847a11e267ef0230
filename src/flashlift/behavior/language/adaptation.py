"""Adapt a language model to the shop: teach it step by step and judge it after each on a later window."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor, nn

from flashlift import artifacts
from flashlift.behavior.language.choice import choose
from flashlift.behavior.language.config import NONE, SCRATCH, LanguageConfig
from flashlift.behavior.language.contrast import contrast_loss
from flashlift.behavior.language.descend import descend, torch_at
from flashlift.behavior.language.encoder import LanguageModel
from flashlift.behavior.language.follow import follow_loss
from flashlift.behavior.language.lessons import Exam, Lessons
from flashlift.behavior.language.lora import adapter_weights, attach, largest_rank, merge, with_weights
from flashlift.behavior.language.mask import TokenHead, mask_loss
from flashlift.behavior.language.scratch import pretrain
from flashlift.behavior.language.texts import item_texts
from flashlift.domain import Split
from flashlift.errors import ArtifactError, InsufficientDataError
from flashlift.protocols import Progress, silent
from flashlift.schema import Tables

__all__ = ["Adapted", "Heads", "adapt", "fit_token_head", "take_step"]

log = logging.getLogger(__name__)

DEFAULTS = LanguageConfig()
KIND = "language_adapter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """A language model adapted to a shop.

    Args:
        base: the model before.
        model: the model after, its adapters beside the base's weights.
        rank: of the adapters; 0 where no step was taken.
        metrics: one row per state, `after` ("none", then each step) and the marks of `Exam.take`, `seconds`.
        reason: why this base was chosen.
    """

    base: LanguageModel
    model: LanguageModel
    rank: int
    metrics: pl.DataFrame
    reason: str

    def merged(self) -> LanguageModel:
        """One plain model with the adapters inside its weights."""
        return merge(self.model) if self.rank else self.base

    def save(self, folder: Path, *, inputs: str = "") -> None:
        """Write the adapters to `folder`/adapter, without the base's weights; a from-scratch base to `folder`/base.

        `inputs` is the digest of what they were made from.

        Raises:
            OutputError: the place cannot be written.
        """
        if self.base.name == SCRATCH:
            self.base.save(folder / "base")
        facts = {"base": self.base.name, "base_digest": self.base.digest, "rank": self.rank, "reason": self.reason}
        artifact = artifacts.Artifact(
            kind=KIND,
            manifest=facts,
            inputs=inputs,
            arrays=adapter_weights(self.model) if self.rank else {},
            frames={"metrics": self.metrics},
        )
        artifacts.save(artifact, folder / "adapter")

    @classmethod
    def load(cls, folder: Path, *, base: LanguageModel | None = None) -> Adapted:
        """Read it back, onto `base` or, without, onto the base it was made for.

        Raises:
            ArtifactError: missing, damaged, or made for another base model.
            InputError: the base cannot be found.
        """
        read = artifacts.load(folder / "adapter", KIND)
        facts = read.manifest
        if base is None and facts["base"] == SCRATCH:
            base = LanguageModel.load(folder / "base").having(name=SCRATCH)
        base = base or LanguageModel.load(facts["base"])
        if base.digest != facts["base_digest"]:
            raise ArtifactError(
                f"The adapter in {folder} was made for another base model than {base.name!r}: it belongs to "
                f"{facts['base']!r} with digest {facts['base_digest'][:12]}, this one has {base.digest[:12]}. "
                "Adapt again, or load it with its own base."
            )
        model = with_weights(base, facts["rank"], read.arrays) if facts["rank"] else base
        return cls(base=base, model=model, rank=facts["rank"], metrics=read.frames["metrics"], reason=facts["reason"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """What the objectives put on top of the model; none of it is kept once the model is adapted."""

    token: TokenHead
    follow: nn.Linear

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Their weights by name."""
        named = [("token.", self.token), ("follow.", self.follow)]
        return {
            at + name: w.detach().cpu().numpy().copy() for at, part in named for name, w in part.state_dict().items()
        }

    def restore(self, arrays: dict[str, npt.NDArray[np.float32]]) -> None:
        """Take weights by name."""
        for at, part in (("token.", self.token), ("follow.", self.follow)):
            names = part.state_dict()
            part.load_state_dict({name: torch.from_numpy(np.array(arrays[at + name])) for name in names})


def adapt(
    tables: Tables,
    *,
    split: Split,
    config: LanguageConfig = DEFAULTS,
    seed: int,
    progress: Progress = silent,
    resume: Path | None = None,
) -> Adapted:
    """Teach on events before `split.train_end`, judge on those before `split.valid_end`; nothing later is read.

    Args:
        tables: a shop; items without text teach nothing.
        split: borders in time.
        config: which model, which steps, how long.
        seed: of every draw; the same seed, data and settings give the same model on the same machine.
        progress: told of every step.
        resume: a folder that keeps each finished step, so that a run cut short goes on where it was.

    Raises:
        InsufficientDataError: the items have no texts to speak of, or `config.language` is "none".
        InputError: the model that `config.language` names cannot be found.
        SettingsError: the model is too small for adapters within `config.trainable_share`.
    """
    choice = choose(item_texts(tables.items), config.language)
    if choice.language == NONE:
        raise InsufficientDataError(
            f"There is no language model to adapt: {choice.reason}. Give items titles, or leave adaptation out."
        )
    lessons = Lessons.build(tables, split.train_end, config.held_items, rng=np.random.default_rng(seed))
    exam = Exam.build(tables, split.train_end, split.valid_end, config.held_items)
    with torch_at(config.threads, seed):
        base = _base(choice.language, lessons, config, seed, progress, resume)
        rank = largest_rank(base, config.trainable_share) if config.steps else 0
        model = attach(base, rank) if rank else base
        heads = Heads(token=TokenHead.of(model), follow=nn.Linear(model.width, 1).to(model.device))
        rows = _walk(model, heads, lessons, exam, config, seed, progress, resume)
    final = with_weights(base, rank, adapter_weights(model)) if rank else base
    return Adapted(base=base, model=final, rank=rank, metrics=pl.DataFrame(rows), reason=choice.reason)


def _walk(
    model: LanguageModel,
    heads: Heads,
    lessons: Lessons,
    exam: Exam,
    config: LanguageConfig,
    seed: int,
    progress: Progress,
    resume: Path | None,
) -> list[dict[str, object]]:
    """Take the steps in order, or read back those already taken; one row of marks per state."""
    rows: list[dict[str, object]] = []
    key = artifacts.digest(model.digest, asdict(config), seed, lessons.pools)
    for number, step in enumerate(["none", *config.steps]):
        key = artifacts.digest(key, step)
        kept = resume / f"{number}-{step}-{key[:16]}" if resume else None
        if kept is not None and kept.is_dir():
            rows.append(_restore(kept, model, heads))
            continue
        begin = time.monotonic()
        # Every step draws from its own generators, so that a resumed run equals an uninterrupted one.
        rng = np.random.default_rng([seed, number])
        with torch_at(config.threads, seed * 1000 + number):
            if step == "none":
                fit_token_head(model, heads.token, lessons, config, rng=rng, progress=progress)
            else:
                take_step(step, model, heads, lessons, config, rng=rng, progress=progress)
            taught = "next" in config.steps[:number]
            marks = exam.take(model, heads.token, heads.follow if taught else None)
        rows.append({"after": step, **marks, "seconds": time.monotonic() - begin})
        if kept is not None:
            _keep(kept, model, heads, rows[-1])
    return rows


def fit_token_head(
    model: LanguageModel,
    head: TokenHead,
    lessons: Lessons,
    config: LanguageConfig,
    *,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> None:
    """Fit the masked-language-model head alone, the model frozen: the zero from which its gain is counted."""
    head.requires_grad_(True)
    head.begin(model, lessons.pools)
    frozen = [weight for weight in model.network.parameters() if weight.requires_grad]
    for weight in frozen:
        weight.requires_grad_(False)
    loss = mask_loss(model, head, lessons.pools, size=config.texts_per_batch, rng=rng)
    descend(
        head.parameters(), loss, steps=config.head_steps, rate=3e-3, task="fit language model head", progress=progress
    )
    for weight in frozen:
        weight.requires_grad_(True)


def take_step(
    step: str,
    model: LanguageModel,
    heads: Heads,
    lessons: Lessons,
    config: LanguageConfig,
    *,
    rng: np.random.Generator,
    head_too: bool = False,
    progress: Progress = silent,
) -> None:
    """Teach one step in place: whatever of the network can be trained, and the head of next-behavior prediction.

    The head of masked language modeling stays as it was fitted, so that adapters alone must explain what is gained;
    `head_too` trains it as well, as full fine-tuning does.
    A step without anything to learn from is left out, and the log says so.
    """
    loss = _loss(step, model, heads, lessons, config, rng)
    if loss is None:
        log.warning("Step %s of the language model is left out: the log before the border has no such pairs.", step)
        return
    weights = [weight for weight in model.network.parameters() if weight.requires_grad]
    if step == "next":
        weights += list(heads.follow.parameters())
    if step == "mask" and head_too:
        weights += list(heads.token.parameters())
    model.network.train()
    heads.token.requires_grad_(head_too)
    descend(
        weights,
        loss,
        steps=getattr(config, f"{step}_steps"),
        rate=getattr(config, f"{step}_rate"),
        task=f"adapt language model: {step}",
        progress=progress,
    )
    model.network.eval()


def _loss(
    step: str, model: LanguageModel, heads: Heads, lessons: Lessons, config: LanguageConfig, rng: np.random.Generator
) -> Callable[[], Tensor] | None:
    size = config.texts_per_batch
    if step == "mask":
        return mask_loss(model, heads.token, lessons.pools, size=size, rng=rng)
    if step == "next":
        # Two visits are about eight times as long as an item's text; a pair comes once truly and once falsely.
        pairs = max(size // 8, 2)
        some = len(set(lessons.followed.frame["customer_id"])) > 1
        return follow_loss(model, heads.follow, lessons.followed, size=2 * pairs, rng=rng) if some else None
    if not lessons.companions.nnz:
        return None
    return contrast_loss(model, lessons.texts, lessons.companions, size=size, temperature=config.temperature, rng=rng)


def _base(
    language: str, lessons: Lessons, config: LanguageConfig, seed: int, progress: Progress, resume: Path | None
) -> LanguageModel:
    if language != SCRATCH:
        return LanguageModel.load(language)
    key = artifacts.digest(lessons.pools, asdict(config), seed)
    kept = resume / f"base-{key[:16]}" if resume else None
    if kept is not None and kept.is_dir():
        return LanguageModel.load(kept).having(name=SCRATCH)
    base = pretrain(*lessons.pools, config=config, seed=seed, progress=progress)
    if kept is not None:
        base.save(kept)
    return base


def _keep(folder: Path, model: LanguageModel, heads: Heads, row: dict[str, object]) -> None:
    arrays = {f"adapter.{name}": weight for name, weight in _trained(model).items()} | heads.arrays()
    artifacts.save(artifacts.Artifact(kind="language_step", arrays=arrays, frames={"row": pl.DataFrame([row])}), folder)


def _restore(folder: Path, model: LanguageModel, heads: Heads) -> dict[str, object]:
    read = artifacts.load(folder, "language_step")
    weights = model.network.state_dict()
    for name, values in read.arrays.items():
        if name.startswith("adapter."):
            weights[name.removeprefix("adapter.")].copy_(torch.from_numpy(np.array(values)))
    heads.restore(dict(read.arrays))
    return read.frames["row"].row(0, named=True)


def _trained(model: LanguageModel) -> dict[str, npt.NDArray[np.float32]]:
    named = model.network.named_parameters()
    return {name: weight.detach().cpu().numpy().copy() for name, weight in named if weight.requires_grad}
