"""What must be said beside the numbers: of one run, and of runs that stand in one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reports.coverage import Coverage, Suite

if TYPE_CHECKING:
    from reports.geneval_summary import GenevalSummary
    from reports.rewards_summary import RewardsSummary
    from reports.run_summary import RunSummary

NOT_RECORDED = "not recorded"
RANDOM_WEIGHTS = "random weights: the scores mean nothing"
#: Names written out where several runs share a value.
NAMES_LISTED = 3
#: Letters of a protocol's value that are shown: enough to tell two settings, or two hashes, apart.
VALUE_WIDTH = 40


def run_notes(random_weights: bool, geneval: GenevalSummary | None, rewards: RewardsSummary | None) -> tuple[str, ...]:
    """Notes on one run, the gravest first; empty where there is nothing to say."""
    notes: list[str] = [RANDOM_WEIGHTS] if random_weights else []
    if geneval is not None:
        notes += _suite_notes(geneval.coverage)
        notes += _verdict_notes(geneval)
    if rewards is not None:
        notes += _reward_notes(rewards)
    return tuple(notes)


def _suite_notes(coverage: Coverage) -> Iterator[str]:
    if coverage.suite is Suite.OTHER:
        yield "the prompts are not GenEval's own (rewritten, or of another suite): not comparable with GenEval scores"
    if coverage.shortfalls:
        yield f"incomplete sweep: {coverage.text} ({coverage.shortfalls})"
    if coverage.images_missing:
        yield (
            f"{_count(coverage.images_missing, 'image')} missing: "
            f"not every prompt has {_count(coverage.samples_per_prompt, 'sample')}"
        )


def _verdict_notes(geneval: GenevalSummary) -> Iterator[str]:
    empty = [tag for tag, accuracy in geneval.tags.items() if not accuracy.images.total]
    if empty:
        yield f"no overall score, as it is the mean over six tags: no scored image of {', '.join(empty)}"
    if geneval.unscored:
        yield f"{_count(geneval.unscored, 'image')} without a verdict{_commonest(geneval.unscored_reasons)}"
    if geneval.pooled.images.total and not geneval.pooled.images.correct:
        yield "not one image is judged correct: a broken detector gives this too, so check before citing"


def _reward_notes(rewards: RewardsSummary) -> Iterator[str]:
    for metric, summary in rewards.metrics.items():
        if summary.unscored:
            missing = _count(summary.unscored, "image")
            yield f"{metric}: {missing} unscored{_commonest(summary.unscored_reasons)}"


def table_notes(runs: Sequence[RunSummary]) -> tuple[str, ...]:
    """Notes on runs in one table: in what they are unlike, so that their difference is not the checkpoints' alone."""
    return (*_unlike_samples(runs), *_unlike_protocols(runs), *_unknown_protocols(runs))


def _unlike_samples(runs: Sequence[RunSummary]) -> Iterator[str]:
    samples: dict[str, list[str]] = {}
    for run in runs:
        if run.geneval is not None:
            samples.setdefault(str(run.geneval.coverage.samples_per_prompt), []).append(run.name)
    if len(samples) > 1:
        yield f"runs differ in samples per prompt: {_values(samples)}"


def _unlike_protocols(runs: Sequence[RunSummary]) -> Iterator[str]:
    known = [run for run in runs if run.manifest.protocol]
    for field in sorted({field for run in known for field in run.manifest.protocol}):
        values: dict[str, list[str]] = {}
        for run in known:
            values.setdefault(run.manifest.protocol.get(field, NOT_RECORDED), []).append(run.name)
        if len(values) > 1:
            yield f"runs differ in {field}: {_values(values)}"


def _unknown_protocols(runs: Sequence[RunSummary]) -> Iterator[str]:
    unknown = [run.name for run in runs if not run.manifest.protocol]
    if unknown and len(runs) > 1:
        yield f"no protocol is recorded (seed, sampler, precision, ...) for {_names(unknown)}"


def _values(names_of: dict[str, list[str]]) -> str:
    return "; ".join(f"{shortened(value)} ({_names(names)})" for value, names in names_of.items())


def shortened(value: str) -> str:
    """A protocol's value, cut to what tells two settings, or two hashes, apart."""
    return value if len(value) <= VALUE_WIDTH else f"{value[:VALUE_WIDTH]}…"


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_LISTED])
    return shown if len(names) <= NAMES_LISTED else f"{shown} and {len(names) - NAMES_LISTED} more"


def _commonest(reasons: dict[str, int]) -> str:
    reason, count = next(iter(reasons.items()))
    return f" ({reason}{f', {count} times' if count > 1 else ''}{', and others' if len(reasons) > 1 else ''})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
