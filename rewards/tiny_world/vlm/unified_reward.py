"""Stand-ins for UnifiedReward 2.0, whose replies have the form that is asked for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import Qwen3VLForConditionalGeneration

from rewards.tiny_world.parts import repository
from rewards.tiny_world.vlm.qwen3_vl import WIDTH, make_qwen3_vl, save_qwen3_vl
from rewards.tiny_world.vlm.tokenizer import FURTHER, train

#: Numbers that it may give on each axis.
CHOICES = 16


def write_unified_reward(hub: Path) -> None:
    """The three sizes (the published smaller ones tie their output layer to their embedding)."""
    for seed, size in enumerate(("8b", "4b", "2b"), start=72):
        tokenizer = train((*FURTHER, *_reply_tokens()))
        model = make_qwen3_vl(tokenizer, seed)
        _teach(model, tokenizer, seed)
        save_qwen3_vl(model, tokenizer, repository(hub, f"CodeGoat24/UnifiedReward-2.0-qwen3vl-{size}"))


def _reply_tokens() -> list[str]:
    """A reply in four tokens of its own: the first axis, and on each axis a number with what stands behind it."""
    behind = ("\nCoherence Score (1-5): ", "\nStyle Score (1-5): ", "")
    numbers = [[f"{1 + (4 * i + axis) / CHOICES:.{1 + i % 4}f}" for i in range(CHOICES)] for axis in range(3)]
    rest = [number + text for text, row in zip(behind, numbers, strict=True) for number in row]
    return ["Alignment Score (1-5): ", *rest]


def _teach(model: Qwen3VLForConditionalGeneration, tokenizer: Tokenizer, seed: int) -> None:
    """Let each token of a reply call for the next: which number, the layers decide, and so the image.

    Tokens that have the same successors lie in one direction, large beside what layers add; output rows point there.
    """
    generator = torch.Generator().manual_seed(seed)
    first, *rest = [tokenizer.token_to_id(token) for token in _reply_tokens()]
    axes = [rest[axis * CHOICES : (axis + 1) * CHOICES] for axis in range(3)]
    chain = [[tokenizer.encode("\n").ids[0]], [first], *axes, [tokenizer.token_to_id("<|im_end|>")]]
    embedding, head = model.model.language_model.embed_tokens.weight, model.lm_head.weight
    with torch.no_grad():
        for before, after in pairwise(chain):
            way = torch.nn.functional.normalize(torch.randn(WIDTH, generator=generator), dim=0)
            embedding[before] = 60 * way + torch.randn(len(before), WIDTH, generator=generator)
            own = torch.randn(len(after), WIDTH, generator=generator)
            head[after] = 8 * way + 2 * (own - (own @ way)[:, None] * way)
