"""CLIP score with OpenAI's ViT-L/14 (Radford et al. 2021, arXiv 2103.00020)."""

from __future__ import annotations

from rewards.scorers.card import SpecCard, Weight
from rewards.scorers.clip_pair import ClipPair

_MODEL = "openai/clip-vit-large-patch14"


class ClipOpenai(ClipPair):
    """What the MIRO project page calls "OpenAI CLIP"; not one of the seven rewards."""

    repo = _MODEL
    tokenizer_repo = _MODEL
    card = SpecCard(
        metric="clip_openai",
        definition="exp(logit_scale) x cosine(image, text) / 100",
        scale="a CLIP logit over 100",
        range=(-1.0, 1.0),
        higher_is_better=True,
        miro_normalised="not a MIRO reward",
        preprocessing="CLIP 224 px (shortest edge, center crop); text cut to 77 tokens",
        reference_dtype="float32",
        weights=(Weight(_MODEL, "model.safetensors|pytorch_model.bin"),),
        licence="MIT",
        source="arXiv 2103.00020; huggingface.co/openai/clip-vit-large-patch14",
    )
