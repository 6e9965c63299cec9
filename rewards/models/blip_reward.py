"""ImageReward's network on transformers' BLIP classes, its checkpoint's keys renamed to theirs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import BertTokenizer, BlipTextConfig, BlipVisionConfig, BlipVisionModel
from transformers.modeling_utils import no_init_weights
from transformers.models.blip.modeling_blip_text import BlipTextModel

from rewards.models.layers import LinearHead
from rewards.models.loading import clear_errors, load_strictly, read_checkpoint
from wire.errors import EnvironmentFailure

#: Width of one attention head of the image tower: ViT-L's 1024 / 16.
VISION_HEAD = 64
#: The image tower's LayerNorm epsilon (the package's ``vit.py``), which weights do not show.
VISION_EPSILON = 1e-6

_VISION = "blip.visual_encoder."
#: Projections of BLIP's pretraining, stored but not used for the reward.
UNUSED = ("blip.vision_proj.", "blip.text_proj.")
#: First parts of names in the checkpoint (timm's for the image tower) and here; ``#`` is the number of a layer.
NAMES = (
    (_VISION + "patch_embed.proj", "vision.embeddings.patch_embedding"),
    (_VISION + "cls_token", "vision.embeddings.class_embedding"),
    (_VISION + "pos_embed", "vision.embeddings.position_embedding"),
    (_VISION + "norm", "vision.post_layernorm"),
    (_VISION + "blocks.#.norm1", "vision.encoder.layers.#.layer_norm1"),
    (_VISION + "blocks.#.norm2", "vision.encoder.layers.#.layer_norm2"),
    (_VISION + "blocks.#.attn.qkv", "vision.encoder.layers.#.self_attn.qkv"),
    (_VISION + "blocks.#.attn.proj", "vision.encoder.layers.#.self_attn.projection"),
    (_VISION + "blocks.#.mlp", "vision.encoder.layers.#.mlp"),
    ("blip.text_encoder", "text"),
    ("mlp", "head"),
)


class BlipReward(nn.Module):
    """Image tower, text encoder whose cross-attention reads the image tower's tokens, linear head."""

    def __init__(self, vision: BlipVisionConfig, text: BlipTextConfig) -> None:
        super().__init__()
        self.vision = BlipVisionModel(vision)
        self.text = BlipTextModel(text, add_pooling_layer=False)
        self.head = LinearHead(text.hidden_size)

    def cast(self, dtype: torch.dtype) -> None:
        """Set the two encoders' number format; the head stays in float32, as the authors have it."""
        self.vision.to(dtype)
        self.text.to(dtype)

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Raw rewards of pairs: (N, 3, H, W), (N, T), (N, T) to (N,) float32."""
        image = self.vision(pixels.to(self.vision.dtype)).last_hidden_state
        everywhere = torch.ones(image.shape[:-1], dtype=torch.long, device=image.device)
        hidden = self.text(
            ids, attention_mask=mask, encoder_hidden_states=image, encoder_attention_mask=everywhere
        ).last_hidden_state
        return self.head(hidden[:, 0].float()).squeeze(-1)


def load_blip_reward(checkpoint: Path, med_config: Path) -> BlipReward:
    """The network of ``ImageReward.pt`` in float32, strictly loaded; ``med_config.json`` has the text encoder's sizes.
    Raises EnvironmentFailure: not such files.
    """
    state = read_checkpoint(checkpoint)
    try:
        vision = vision_config(state)
        text = text_config(json.loads(med_config.read_text(encoding="utf-8")), vision.hidden_size)
        weights = {renamed(key): value for key, value in state.items() if not key.startswith(UNUSED)}
    except (KeyError, TypeError, ValueError) as error:
        raise EnvironmentFailure(f"{checkpoint}: not an ImageReward checkpoint ({error}); fetch it again") from error
    with no_init_weights():
        model = BlipReward(vision, text)
    return load_strictly(model, weights, checkpoint.name)


def vision_config(state: Mapping[str, Any]) -> BlipVisionConfig:
    """Sizes of the image tower as its weights show them. Raises KeyError: no such weights."""
    width = state[_VISION + "cls_token"].shape[-1]
    patch = state[_VISION + "patch_embed.proj.weight"].shape[-1]
    grid = round((state[_VISION + "pos_embed"].shape[1] - 1) ** 0.5)
    depth = len({key.split(".")[3] for key in state if key.startswith(_VISION + "blocks.")})
    return BlipVisionConfig(
        hidden_size=width,
        intermediate_size=state[_VISION + "blocks.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=depth,
        num_attention_heads=width // VISION_HEAD,
        image_size=grid * patch,
        patch_size=patch,
        hidden_act="gelu",
        layer_norm_eps=VISION_EPSILON,
    )


def text_config(med: Mapping[str, Any], vision_width: int) -> BlipTextConfig:
    """The text encoder of ``med_config.json`` over an image tower of ``vision_width``.
    Raises KeyError: a size is missing.
    """
    same = (
        "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads "
        "max_position_embeddings hidden_act layer_norm_eps pad_token_id"
    )
    # is_decoder only makes the cross-attention layers; attention stays bidirectional.
    return BlipTextConfig(encoder_hidden_size=vision_width, is_decoder=True, **{key: med[key] for key in same.split()})


def load_tokenizer(folder: Path) -> Any:
    """BERT's tokenizer with the two tokens that BLIP adds (which shift no other id)."""
    with clear_errors("BERT tokenizer"):
        tokenizer = BertTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    return tokenizer


def renamed(key: str, names: Iterable[tuple[str, str]] = NAMES) -> str:
    """The key with its first part replaced. Raises KeyError: none of the names is its first part."""
    number = next(filter(str.isdigit, key.split(".")), "")
    for before, after in names:
        old = before.replace("#", number)
        if f"{key}.".startswith(f"{old}."):
            return after.replace("#", number) + key[len(old) :]
    raise KeyError(key)
