"""Which language model the shop uses, and how much is spent on adapting it."""

from __future__ import annotations

from dataclasses import dataclass

from flashlift.errors import SettingsError

__all__ = ["NONE", "SCRATCH", "STEPS", "LanguageConfig"]

NONE, SCRATCH = "none", "scratch"
STEPS = ("mask", "next", "contrast")


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageConfig:
    """Choice of the language model and budgets of its adaptation.

    Args:
        language: "auto", "none", the folder of a Hugging Face model, or its name on the hub.
        steps: which of `STEPS` adapt the model, in that order: masked language modeling, next-behavior
            prediction, contrast of items that are seen or bought together.
        trainable_share: LoRA takes the largest rank that trains at most this share of the weights, in (0, 1].
        head_steps: gradient steps that fit the masked-language-model head alone, the model frozen.
        mask_steps, next_steps, contrast_steps: gradient steps of each step.
        mask_rate, next_rate, contrast_rate: peak learning rate of each step; it warms up, then falls along a cosine.
        texts_per_batch: item texts of a batch, or pairs of them; a behavior sentence counts as four.
        temperature: of the contrast's cosines.
        held_items: share of the items whose texts and pairs are kept for judging, in (0, 1).
        scratch_width, scratch_layers: size of the BERT pretrained on the shop's own texts.
        scratch_vocabulary: tokens that its tokenizer learns, at most.
        scratch_steps, scratch_rate: gradient steps and peak learning rate of its pretraining.
        threads: threads that torch may use.

    Raises:
        SettingsError: a step is unknown or named twice, or a share is out of range.
    """

    language: str = "auto"
    steps: tuple[str, ...] = ("contrast",)
    trainable_share: float = 0.01
    head_steps: int = 100
    mask_steps: int = 100
    next_steps: int = 60
    contrast_steps: int = 120
    mask_rate: float = 2e-3
    next_rate: float = 5e-4
    contrast_rate: float = 3e-3
    texts_per_batch: int = 64
    temperature: float = 0.07
    held_items: float = 0.1
    scratch_width: int = 128
    scratch_layers: int = 4
    scratch_vocabulary: int = 8000
    scratch_steps: int = 600
    scratch_rate: float = 2e-3
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        unknown = [step for step in self.steps if step not in STEPS]
        if unknown or len(set(self.steps)) < len(self.steps):
            raise SettingsError(f"language steps {list(self.steps)} must be distinct ones of {', '.join(STEPS)}.")
        for name in ("trainable_share", "held_items"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(f"{name} = {getattr(self, name)} must lie between 0 and 1.")
