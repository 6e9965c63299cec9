"""Image-prompt pairs, and a scorer applied to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from rewards.scorers import SCORERS, Scorer
from rewards.scorers.base import Batch

#: Metrics of pairs that run in this environment; others are of several images of a prompt.
HERE = [m for m, scorer in SCORERS.items() if scorer.card.env == "rewards" and not scorer.card.over_samples]
#: Prompts as GenEval has them, with a long, an empty and an accented one.
PROMPTS = [
    "a photo of a bench",
    "a photo of two clocks",
    "a photo of a red dog and a blue cat",
    "a photo of a computer mouse left of a cell phone " * 40,
    "",
    "a Café in Zürich — ﬁne &amp; quiet",
]
#: Those that are scored.
TEXTS = [prompt for prompt in PROMPTS if prompt]


def picture(seed: int, size: tuple[int, int] = (256, 256)) -> Image.Image:
    """A smooth random RGB image of (width, height)."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)


def pictures(count: int) -> list[Image.Image]:
    """Different images of one size."""
    return [picture(seed) for seed in range(count)]


def scores(scorer: Scorer, images: Sequence[Image.Image], prompts: Sequence[str]) -> torch.Tensor:
    """One batch of pairs, (N,)."""
    with torch.inference_mode():
        pixels = torch.stack([scorer.prepare_image(image) for image in images])
        return scorer.score(Batch(pixels, prompts))
