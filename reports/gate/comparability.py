"""Whether two runs were made and judged alike, field by field: only then is their difference the checkpoints'."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reports.read.prompts import prompt_identities
from reports.read.runs import Run
from reports.summary.notes import shortened
from wire.cards import card_of
from wire.errors import UserError

#: Fields of the prompt suite: of runs over other prompts nothing can be paired, so no policy may excuse them.
SUITE = "suite."
PROTOCOL = "protocol"
ABSENT = "not recorded"


@dataclass(frozen=True)
class Unlike:
    """A field in which two runs differ.

    Attributes:
        field: e.g. ``guidance_scale`` or ``geneval.weights``; ``protocol`` where only one run records any.
        first, second: what each has, as JSON text.
    """

    field: str
    first: str
    second: str

    @property
    def text(self) -> str:
        """E.g. ``steps (50; 20)``."""
        return f"{self.field} ({shortened(self.first)}; {shortened(self.second)})"


def unlike_fields(first: Run, second: Run) -> list[Unlike]:
    """Where two runs differ: protocol, settings of the stages that both have, random weights, and prompts.

    Runs of which neither records a protocol are compared by their prompts alone.
    """
    left, right = first.manifest.protocol, second.manifest.protocol
    found = []
    if bool(left) != bool(right):
        found.append(Unlike(PROTOCOL, "recorded" if left else ABSENT, "recorded" if right else ABSENT))
    elif left:
        names = sorted(name for name in left.keys() | right.keys() if _matters(name, first, second))
        pairs = ((name, left.get(name, ABSENT), right.get(name, ABSENT)) for name in names)
        found += [Unlike(*pair) for pair in pairs if pair[1] != pair[2]]
    if first.manifest.random_weights != second.manifest.random_weights:
        marks = ("true" if run.manifest.random_weights else "false" for run in (first, second))
        found.append(Unlike("random_weights", *marks))
    found += _unlike_directions(first, second)
    if not (left.get(f"{SUITE}sha256") and right.get(f"{SUITE}sha256")):
        found += _other_prompts(first, second)
    return found


def _unlike_directions(first: Run, second: Run) -> Iterator[Unlike]:
    """Metrics of which the runs' cards say that another way is better."""
    shared = [metric for metric in _metrics(first) if metric in _metrics(second)]
    for metric in shared:
        left, right = (card_of(metric, run.manifest.cards) for run in (first, second))
        if {left.higher_is_better, right.higher_is_better} == {True, False}:
            yield Unlike(f"rewards.cards.{metric}", left.direction, right.direction)


def _metrics(run: Run) -> tuple[str, ...]:
    return run.rewards.metrics if run.rewards else ()


def require_alike(first: Run, second: Run, may_differ: Collection[str] = (), *, remedy: str) -> list[str]:
    """Refuse runs that are not alike.

    Args:
        may_differ: fields to let pass; those of the suite are never let pass.
        remedy: what the user can do, for the message.

    Returns:
        The fields that were let pass, in words.

    Raises:
        UserError: the runs differ in other fields, which the message names.
    """
    found = unlike_fields(first, second)
    refused = [unlike.text for unlike in found if unlike.field.startswith(SUITE) or unlike.field not in may_differ]
    if refused:
        raise UserError(f"{first.name} and {second.name} are not alike: {', '.join(refused)}; {remedy}")
    return [unlike.text for unlike in found]


def _matters(field: str, first: Run, second: Run) -> bool:
    """Settings of a stage matter where both runs have its rows."""
    if field.startswith("geneval."):
        return first.verdicts is not None and second.verdicts is not None
    if field.startswith("rewards."):
        return first.rewards is not None and second.rewards is not None
    return True


def _other_prompts(first: Run, second: Run) -> Iterator[Unlike]:
    """Where each has prompts that the other lacks; a part of a suite is not another suite."""
    both_judged = first.verdicts is not None and second.verdicts is not None
    left, right = (_prompts(run, tags=both_judged) for run in (first, second))
    if left - right and right - left:
        yield Unlike(
            f"{SUITE}prompts", f"{len(left)} prompts", f"{len(right)}, of which {len(right - left)} are others"
        )


def _prompts(run: Run, tags: bool) -> set[str]:
    """What prompts are recognised by: of rows of rewards, which have no tags, their texts alone."""
    frame = run.verdicts if run.verdicts is not None else run.rewards.frame if run.rewards is not None else None
    identities = set() if frame is None else set(prompt_identities(frame))
    return identities if tags else {identity.partition("\t")[2] for identity in identities}
