"""How the rewards are to be read: scale and direction of each metric id, for headers and footnotes of tables."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricCard:
    """One reward.

    Attributes:
        title: model and version.
        scale: the raw score's unit and usual range, as the model's authors define it.
        direction: which way is better.
        normal_form: MIRO's normalisation as (offset, divisor): (raw + offset) / divisor; None where none is defined.
    """

    title: str
    scale: str
    direction: str = "higher is better"
    normal_form: tuple[float, float] | None = None

    @property
    def formula(self) -> str:
        """The normalisation in words, e.g. ``(raw + 2) / 4``; empty where none is defined."""
        if self.normal_form is None:
            return ""
        offset, divisor = self.normal_form
        return f"(raw + {offset:g}) / {divisor:g}" if offset else f"raw / {divisor:g}"

    def normalised(self, raw: float) -> float:
        """The value as MIRO's training sees it, mostly from 0 to 1; NaN where no normalisation is defined."""
        if self.normal_form is None:
            return math.nan
        offset, divisor = self.normal_form
        return (raw + offset) / divisor


#: By metric id, which names model and version. Scales are those of the models' own scoring code, normal forms those
#: of miro-t2i 0.1.4's training data.
CARDS: dict[str, MetricCard] = {
    "clip_jina": MetricCard("jina-clip-v2", "cosine x exp(logit scale) / 100, at most about 0.14"),
    "aesthetic": MetricCard(
        "LAION aesthetic predictor (sac+logos+ava1-l14)", "predicted rating, about 1 to 10", normal_form=(0.0, 10.0)
    ),
    "image_reward": MetricCard(
        "ImageReward v1.0", "standardised preference score, about -2 to 2; below 0 is usual", normal_form=(2.0, 4.0)
    ),
    "pick_score": MetricCard("PickScore v1", "cosine x exp(logit scale) / 100, about 0.19 to 0.24"),
    "hpsv2.1": MetricCard("HPS v2.1", "cosine, about 0.2 to 0.33"),
    "vqa": MetricCard("VQAScore with CLIP-FlanT5-XXL", "likelihood of the answer, 0 to 1"),
    "sciscore": MetricCard("SciScore", "cosine x exp(logit scale) / 100"),
    "hpsv2.0": MetricCard("HPS v2.0", "cosine, about 0.2 to 0.33; not comparable with v2.1"),
    "clip_openai": MetricCard("OpenAI CLIP ViT-L/14", "cosine x exp(logit scale) / 100"),
    "vqa_xl": MetricCard("VQAScore with CLIP-FlanT5-XL", "likelihood of the answer, 0 to 1; not comparable with xxl"),
}


def card(metric: str) -> MetricCard:
    """The card of a metric id; one that says so for an unknown id."""
    return CARDS.get(metric) or MetricCard(metric, "unknown metric id, values as found", "direction unknown")
