"""Stand-in for the text encoder of jina-embeddings-v3: rotary positions, one low-rank adapter per task."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .configuration_xlm_roberta import XLMRobertaFlashConfig


class AdaptedLinear(nn.Module):
    """A linear layer whose weight gains a task's low-rank product."""

    def __init__(self, inputs: int, outputs: int, rank: int, tasks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.lora_A = nn.Parameter(torch.zeros(tasks, rank, inputs))
        self.lora_B = nn.Parameter(torch.zeros(tasks, outputs, rank))

    def forward(self, x: torch.Tensor, task: int) -> torch.Tensor:
        """(N, T, inputs) to (N, T, outputs)."""
        return functional.linear(x, self.weight + self.lora_B[task] @ self.lora_A[task], self.bias)


def rotated(x: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding of (N, heads, T, d)."""
    length, half = x.shape[-2], x.shape[-1] // 2
    frequency = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angle = torch.arange(length, device=x.device)[:, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Block(nn.Module):
    """Attention and feed-forward, normalised after each."""

    def __init__(self, config: XLMRobertaFlashConfig) -> None:
        super().__init__()
        width, rank, tasks = config.hidden_size, config.lora_rank, len(config.lora_adaptations)
        self.heads = config.num_attention_heads
        self.qkv = AdaptedLinear(width, 3 * width, rank, tasks)
        self.out = AdaptedLinear(width, width, rank, tasks)
        self.fc1 = AdaptedLinear(width, config.intermediate_size, rank, tasks)
        self.fc2 = AdaptedLinear(config.intermediate_size, width, rank, tasks)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, task: int) -> torch.Tensor:
        """(N, T, width), mask (N, 1, 1, T) true where attended."""
        x = self.norm1(x + self.attend(x, mask, task))
        return self.norm2(x + self.fc2(functional.gelu(self.fc1(x, task)), task))

    def attend(self, x: torch.Tensor, mask: torch.Tensor, task: int) -> torch.Tensor:
        """Multi-head attention with rotary queries and keys."""
        shape = (*x.shape[:2], 3, self.heads, -1)
        query, key, value = self.qkv(x, task).view(shape).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(rotated(query), rotated(key), value, attn_mask=mask)
        return self.out(mixed.transpose(1, 2).flatten(2), task)


class XLMRobertaLoRA(PreTrainedModel):
    """Token states (N, T, width) for ids and a mask; the adapter is chosen by the task's index."""

    config_class = XLMRobertaFlashConfig

    def __init__(self, config: XLMRobertaFlashConfig, **_: Any) -> None:
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.emb_ln = nn.LayerNorm(config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))

    def _init_weights(self, module: nn.Module) -> None:
        """Weights always come from the checkpoint."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, task: int = 0) -> BaseModelOutput:
        """Encode a padded batch."""
        x = self.emb_ln(self.word_embeddings(input_ids))
        mask = attention_mask.bool()[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask, task)
        return BaseModelOutput(last_hidden_state=x)
