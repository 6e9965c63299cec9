"""What must be said beside the numbers of runs that stand in one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.summary.notes import shortened
from reports.summary.run_summary import RunSummary

NOT_RECORDED = "not recorded"
#: Names written out where several runs share a value.
NAMES_LISTED = 3


def table_notes(runs: Sequence[RunSummary]) -> tuple[str, ...]:
    """Notes on runs in one table: in what they are unlike, so that their difference is not the checkpoints' alone."""
    return (
        *_unlike_samples(runs),
        *_unlike_protocols(runs),
        *_unknown_protocols(runs),
        *_unlike_directions(runs),
    )


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


def _unlike_directions(runs: Sequence[RunSummary]) -> Iterator[str]:
    for metric in dict.fromkeys(metric for run in runs if run.rewards for metric in run.rewards.metrics):
        directions: dict[str, list[str]] = {}
        for run in runs:
            if run.rewards and metric in run.rewards.metrics and metric in run.manifest.cards:
                directions.setdefault(run.manifest.cards[metric].direction, []).append(run.name)
        if len(directions) > 1:
            yield f"runs' cards differ in {metric}: {_values(directions)}; marks go by the first run listed"


def _values(names_of: dict[str, list[str]]) -> str:
    return "; ".join(f"{shortened(value)} ({_names(names)})" for value, names in names_of.items())


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_LISTED])
    return shown if len(names) <= NAMES_LISTED else f"{shown} and {len(names) - NAMES_LISTED} more"
