"""Stand-in for the text tower: an encoder of another repository, averaged over its real tokens."""

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel


class HFTextEncoder(nn.Module):
    """(N, T) token ids to (N, width).

    Without ``transformer`` the encoder's configuration and code come from the hub, unpinned, as the real one's do.
    """

    def __init__(self, hf_model_name_or_path: str, default_lora_task: str, transformer: Any = None) -> None:
        super().__init__()
        if transformer is None:
            config = AutoConfig.from_pretrained(hf_model_name_or_path, trust_remote_code=True)
            transformer = AutoModel.from_config(config, trust_remote_code=True)
        self.transformer = transformer
        self.pad = transformer.config.pad_token_id
        self.task = transformer.config.lora_adaptations.index(default_lora_task)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mean over the tokens that are not padding."""
        mask = (x != self.pad).long()
        states = self.transformer(input_ids=x, attention_mask=mask, task=self.task).last_hidden_state
        weights = mask[..., None].to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1)
