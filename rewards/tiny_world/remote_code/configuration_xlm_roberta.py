"""Configuration of the stand-in for jina-embeddings-v3's text encoder."""

from collections.abc import Sequence
from typing import Any

from transformers import PretrainedConfig


class XLMRobertaFlashConfig(PretrainedConfig):
    """A rotary encoder with one low-rank adapter per task."""

    model_type = "xlm-roberta"

    def __init__(
        self,
        vocab_size: int = 1000,
        hidden_size: int = 64,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 2,
        intermediate_size: int = 128,
        lora_rank: int = 4,
        lora_adaptations: Sequence[str] = (),
        pad_token_id: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(pad_token_id=pad_token_id, **kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.lora_rank = lora_rank
        self.lora_adaptations = list(lora_adaptations)
