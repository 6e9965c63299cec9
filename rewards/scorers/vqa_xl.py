"""VQAScore with CLIP-FlanT5-XL (Lin et al. 2024, arXiv 2404.01291)."""

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

_MODEL, _TOKENIZER = "zhiqiulin/clip-flant5-xl", "google/flan-t5-xl"


class VqaXl(ClipFlanT5Scorer):
    """The 3-billion-parameter model, about 7 GB in bf16: another metric, not an approximation of ``vqa``."""

    repo = _MODEL
    tokenizer_repo = _TOKENIZER
    card = SpecCard(
        metric="vqa_xl",
        title="VQAScore with CLIP-FlanT5-XL",
        definition=DEFINITION,
        scale="likelihood of the answer, 0 to 1; not comparable with xxl",
        range=(0.0, 1.0),
        higher_is_better=True,
        miro_normalised="not a MIRO reward",
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
        network=Network(644, 2048, 4 * 5120, 32),
        cost=partial(flan_t5_cost, width=2048, hidden=5120),
    )
