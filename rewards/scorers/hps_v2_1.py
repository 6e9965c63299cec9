"""HPSv2.1."""

from __future__ import annotations

from rewards.scorers.card import SpecCard, Weight
from rewards.scorers.hps import HPS_REPO, Hps

_FILE = "HPS_v2.1_compressed.pt"


class HpsV21(Hps):
    """Trained on the larger, cleaned set of preferences; what MIRO trains with, and what its Table 1 fits."""

    file = _FILE
    card = SpecCard(
        metric="hpsv2.1",
        definition="cosine(image, text)",
        scale="about 0.2 to 0.33",
        range=(-1.0, 1.0),
        higher_is_better=True,
        miro_normalised="x",
        preprocessing="longest edge to 224 px on tensors (bicubic, antialias), black padding; text cut to 77 tokens",
        reference_dtype="float32",
        weights=(Weight(HPS_REPO, _FILE),),
        licence="Apache-2.0",
        source="arXiv 2306.09341; github.com/tgxs002/HPSv2",
    )
