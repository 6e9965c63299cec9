"""UnifiedReward 2.0 (Wang et al. 2025, arXiv 2503.05236): a reply in words with three scores, read from it."""

from __future__ import annotations

import re
from typing import Any

from rewards.scorers.base import Batch, Judged, Outcome
from rewards.scorers.qwen3_vl import SIZE_2B, SIZE_4B, SIZE_8B, Qwen3Judge, Size, card

AXES = ("Alignment", "Coherence", "Style")
#: A reply takes about 80 tokens: three lines, numbers with up to fifteen decimals.
LIMIT = 256
_LINE = re.compile(r"^(\w+) Score \(1-5\):[ \t]*([0-9]+(?:\.[0-9]+)?)[ \t]*$", re.MULTILINE)


def read_scores(reply: str) -> dict[str, float]:
    """The three scores by axis, each from 1 to 5.
    Raises ValueError: the reply has not each of the three lines once, in order, with such a number.
    """
    found = _LINE.findall(reply)
    scores = {axis: float(number) for axis, number in found}
    if tuple(axis for axis, _ in found) != AXES or not all(1 <= score <= 5 for score in scores.values()):
        raise ValueError(f"the reply has no three scores from 1 to 5: {' '.join(reply.split())[:80]!r}")
    return {axis.lower(): score for axis, score in scores.items()}


def _card(size: Size, metric: str, repo: str) -> Any:
    return card(
        size,
        repo,
        template=180,
        answer=80,
        metric=metric,
        title=f"UnifiedReward 2.0 ({repo.rpartition('-')[2]})",
        definition="mean of the alignment, coherence and style scores of the likeliest reply to the authors' question; "
        "each stands in the row under details",
        scale="1 to 5; token by token the likeliest reply to the image as it is, where the authors' client sends a "
        "JPEG and their server may draw replies",
        range=(1.0, 5.0),
        licence="MIT",
        source="arXiv 2503.05236; github.com/CodeGoat24/UnifiedReward",
        decides={"limit": LIMIT},
    )


class UnifiedReward(Qwen3Judge):
    """The 8-billion-parameter model."""

    repo = "CodeGoat24/UnifiedReward-2.0-qwen3vl-8b"
    card = _card(SIZE_8B, "unified_reward", repo)

    def judge(self, batch: Batch) -> list[Outcome]:
        """See :meth:`Scorer.judge`; a reply that cannot be read is the reason why there is no score."""
        from rewards.models.official_texts import official_texts

        problem = official_texts("unified_reward")["problem"]
        texts = [problem.replace("{prompt}", prompt) for prompt in batch.prompts]
        return list(map(_outcome, self._model.replies(batch.pixels, texts, LIMIT)))


def _outcome(reply: str | None) -> Outcome:
    if reply is None:
        return f"the reply does not end within {LIMIT} tokens"
    try:
        scores = read_scores(reply)
    except ValueError as error:
        return str(error)
    return Judged(sum(scores.values()) / len(scores), scores)


class UnifiedReward4b(UnifiedReward):
    """The 4-billion-parameter model: another metric, not an approximation of the larger one's."""

    repo = "CodeGoat24/UnifiedReward-2.0-qwen3vl-4b"
    card = _card(SIZE_4B, "unified_reward_4b", repo)


class UnifiedReward2b(UnifiedReward):
    """The 2-billion-parameter model."""

    repo = "CodeGoat24/UnifiedReward-2.0-qwen3vl-2b"
    card = _card(SIZE_2B, "unified_reward_2b", repo)
