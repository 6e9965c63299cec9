"""The registry of metrics. Importing it costs nothing heavy: no torch, no transformers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rewards.scorers.aesthetic import Aesthetic
from rewards.scorers.base import Scorer
from rewards.scorers.clip_jina import ClipJina
from rewards.scorers.clip_pair import ClipOpenai, PickScore, SciScore
from rewards.scorers.diversity import DiversityClip, DiversityDinov2, VendiClip, VendiDinov2
from rewards.scorers.dpg import Dpg
from rewards.scorers.hps import HpsV20, HpsV21
from rewards.scorers.hpsv3 import Hpsv3
from rewards.scorers.image_reward import ImageReward
from rewards.scorers.soft_tifa import SoftTifa
from rewards.scorers.unified_reward import UnifiedReward, UnifiedReward2b, UnifiedReward4b
from rewards.scorers.vqa import Vqa, VqaXl
from rewards.scorers.vqa_qwen3vl import VqaQwen3Vl
from wire.cards import Cards, read_cards, records
from wire.errors import UserError

__all__ = ["CARDS", "SCORERS", "Scorer", "check_metrics", "weight_sources"]

#: Every metric by id: the seven that MIRO is conditioned on, then the extras.
SCORERS: dict[str, type[Scorer]] = {
    scorer.card.metric: scorer
    for scorer in (
        *(ClipJina, Aesthetic, ImageReward, PickScore, HpsV21, Vqa, SciScore),
        *(HpsV20, ClipOpenai, VqaXl),
        *(DiversityDinov2, VendiDinov2, DiversityClip, VendiClip),
        *(SoftTifa, Hpsv3, UnifiedReward, UnifiedReward4b, UnifiedReward2b, VqaQwen3Vl, Dpg),
    )
}

#: What reports need to know of each, free of everything that scoring takes.
CARDS: Cards = read_cards(records({metric: scorer.card for metric, scorer in SCORERS.items()}))


def weight_sources(metrics: Iterable[str], known: Mapping[str, type[Scorer]] = SCORERS) -> frozenset[str]:
    """What the metrics are computed with: hub repositories, and names of files that are published by address."""
    return frozenset(weight.source for metric in metrics for weight in known[metric].card.weights)


def check_metrics(metrics: Iterable[str], known: Mapping[str, type[Scorer]] = SCORERS) -> tuple[str, ...]:
    """The metric ids, each once, in the order given. Raises UserError: one of them is unknown, or there is none."""
    chosen = tuple(dict.fromkeys(metrics))
    unknown = [metric for metric in chosen if metric not in known]
    if unknown or not chosen:
        asked = f"unknown metric {', '.join(unknown)}" if unknown else "no metric given"
        raise UserError(f"{asked}; choose from: {', '.join(known)}")
    return chosen
