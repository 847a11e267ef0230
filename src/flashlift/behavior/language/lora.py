"""Low-rank adapters (LoRA, Hu et al. 2022): train a small product of two matrices beside every linear map."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import nn
from transformers.pytorch_utils import Conv1D

from flashlift import artifacts
from flashlift.behavior.language.encoder import LanguageModel
from flashlift.errors import SettingsError

__all__ = ["Weights", "adapter_weights", "attach", "largest_rank", "merge", "with_weights"]

Weights = Mapping[str, npt.NDArray[np.float32]]


def largest_rank(model: LanguageModel, share: float) -> int:
    """The largest rank whose adapters on all linear maps hold at most `share` of the model's weights.

    Raises:
        SettingsError: even rank 1 holds more.
    """
    sizes = [sum(module.weight.shape) for module in model.network.modules() if isinstance(module, nn.Linear | Conv1D)]
    rank = int(share * model.n_weights / max(sum(sizes), 1))
    if rank < 1:
        raise SettingsError(
            f"Adapters of rank 1 would train {sum(sizes) / model.n_weights:.2%} of the {model.n_weights} weights of "
            f"{model.name!r}, more than trainable_share = {share:g}. Raise it, or use a larger model."
        )
    return rank


def attach(model: LanguageModel, rank: int) -> LanguageModel:
    """A copy of `model` with fresh adapters, which change nothing yet; only they can be trained."""
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.network.modules()),
    )
    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5 for a property by its old name.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        network: Any = get_peft_model(deepcopy(model.network), config)
    return model.having(network=network)


def adapter_weights(model: LanguageModel) -> dict[str, npt.NDArray[np.float32]]:
    """The adapters' weights alone, without any of the base."""
    found = get_peft_model_state_dict(model.network)
    return {name: weight.detach().float().cpu().numpy().copy() for name, weight in found.items()}


def with_weights(base: LanguageModel, rank: int, weights: Weights) -> LanguageModel:
    """`base` with trained adapters, ready to encode."""
    model = attach(base, rank)
    tensors = {name: torch.from_numpy(np.array(weight)) for name, weight in weights.items()}
    set_peft_model_state_dict(model.network, tensors)
    model.network.eval().requires_grad_(False)
    sums = {name: artifacts.digest(weight.tobytes().hex()) for name, weight in weights.items()}
    return model.having(digest=artifacts.digest(base.digest, rank, sums))


def merge(model: LanguageModel) -> LanguageModel:
    """A plain model with the adapters added into the base's weights: the same vectors, without the extra products."""
    network: Any = deepcopy(model.network)
    return model.having(network=network.merge_and_unload().eval().requires_grad_(False))
