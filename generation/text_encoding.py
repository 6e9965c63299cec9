"""Prompts to embeddings: each once, and none depending on which others are encoded beside it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.device import device_name
from generation.file_faults import fault_in_pipeline
from generation.hub import file_sha256
from generation.miro_model import TEXT_ENCODER_REPO
from generation.precision import Precision
from wire.arrays import ArrayCache
from wire.errors import EnvironmentFailure
from wire.hub import MODEL_WEIGHTS, Repository

#: Prompts encoded together, always: a short batch is filled up, because floating point depends on the shape.
BATCH = 16

#: Prompts are padded to a multiple of this many tokens. The length follows from the prompt alone, and saves
#: nine tenths of the work of padding all to 256: masked tokens change nothing.
LENGTH_STEP = 32


@dataclass(frozen=True)
class EncodedPrompt:
    """Embedding of a prompt's real tokens, (tokens, width), on the host."""

    embedding: Any


def has_vocabulary(tokenizer: Any) -> bool:
    """Whether it tells words apart: without its vocabulary's file transformers makes one up that knows no word."""
    tokens = tokenizer("a photo of a dog", add_special_tokens=False)["input_ids"]
    return len({*tokens} - {tokenizer.unk_token_id}) > 1


class TextEncoder:
    """FLAN-T5-XL's encoder and tokenizer, as miro-t2i uses them."""

    def __init__(self, device: Any, precision: Precision, text_length: int) -> None:
        """Load both onto a ``torch.device``; prompts are cut at ``text_length`` tokens.
        Raises EnvironmentFailure: not in the hub cache, and the hub is out of reach.
        """
        from transformers import AutoTokenizer, T5EncoderModel

        folder = Repository(TEXT_ENCODER_REPO).get("*.json", "*.txt", "*.model", MODEL_WEIGHTS)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._encoder = T5EncoderModel.from_pretrained(folder).eval().requires_grad_(False).to(device)
        except Exception as error:  # several libraries', each with classes of its own
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            fault = fault_in_pipeline(folder) or f"{folder} cannot be read ({reason})"
            raise EnvironmentFailure(f"{TEXT_ENCODER_REPO}: {fault}") from error
        if not has_vocabulary(self._tokenizer):
            raise EnvironmentFailure(f"{TEXT_ENCODER_REPO}: {folder} has no vocabulary for its tokenizer")
        self._device, self._precision, self._text_length = device, precision, text_length

    def encode(self, prompts: Iterable[str]) -> Iterator[tuple[str, EncodedPrompt]]:
        """Yield each distinct prompt with its embedding, padded to its own length."""
        distinct = list(dict.fromkeys(prompts))
        groups: dict[int, list[tuple[str, list[int]]]] = {}
        tokenized = self._tokenizer(distinct, truncation=True, max_length=self._text_length)["input_ids"]
        for prompt, tokens in zip(distinct, tokenized, strict=True):
            length = min(-(-len(tokens) // LENGTH_STEP) * LENGTH_STEP, self._text_length)
            groups.setdefault(length, []).append((prompt, tokens))
        for length, group in groups.items():
            for start in range(0, len(group), BATCH):
                yield from self._encode_batch(group[start : start + BATCH], length)

    def encode_together(self, prompts: list[str]) -> list[EncodedPrompt]:
        """Embeddings of a group of prompts, all padded to the longest of them, as upstream's script does it."""
        tokens = self._tokenizer(
            prompts, padding="longest", truncation=True, max_length=self._text_length, return_tensors="pt"
        )
        mask = tokens["attention_mask"].bool()
        embeddings = self._forward(tokens["input_ids"], mask)
        return [EncodedPrompt(embeddings[row][mask[row]]) for row in range(len(prompts))]

    def _encode_batch(self, batch: list[tuple[str, list[int]]], length: int) -> Iterator[tuple[str, EncodedPrompt]]:
        import torch

        tokens = torch.full((BATCH, length), self._tokenizer.pad_token_id)
        mask = torch.zeros((BATCH, length), dtype=torch.bool)
        for row in range(BATCH):
            row_tokens = batch[min(row, len(batch) - 1)][1]
            tokens[row, : len(row_tokens)] = torch.tensor(row_tokens)
            mask[row, : len(row_tokens)] = True
        embeddings = self._forward(tokens, mask)
        for row, (prompt, _) in enumerate(batch):
            yield prompt, EncodedPrompt(embeddings[row][mask[row]])

    def _forward(self, tokens: Any, mask: Any) -> Any:
        import torch

        autocast = self._precision.text_autocast and self._device.type == "cuda"
        with torch.inference_mode(), torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=autocast):
            inputs = {"input_ids": tokens.to(self._device), "attention_mask": mask.long().to(self._device)}
            embeddings = self._encoder(**inputs).last_hidden_state
        return embeddings.to(self._precision.embedding_dtype()).cpu()


def encode_with_cache(
    prompts: Iterable[str], open_encoder: Callable[[], TextEncoder], open_cache: Callable[[], ArrayCache | None]
) -> Iterator[tuple[str, EncodedPrompt]]:
    """Yield each distinct prompt with its embedding: first those that are kept, then the others, which then are too.

    An embedding depends on its prompt alone, so it is kept prompt by prompt. The encoder, 11 GB on disk, is loaded only
    where something is missing. There is no cache where what is kept cannot be known to be of this encoder; it is asked
    for again once that is loaded, for loading may have brought its weights here.
    """
    import torch

    cache, missing = open_cache(), []
    for prompt in dict.fromkeys(prompts):
        kept = cache.load(prompt) if cache else None
        if kept is None:
            missing.append(prompt)
        else:
            yield prompt, EncodedPrompt(torch.from_numpy(kept))
    if not missing:
        return
    encoder = open_encoder()
    cache = cache or open_cache()
    for prompt, encoded in encoder.encode(missing):
        if cache:
            cache.store(prompt, encoded.embedding.numpy())
        yield prompt, encoded


def stack_prompts(prompts: list[EncodedPrompt], length: int, device: Any) -> tuple[Any, Any]:
    """Embeddings (batch, length, width) and mask (batch, length) of one batch, both zero where no token is."""
    import torch

    first = prompts[0].embedding
    embeddings = torch.zeros((len(prompts), length, first.shape[1]), dtype=first.dtype)
    mask = torch.zeros((len(prompts), length), dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        embeddings[row, : len(prompt.embedding)] = prompt.embedding
        mask[row, : len(prompt.embedding)] = True
    return embeddings.to(device), mask.to(device)


def encoder_identity(device: Any, precision: Precision, text_length: int) -> dict[str, Any] | None:
    """Everything besides the prompt that decides an embedding's bits; None while the encoder's weights are not here.

    The hub's cache names large files after their hash, so nothing of the weights is read.
    """
    import torch
    import transformers

    snapshot = Repository(TEXT_ENCODER_REPO).get("config.json")
    weights = sorted(file for file in snapshot.iterdir() if file.suffix in (".safetensors", ".bin"))
    small = sorted(file for file in snapshot.iterdir() if file.suffix in (".json", ".model", ".txt"))
    if not weights:
        return None
    return {
        "files": {file.name: file_sha256(file) for file in (*weights, *small)},
        "precision": [precision.text_autocast, precision.half_embeddings, text_length],
        "shape": [BATCH, LENGTH_STEP],
        "device": [device_name(device), _processor(), torch.get_num_threads()],
        "packages": [torch.__version__, transformers.__version__],
    }


def _processor() -> str:
    """The CPU's model and the instructions PyTorch uses on it: both decide the last bits of a number."""
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
