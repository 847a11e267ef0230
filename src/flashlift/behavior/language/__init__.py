"""The pretrained language model of the shop: item vectors from texts, adapted to what customers do.

torch and transformers are imported only when a name that needs them is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flashlift.behavior.language.config import LanguageConfig
from flashlift.behavior.language.texts import item_texts

if TYPE_CHECKING:
    from flashlift.behavior.language.adaptation import Adapted, adapt
    from flashlift.behavior.language.choice import Choice, choose
    from flashlift.behavior.language.descend import torch_at
    from flashlift.behavior.language.encoder import LanguageModel
    from flashlift.behavior.language.scratch import pretrain
    from flashlift.behavior.language.vectors import item_vectors

__all__ = [
    "Adapted",
    "Choice",
    "LanguageConfig",
    "LanguageModel",
    "adapt",
    "choose",
    "item_texts",
    "item_vectors",
    "pretrain",
    "torch_at",
]

_HOMES = {
    "Adapted": "adaptation",
    "Choice": "choice",
    "LanguageModel": "encoder",
    "adapt": "adaptation",
    "choose": "choice",
    "item_vectors": "vectors",
    "pretrain": "scratch",
    "torch_at": "descend",
}


def __getattr__(name: str) -> Any:
    """Import the file that holds `name` when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
