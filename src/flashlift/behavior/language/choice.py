"""Which language model fits the shop's texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flashlift.behavior.language.config import NONE, SCRATCH
from flashlift.behavior.language.encoder import PACKAGED, LanguageModel
from flashlift.behavior.language.scratch import MIN_TEXTS

__all__ = ["MAX_UNKNOWN", "Choice", "choose"]

MAX_UNKNOWN = 0.05  # of the characters; English titles with emoji and trade marks stay far below
A_HANDFUL = 5
LOOKED_AT = 5000  # texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen, and why.

    Args:
        language: "none", "scratch", "packaged", or a folder or name that the settings gave.
        reason: one sentence.
        unknown_share: share of the texts' characters that the packaged model cannot read, where it was measured.
    """

    language: str
    reason: str
    unknown_share: float | None = None


def choose(texts: Sequence[str], language: str = "auto") -> Choice:
    """Take what `language` says; for "auto" look at the texts.

    The packaged model where it can read all but `MAX_UNKNOWN` of the characters, else a model pretrained on the shop's
    own texts, and none where there are too few texts. Only characters are counted: the packaged model spells out a
    title in German, though it was taught English; name a better model's folder for such a shop.
    """
    if language != "auto":
        return Choice(language=language, reason="the settings say so")
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(distinct) < A_HANDFUL:
        return Choice(language=NONE, reason=f"only {len(distinct)} items have a text of their own")
    step = -(-len(distinct) // LOOKED_AT)
    share = LanguageModel.load(PACKAGED, precision="fp32").unknown_share(distinct[::step])
    if share <= MAX_UNKNOWN:
        return Choice(language=PACKAGED, reason=f"it reads {1 - share:.1%} of the characters", unknown_share=share)
    told = f"the packaged model reads only {1 - share:.1%} of the characters"
    if len(distinct) < MIN_TEXTS:
        few = f"{told}, and {len(distinct)} texts are too few to learn from"
        return Choice(language=NONE, reason=few, unknown_share=share)
    return Choice(language=SCRATCH, reason=told, unknown_share=share)
