"""PickScore v1 (Kirstain et al. 2023, arXiv 2305.01569)."""

from __future__ import annotations

from rewards.flops import clip_h
from rewards.scorers.card import SpecCard, Weight
from rewards.scorers.clip_pair import ClipPair
from rewards.working_memory import VIT_H

_MODEL = "yuvalkirstain/PickScore_v1"
_PROCESSOR = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"


class PickScore(ClipPair):
    """CLIP ViT-H/14 fine-tuned on the Pick-a-Pic preferences.

    The model card's recipe multiplies by the logit scale; dividing by 100 gives the usual values near 0.2.
    """

    repo = _MODEL
    tokenizer_repo = _PROCESSOR
    card = SpecCard(
        metric="pick_score",
        title="PickScore v1",
        definition="exp(logit_scale) x cosine(image, text) / 100",
        scale="cosine x exp(logit scale) / 100, about 0.19 to 0.24",
        range=(-1.0, 1.0),
        higher_is_better=True,
        miro_normalised="x",
        upstream="pick_score",
        preprocessing="CLIP 224 px (shortest edge, center crop); text cut to 77 tokens",
        reference_dtype="float32",
        weights=(Weight(_MODEL, "model.safetensors|pytorch_model.bin"), Weight(_PROCESSOR, "tokenizer files")),
        licence="MIT",
        source="arXiv 2305.01569; github.com/yuvalkirstain/PickScore",
        network=VIT_H,
        cost=clip_h,
    )
