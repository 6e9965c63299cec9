"""What must be said beside the numbers of one run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.summary.coverage import Suite
from reports.summary.scored import WHOLE

if TYPE_CHECKING:
    from reports.summary.geneval2_summary import Geneval2Summary
    from reports.summary.geneval_summary import GenevalSummary
    from reports.summary.rewards_summary import RewardsSummary

RANDOM_WEIGHTS = "random weights: the scores mean nothing"
#: What the authors' package, and so our own hpsv2.0, does otherwise than MIRO's script.
_HPSV2 = (
    "; its 'hpsv2' is hpsv2.0, but of images cropped to a square where the authors' package pads: equal for square "
    "images, up to 0.4 apart for others"
)
#: Letters of a protocol's value that are shown: enough to tell two settings, or two hashes, apart.
VALUE_WIDTH = 40


def run_notes(
    random_weights: bool,
    geneval: GenevalSummary | None,
    rewards: RewardsSummary | None,
    geneval2: Geneval2Summary | None = None,
) -> tuple[str, ...]:
    """Notes on one run, the gravest first; empty where there is nothing to say."""
    return (
        *([RANDOM_WEIGHTS] if random_weights else []),
        *(_geneval_notes(geneval) if geneval else ()),
        *(geneval2.notes if geneval2 else ()),
        *(_reward_notes(rewards) if rewards else ()),
    )


def _geneval_notes(geneval: GenevalSummary) -> Iterator[str]:
    coverage = geneval.coverage
    if coverage.suite is Suite.OTHER:
        yield "the prompts are not GenEval's own (rewritten, or of another suite): not comparable with GenEval scores"
    if coverage.shortfalls:
        yield f"incomplete sweep: {coverage.text} ({coverage.shortfalls})"
    if coverage.images_missing:
        missing, samples = _count(coverage.images_missing, "image"), _count(coverage.samples_per_prompt, "sample")
        yield f"{missing} missing: not every prompt has {samples}"
    # Of the suite whose prompts are all there: ``--limit`` is told by its prompts.
    if coverage.all_prompts and not coverage.scored.whole:
        low, high = geneval.overall_if_missing
        yield (
            f"{coverage.scored.text} images scored, less than {WHOLE:.0%}, so not ranked with complete sweeps: "
            f"overall would be {low:.4f} if the others were all wrong, {high:.4f} if all right"
        )
    if empty := [tag for tag, accuracy in geneval.tags.items() if not accuracy.images.total]:
        yield f"no overall score, as it is the mean over six tags: no scored image of {', '.join(empty)}"
    if geneval.unscored:
        yield f"{_count(geneval.unscored, 'image')} without a verdict{_commonest(geneval.unscored_reasons)}"
    if geneval.pooled.images.total and not geneval.pooled.images.correct:
        yield "no image is judged correct: a broken detector gives the same result, so check before citing"


def _reward_notes(rewards: RewardsSummary) -> Iterator[str]:
    if rewards.origin:
        yield f"rewards by {rewards.origin}: metrics under our ids{_HPSV2 if 'hpsv2.0' in rewards.metrics else ''}"
    for metric, summary in rewards.metrics.items():
        if summary.unscored:
            missing = _count(summary.unscored, "image")
            yield f"{metric}: {missing} unscored{_commonest(summary.unscored_reasons)}"


def shortened(value: str) -> str:
    """A protocol's value, cut to what tells two settings, or two hashes, apart."""
    return value if len(value) <= VALUE_WIDTH else f"{value[:VALUE_WIDTH]}…"


def _commonest(reasons: dict[str, int]) -> str:
    reason, count = next(iter(reasons.items()))
    return f" ({reason}{f', {count} times' if count > 1 else ''}{', and others' if len(reasons) > 1 else ''})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
