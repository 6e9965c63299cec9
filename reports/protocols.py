"""Under which protocol a run was made and judged: runs are ranked only among those of one protocol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.notes import shortened

if TYPE_CHECKING:
    from reports.run_summary import RunSummary

#: A protocol: its fields as (name, value), sorted.
Protocol = tuple[tuple[str, str], ...]

NOT_RECORDED = ("protocol", "not recorded")
RANDOM = ("weights", "random")
#: Fields of the reward stage do not decide whether two GenEval scores can be compared.
_APART = "rewards."


def ranking_protocol(run: RunSummary) -> Protocol:
    """What must be equal for two GenEval scores to be ranked together."""
    fields = [(name, value) for name, value in run.manifest.protocol.items() if not name.startswith(_APART)]
    if not fields:
        fields = [NOT_RECORDED]
    if run.geneval is not None:
        fields.append(("samples per prompt", str(run.geneval.coverage.samples_per_prompt)))
    if run.manifest.random_weights:
        fields.append(RANDOM)
    return tuple(sorted(fields))


def fingerprint(run: RunSummary) -> str:
    """Twelve hex digits of a hash over everything that is recorded of a run's protocol; empty where nothing is."""
    protocol = run.manifest.protocol
    text = json.dumps(sorted(protocol.items()), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12] if protocol else ""


def labelled(runs: Sequence[RunSummary]) -> dict[Protocol, str]:
    """A short label for each protocol: P1, P2, ...; recorded ones first, then by their best score."""
    best: dict[Protocol, float] = {}
    for run in runs:
        overall = run.geneval.overall if run.geneval else None
        protocol = ranking_protocol(run)
        best[protocol] = max(best.get(protocol, 0.0), overall or 0.0)
    ordered = sorted(best, key=lambda one: (RANDOM in one, NOT_RECORDED in one, -best[one], one))
    return {protocol: f"P{number}" for number, protocol in enumerate(ordered, start=1)}


def descriptions(labels: dict[Protocol, str]) -> dict[str, str]:
    """Label -> the fields in which the protocols differ, e.g. ``guidance_scale 7.0, steps 50``; for headings."""
    names = {name for protocol in labels for name, _ in protocol}
    names = {name for name in names if len({dict(protocol).get(name) for protocol in labels}) > 1}
    return {
        label: ", ".join(f"{name} {shortened(value)}" for name, value in protocol if name in names)
        for protocol, label in labels.items()
    }
