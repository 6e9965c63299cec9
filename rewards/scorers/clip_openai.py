"""CLIP score with OpenAI's ViT-L/14 (Radford et al. 2021, arXiv 2103.00020)."""

from __future__ import annotations

from rewards.flops import Cost, rounded, text_tower, vit
from rewards.scorers.card import SpecCard, Weight
from rewards.scorers.clip_pair import CONTEXT, ClipPair
from rewards.working_memory import VIT_L

_MODEL = "openai/clip-vit-large-patch14"


def _cost(prompt_tokens: int) -> Cost:
    text = text_tower(rounded(prompt_tokens, 16, CONTEXT), 768, 12, 3072, 768)
    return Cost(vit(224, 14, 1024, 24, 4096, 768), text)


class ClipOpenai(ClipPair):
    """What the MIRO project page calls "OpenAI CLIP"; not one of the seven rewards."""

    repo = _MODEL
    tokenizer_repo = _MODEL
    card = SpecCard(
        metric="clip_openai",
        title="OpenAI CLIP ViT-L/14",
        definition="exp(logit_scale) x cosine(image, text) / 100",
        scale="cosine x exp(logit scale) / 100",
        range=(-1.0, 1.0),
        higher_is_better=True,
        miro_normalised="not a MIRO reward",
        upstream="clip_openai",
        preprocessing="CLIP 224 px (shortest edge, center crop); text cut to 77 tokens",
        reference_dtype="float32",
        weights=(Weight(_MODEL, "model.safetensors|pytorch_model.bin"),),
        licence="MIT",
        source="arXiv 2103.00020; huggingface.co/openai/clip-vit-large-patch14",
        network=VIT_L,
        cost=_cost,
    )
