"""Texts to vectors with any Hugging Face encoder or decoder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from flashlift.behavior.language.stored import PACKAGED, is_causal, locate, read, weights_digest
from flashlift.errors import InsufficientDataError, OutputError
from flashlift.protocols import Progress, silent

__all__ = ["PACKAGED", "Encoded", "LanguageModel", "Vectors", "padded"]

Vectors = npt.NDArray[np.float32]

MAX_TOKENS = 128  # of a text; titles have about ten, behavior sentences below a hundred
TOKENS_PER_BATCH = 4096
BF16_GAIN = 2.0  # bf16 costs digits, so it has to be clearly faster; the factor is far from 2 on all processors
WIDE = 256  # a narrower model gains less than that: 128 wide and 4 layers deep 1.5 times


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Vectors of texts.

    Args:
        vectors: (n, d), of length 1; zero where `known` is False.
        known: (n,), False for a text that is missing, empty, or made of nothing the tokenizer knows.
    """

    vectors: Vectors
    known: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """A pretrained network and its tokenizer. Its vector of a text is the mean of the last hidden states.

    Encoders and decoders are pooled alike: the mean over all tokens keeps every word of a short title, where the last
    token of a decoder that was never trained for it mostly says what would come next.

    Args:
        name: where it was loaded from.
        network: token ids to hidden states.
        tokenizer: text to token ids.
        digest: of the weights and the tokenizer, adapters included.
        causal: a position sees only what stands before it (a decoder).
        precision: of the matrix products; the weights and the vectors are float32.
    """

    name: str
    network: nn.Module
    tokenizer: PreTrainedTokenizerBase
    digest: str
    causal: bool
    precision: torch.dtype = torch.float32

    @classmethod
    def load(cls, name_or_path: str | Path = PACKAGED, *, precision: str = "auto") -> LanguageModel:
        """Load a model: "packaged" (an English MiniLM, 384 wide), a folder, or a name on the Hugging Face hub.

        Only a name on the hub may touch the network; unset, a graphics card is used where there is one.

        Args:
            name_or_path: which model.
            precision: "fp32", "bf16", or "auto": bf16 where it proves clearly faster on this machine.

        Raises:
            InputError: there is no such model.
            ArtifactError: the folder is incomplete, or written by a version that cannot be read.
        """
        place = locate(name_or_path)
        network, tokenizer = read(place, str(name_or_path))
        network.eval().requires_grad_(False)
        if torch.cuda.is_available():
            network.to("cuda")
        model = cls(
            name=str(name_or_path),
            network=network,
            tokenizer=tokenizer,
            digest=weights_digest(network, tokenizer),
            causal=is_causal(network),
            precision=torch.bfloat16 if precision == "bf16" else torch.float32,
        )
        return model if precision != "auto" else model.at_best_precision()

    @property
    def width(self) -> int:
        """Size of a vector."""
        config: Any = self.network.config
        return int(config.hidden_size)

    @property
    def embeddings(self) -> Tensor:
        """Input embeddings of the tokens, (V, d)."""
        weight: Tensor = self.network.get_input_embeddings().weight  # type: ignore[operator]
        return weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embeddings.device

    @property
    def n_weights(self) -> int:
        """Number of weights, adapters included."""
        return sum(weight.numel() for weight in self.network.parameters())

    def token_ids(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> dict[str, list[list[int]]]:
        """Token ids and segment ids of texts, or of pairs of texts, cut to what the network can read."""
        config: Any = self.network.config
        # Some families count positions from the padding token's id on, hence two less than they have.
        longest = min(MAX_TOKENS, self.tokenizer.model_max_length, getattr(config, "max_position_embeddings", 512) - 2)
        found = self.tokenizer(
            list(texts),
            None if pairs is None else list(pairs),
            truncation=True,
            max_length=longest,
            return_attention_mask=False,
        )
        return dict(found)

    def unknown_share(self, texts: Sequence[str]) -> float:
        """Share of the texts' characters, blanks apart, that the tokenizer cannot tell from each other, in [0, 1].

        Raises:
            InsufficientDataError: the texts hold no character.
        """
        unknown, total = 0, sum(len("".join(text.split())) for text in texts)
        if not total:
            raise InsufficientDataError("The texts are all empty, so their language cannot be told. Give items titles.")
        mark = self.tokenizer.unk_token_id
        if mark is None:
            return 0.0
        found = self.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        for ids, places in zip(found["input_ids"], found["offset_mapping"], strict=True):
            unknown += sum(stop - start for token, (start, stop) in zip(ids, places, strict=True) if token == mark)
        return unknown / total

    def encode(
        self, texts: Sequence[str | None], *, task: str = "encode texts", progress: Progress = silent
    ) -> Encoded:
        """Vectors of texts. Texts of equal length share a batch, so that nothing is computed on padding."""
        given = np.array([text.strip() if text else "" for text in texts], dtype=object)
        distinct = sorted({text for text in given if text})
        row = {text: place for place, text in enumerate(distinct)}
        vectors, readable = self._encode_distinct(distinct, task, progress)
        known = np.array([bool(text) and bool(readable[row[text]]) for text in given], dtype=bool)
        out = np.zeros((len(given), self.width), np.float32)
        out[known] = vectors[[row[text] for text in given[known]]]
        return Encoded(vectors=out, known=known)

    def hidden(self, batch: dict[str, Tensor]) -> Tensor:
        """Last hidden states of a batch, (B, T, d), float32."""
        batch = {name: values.to(self.device) for name, values in batch.items()}
        with self.autocast():
            states: Tensor = self.network(**batch).last_hidden_state
        return states.float()

    def pooled(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean of the hidden states over the real tokens of each text, (B, d), not normalized."""
        states = self.hidden(batch)
        mask = batch["attention_mask"].to(states)[:, :, None]
        return (states * mask).sum(1) / mask.sum(1)

    def at_best_precision(self) -> LanguageModel:
        """With bf16 where this machine multiplies matrices clearly faster in it, and the model is wide enough."""
        fast = self.width >= WIDE and _bf16_gain(self.device.type) > BF16_GAIN
        return self.having(precision=torch.bfloat16 if fast else torch.float32)

    def finished(self) -> LanguageModel:
        """After its weights were trained: frozen, with the digest of what they are now, at its best precision."""
        self.network.eval().requires_grad_(False)
        return self.having(digest=weights_digest(self.network, self.tokenizer)).at_best_precision()

    def save(self, folder: Path) -> None:
        """Write a plain model as a Hugging Face folder that `load` reads, whole or not at all.

        Raises:
            OutputError: the place cannot be written.
        """
        network: Any = self.network
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
                staging = Path(name) / "model"
                network.save_pretrained(staging)
                self.tokenizer.save_pretrained(staging)
                if folder.exists():
                    folder.rename(Path(name) / "old")
                staging.rename(folder)
        except OSError as error:
            raise OutputError(f"Cannot write {folder}: {error.strerror}. Choose a folder you may write to.") from error

    def having(self, **changes: Any) -> LanguageModel:
        """With other values of some fields."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return LanguageModel(**(fields | changes))

    def _encode_distinct(
        self, texts: list[str], task: str, progress: Progress
    ) -> tuple[Vectors, npt.NDArray[np.bool_]]:
        vectors, readable = np.zeros((len(texts), self.width), np.float32), np.zeros(len(texts), bool)
        if not texts:
            return vectors, readable
        ids = self.token_ids(texts)["input_ids"]
        nothing = {self.tokenizer.unk_token_id, *self.tokenizer.all_special_ids} - {None}
        readable[:] = [not nothing.issuperset(tokens) for tokens in ids]
        done = 0
        with torch.inference_mode():
            for rows in _equal_lengths(ids):
                tokens = torch.tensor([ids[row] for row in rows])
                batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
                vectors[rows] = F.normalize(self.pooled(batch), dim=1).cpu().numpy()
                done += len(rows)
                progress(task, done, len(texts))
        vectors[~readable] = 0.0
        return vectors, readable

    def autocast(self) -> AbstractContextManager[Any]:
        """Matrix products at the model's precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision is torch.bfloat16)


def padded(model: LanguageModel, found: dict[str, list[list[int]]]) -> dict[str, Tensor]:
    """Token ids of unequal length as one batch, padded on the right; (B, T) each, with `attention_mask`."""
    longest = max(len(row) for row in found["input_ids"])
    fill = int(model.tokenizer.pad_token_id or 0)
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in found["input_ids"]]
    ids = [row + [fill] * (longest - len(row)) for row in found["input_ids"]]
    batch = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    if "token_type_ids" in found:
        batch["token_type_ids"] = torch.tensor([row + [0] * (longest - len(row)) for row in found["token_type_ids"]])
    return batch


def _equal_lengths(ids: list[list[int]]) -> Iterator[list[int]]:
    """Row numbers in batches of one length each."""
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    start = 0
    while start < len(order):
        length = len(ids[order[start]])
        stop = start
        while stop < len(order) and len(ids[order[stop]]) == length and (stop - start + 1) * length <= TOKENS_PER_BATCH:
            stop += 1
        yield order[start:stop]
        start = stop


@cache
def _bf16_gain(device: str) -> float:
    """How many times faster a product of matrices is in bf16 than in fp32, by the best of five runs each."""
    taken = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(1024, 1024, dtype=dtype, device=device)
        taken[dtype] = min(_seconds(matrix) for _ in range(5))
    return taken[torch.float32] / taken[torch.bfloat16]


def _seconds(matrix: Tensor) -> float:
    begin = time.perf_counter()
    (matrix @ matrix).sum().item()
    return time.perf_counter() - begin
