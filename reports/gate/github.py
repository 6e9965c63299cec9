"""What GitHub Actions shows of a verdict: the job's summary, and annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from reports.gate.check import Gate
from reports.gate.decision import Outcome
from reports.leaderboard.markdown import visible
from wire.errors import UserError


def workflow_commands(gate: Gate) -> Iterator[str]:
    """Workflow commands: an error for each metric that the gate fails by, a warning for each that cannot be told."""
    for one in gate.judgements:
        kind = "error" if one.fails else "warning" if one.outcome is Outcome.CANNOT_TELL else None
        if kind:
            title = _escape(f"miro-eval gate: {one.metric} {one.outcome.value}").replace(":", "%3A").replace(",", "%2C")
            yield f"::{kind} title={title}::{_escape(one.text)}"


def add_to_summary(markdown: str, environment: Mapping[str, str]) -> None:
    """Append to the file that ``GITHUB_STEP_SUMMARY`` names, if it does.

    Raises:
        UserError: the file cannot be written.
    """
    path = environment.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as summary:
            summary.write(markdown)
    except OSError as error:
        raise UserError(f"GITHUB_STEP_SUMMARY: {path}: cannot be written ({error.strerror})") from error


def _escape(text: str) -> str:
    """As the runner unescapes it: percent signs and line ends; of other control characters nothing is left."""
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
