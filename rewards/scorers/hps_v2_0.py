"""HPSv2.0."""

from __future__ import annotations

from rewards.flops import clip_h
from rewards.scorers.card import SpecCard, Weight
from rewards.scorers.hps import HPS_REPO, Hps
from rewards.working_memory import VIT_H

_FILE = "HPS_v2_compressed.pt"


class HpsV20(Hps):
    """The first release; the default of the authors' package, and what upstream evaluates with."""

    file = _FILE
    card = SpecCard(
        metric="hpsv2.0",
        title="HPS v2.0",
        definition="cosine(image, text)",
        scale="cosine, about 0.2 to 0.33; not comparable with v2.1",
        range=(-1.0, 1.0),
        higher_is_better=True,
        miro_normalised="not a MIRO reward",
        upstream="hpsv2",
        preprocessing="longest edge to 224 px on tensors (bicubic, antialias), black padding; text cut to 77 tokens",
        reference_dtype="float32",
        weights=(Weight(HPS_REPO, _FILE),),
        licence="Apache-2.0",
        source="arXiv 2306.09341; github.com/tgxs002/HPSv2",
        network=VIT_H,
        cost=clip_h,
    )
