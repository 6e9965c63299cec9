"""Under which protocol a run was made and judged: runs are ranked only among those of one, and a note says the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.summary.notes import shortened
from wire.cards import card_of
from wire.errors import UserError
from wire.grouping import grouped

if TYPE_CHECKING:
    from reports.summary.run_summary import RunSummary

#: A protocol: its fields as (name, value), sorted.
Protocol = tuple[tuple[str, str], ...]

NOT_RECORDED = ("protocol", "not recorded")
RANDOM = ("weights", "random")
#: Fields of the reward stage do not decide whether two GenEval scores can be compared; those of GenEval 2 come from it.
_APART = "rewards."
_APART_FROM_GENEVAL2 = "geneval."
#: Names written out in a note where several runs share a value.
_NAMES_LISTED = 3


@dataclass(frozen=True)
class Labels:
    """A short label for each protocol in a table: P1, P2, ..."""

    names: dict[Protocol, str]  #: protocol -> label, in the order in which they are listed
    across: tuple[str, ...] = ()  #: fields that do not part ranks, because the table is about them

    def of(self, run: RunSummary) -> str:
        """The label of a run's protocol."""
        return self.names[ranking_protocol(run, self.across)]

    def place(self, run: RunSummary) -> int:
        """Where a run's protocol stands in the order."""
        return list(self.names).index(ranking_protocol(run, self.across))


def ranking_protocol(run: RunSummary, across: Sequence[str] = ()) -> Protocol:
    """What must be equal for two GenEval scores, or two of GenEval 2, to be ranked together, and means to be marked.

    Fields of ``across`` may differ; ``reward_targets`` stands for ``reward_targets.aesthetic_score`` too.
    """
    recorded = run.manifest.protocol.items()
    apart = _APART if run.geneval2 is None else _APART_FROM_GENEVAL2
    fields = [(name, value) for name, value in recorded if not name.startswith(apart) and not _within(name, across)]
    if not fields:
        fields = [NOT_RECORDED]
    if run.geneval is not None:
        fields.append(("samples per prompt", str(run.geneval.coverage.samples_per_prompt)))
    elif run.geneval2 is not None:
        fields.append(("samples per prompt", str(run.geneval2.samples_per_prompt)))
    elif run.rewards:
        if "suite.sha256" not in run.manifest.protocol:
            fields.append(("prompts", run.prompts_digest[:12]))  # means over other prompts are not to be compared
        if any(card_of(metric, run.manifest.cards).over_samples for metric in run.rewards.metrics):
            fields.append(("samples per prompt", str(run.rewards.samples_per_prompt)))  # such values depend on it
    if run.manifest.random_weights:
        fields.append(RANDOM)
    return tuple(sorted(fields))


def fingerprint(run: RunSummary) -> str:
    """Twelve hex digits of a hash over everything that is recorded of a run's protocol; empty where nothing is."""
    protocol = run.manifest.protocol
    text = json.dumps(sorted(protocol.items()), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12] if protocol else ""


def labelled(runs: Sequence[RunSummary], across: Sequence[str] = ()) -> Labels:
    """Label the protocols of runs; recorded ones come first, then by their best score.
    Raises UserError: a field of ``across`` is none that these runs have.
    """
    known = {name for run in runs for name in run.manifest.protocol if not name.startswith(_APART)}
    for field in across:
        if not any(_within(name, [field]) for name in known):
            allowed = sorted(known | {name.rpartition(".")[0] for name in known if "." in name}) or ["none recorded"]
            raise UserError(f"--across {field}: no field of these runs' protocols; they have {', '.join(allowed)}")
    best: dict[Protocol, float] = {}
    for run in runs:
        protocol = ranking_protocol(run, across)
        best[protocol] = max(best.get(protocol, 0.0), run.headline or 0.0)
    ordered = sorted(best, key=lambda one: (RANDOM in one, NOT_RECORDED in one, -best[one], one))
    return Labels({protocol: f"P{number}" for number, protocol in enumerate(ordered, start=1)}, tuple(across))


def _within(name: str, fields: Sequence[str]) -> bool:
    return any(name == field or name.startswith(f"{field}.") for field in fields)


def descriptions(labels: Labels) -> dict[str, str]:
    """Label -> the fields in which the protocols differ, e.g. ``guidance_scale 7.0, steps 50``; for headings."""
    names = {name for protocol in labels.names for name, _ in protocol}
    names = {name for name in names if len({dict(protocol).get(name) for protocol in labels.names}) > 1}
    return {
        label: ", ".join(f"{name} {shortened(value)}" for name, value in protocol if name in names)
        for protocol, label in labels.names.items()
    }


def table_notes(runs: Sequence[RunSummary]) -> Iterator[str]:
    """Notes on runs in one table: in what they are unlike, so that their difference is not the checkpoints' alone."""
    judged = ((run, run.geneval) for run in runs if run.geneval is not None)
    samples = grouped((str(summary.coverage.samples_per_prompt), run.name) for run, summary in judged)
    if len(samples) > 1:
        yield f"runs differ in samples per prompt: {_values(samples)}"
    known = [run for run in runs if run.manifest.protocol]
    for field in sorted({field for run in known for field in run.manifest.protocol}):
        values = grouped((run.manifest.protocol.get(field, NOT_RECORDED[1]), run.name) for run in known)
        if len(values) > 1:
            yield f"runs differ in {field}: {_values(values)}"
    unknown = [run.name for run in runs if not run.manifest.protocol]
    if unknown and len(runs) > 1:
        yield f"no protocol is recorded (seed, sampler, precision, ...) for {_names(unknown)}"
    for metric in dict.fromkeys(metric for run in runs if run.rewards for metric in run.rewards.metrics):
        scored = [run for run in runs if run.rewards and metric in run.rewards.metrics]
        carded = [run for run in scored if metric in run.manifest.cards]
        directions = grouped((run.manifest.cards[metric].direction, run.name) for run in carded)
        if len(directions) > 1:
            yield f"runs' cards differ in {metric}: {_values(directions)}; marks go by the first run listed"


def prompts_note(runs: Sequence[RunSummary]) -> Iterator[str]:
    """A note where runs rest on unequally many prompts, for what shows scores without counts."""
    counts = grouped((f"{run.prompts:,}", run.name) for run in runs)
    if len(counts) > 1:
        yield f"runs differ in prompts: {_values(counts)}"


def _values(names_of: dict[str, list[str]]) -> str:
    return "; ".join(f"{shortened(value)} ({_names(names)})" for value, names in names_of.items())


def _names(names: list[str]) -> str:
    more = len(names) - _NAMES_LISTED
    return ", ".join(names[:_NAMES_LISTED]) + (f" and {more} more" if more > 0 else "")
