"""SciScore (Li et al. 2025, Science-T2I, arXiv 2504.13129)."""

from __future__ import annotations

from rewards.flops import clip_h
from rewards.scorers.card import SpecCard, Weight
from rewards.scorers.clip_pair import ClipPair
from rewards.working_memory import VIT_H

_MODEL = "Jialuo21/SciScore"


class SciScore(ClipPair):
    """CLIP ViT-H/14 fine-tuned on pairs of scientifically right and wrong images; a repository complete in itself."""

    repo = _MODEL
    tokenizer_repo = _MODEL
    card = SpecCard(
        metric="sciscore",
        title="SciScore",
        definition="exp(logit_scale) x cosine(image, text) / 100",
        scale="cosine x exp(logit scale) / 100",
        range=(-1.0, 1.0),
        higher_is_better=True,
        miro_normalised="x",
        preprocessing="CLIP 224 px (shortest edge, center crop); text cut to 77 tokens",
        reference_dtype="float32",
        weights=(Weight(_MODEL, "model.safetensors|pytorch_model.bin"),),
        licence="see the model's page",
        source="arXiv 2504.13129; huggingface.co/Jialuo21/SciScore",
        network=VIT_H,
        cost=clip_h,
    )
