"""VQAScore with CLIP-FlanT5-XXL (Lin et al. 2024, arXiv 2404.01291)."""

from __future__ import annotations

from functools import partial

from rewards.scorers.card import SpecCard, Weight
from rewards.scorers.clip_flant5 import (
    DEFINITION,
    PREPROCESSING,
    SOURCE,
    TOLERANCE,
    VISION_REPO,
    ClipFlanT5Scorer,
    flan_t5_cost,
)
from rewards.working_memory import Network

_MODEL, _TOKENIZER = "zhiqiulin/clip-flant5-xxl", "google/flan-t5-xxl"


class Vqa(ClipFlanT5Scorer):
    """The 11-billion-parameter model: about 22 GB of weights in bf16."""

    repo = _MODEL
    tokenizer_repo = _TOKENIZER
    card = SpecCard(
        metric="vqa",
        title="VQAScore with CLIP-FlanT5-XXL",
        definition=DEFINITION,
        scale="likelihood of the answer, 0 to 1",
        range=(0.0, 1.0),
        higher_is_better=True,
        miro_normalised="x",
        preprocessing=PREPROCESSING,
        reference_dtype="bfloat16",
        weights=(
            Weight(_MODEL, "pytorch_model.bin (sharded)"),
            Weight(VISION_REPO, "config.json; model.safetensors|pytorch_model.bin if the shards lack its tower"),
            Weight(_TOKENIZER, "tokenizer files"),
        ),
        licence="Apache-2.0",
        source=SOURCE,
        tolerance=TOLERANCE,
        network=Network(644, 4096, 4 * 10_240, 64),
        cost=partial(flan_t5_cost, width=4096, hidden=10_240),
    )
