"""A stand-in for ImageReward and for BERT's tokenizer."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
from transformers import BlipTextConfig, BlipVisionConfig

from rewards.models.blip_reward import NAMES, BlipReward, renamed
from rewards.tiny_world.parts import WORDS, linear_head_state, randomise, repository, state, write_json

#: The head of ImageReward is 768 wide: so is the text encoder, whatever its depth.
TEXT_WIDTH = 768
#: The image tower; heads are 64 wide, as in ViT-L.
TINY_VISION: dict[str, int] = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "image_size": 224,
    "patch_size": 32,
}


def write_image_reward(hub: Path) -> None:
    """THUDM/ImageReward in its published layout, and bert-base-uncased's tokenizer files."""
    vocabulary = write_bert_tokenizer(repository(hub, "bert-base-uncased"))
    folder = repository(hub, "THUDM/ImageReward")
    med = med_config(vocabulary + 2)  # BLIP adds two tokens
    write_json(folder / "med_config.json", med)
    torch.save(checkpoint(med, TINY_VISION), folder / "ImageReward.pt")


def med_config(vocabulary: int) -> dict[str, Any]:
    """The text encoder, one layer deep."""
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": TEXT_WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": 64,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "model_type": "bert",
        "num_attention_heads": 12,
        "num_hidden_layers": 1,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": vocabulary,
        "encoder_width": TEXT_WIDTH,
        "add_cross_attention": True,
    }


def checkpoint(med: dict[str, Any], vision: dict[str, int]) -> dict[str, Any]:
    """Random weights under ``ImageReward.pt``'s keys, the unused pretraining projections included.

    Args:
        med: the text encoder's sizes, as in ``med_config.json``.
        vision: the image tower's, as ``BlipVisionConfig`` takes them.
    """
    sizes = ("vocab_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
    text = BlipTextConfig(
        hidden_size=TEXT_WIDTH,
        encoder_hidden_size=vision["hidden_size"],
        is_decoder=True,
        **{key: med[key] for key in sizes},
    )
    model = BlipReward(BlipVisionConfig(**vision), text)
    published = [(ours, theirs) for theirs, ours in NAMES]
    weights = {renamed(key, published): value for key, value in state(randomise(model, 51)).items()}
    weights |= {f"mlp.{key}": value for key, value in linear_head_state(TEXT_WIDTH, seed=52, center=0.2).items()}
    for name, width in (("vision", vision["hidden_size"]), ("text", TEXT_WIDTH)):
        weights[f"blip.{name}_proj.weight"] = torch.zeros(256, width, dtype=torch.float16)
        weights[f"blip.{name}_proj.bias"] = torch.zeros(256, dtype=torch.float16)
    return weights


def write_bert_tokenizer(folder: Path) -> int:
    """WordPiece over letters and a few words; returns its length."""
    letters = list(string.ascii_lowercase + string.digits)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = special + letters + list(string.punctuation) + ["##" + letter for letter in letters]
    pieces += [word for word in WORDS if len(word) > 1]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 512})
    write_json(folder / "config.json", {"model_type": "bert"})
    return len(pieces)
