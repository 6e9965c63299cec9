"""HPSv2.1."""

from __future__ import annotations

from rewards.flops import clip_h
from rewards.scorers.card import SpecCard, Weight
from rewards.scorers.hps import HPS_REPO, Hps
from rewards.working_memory import VIT_H

_FILE = "HPS_v2.1_compressed.pt"


class HpsV21(Hps):
    """Trained on the larger, cleaned set of preferences; what MIRO trains with, and what its Table 1 fits."""

    file = _FILE
    card = SpecCard(
        metric="hpsv2.1",
        title="HPS v2.1",
        definition="cosine(image, text)",
        scale="cosine, about 0.2 to 0.33",
        range=(-1.0, 1.0),
        higher_is_better=True,
        miro_normalised="x",
        preprocessing="longest edge to 224 px on tensors (bicubic, antialias), black padding; text cut to 77 tokens",
        reference_dtype="float32",
        weights=(Weight(HPS_REPO, _FILE),),
        licence="Apache-2.0",
        source="arXiv 2306.09341; github.com/tgxs002/HPSv2",
        network=VIT_H,
        cost=clip_h,
    )
