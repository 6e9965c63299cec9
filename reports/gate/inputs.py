"""What ``compare`` and ``check`` take as a run, and whether two runs were made and judged alike, field by field.

Only where they were is their difference the checkpoints'.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reports.gate.baseline import read_baseline
from reports.read.names import told_apart
from reports.read.prompts import prompt_identities
from reports.read.runs import Run, read_run
from reports.read.selection import Selection, select
from reports.summary.notes import shortened
from wire.cards import NO_CARDS, Cards, card_of
from wire.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

#: Fields of the prompt suite: of runs over other prompts nothing can be paired, so no policy may excuse them.
SUITE = "suite."
ABSENT = "not recorded"


def read_side(path: Path, cards: Cards = NO_CARDS) -> Run:
    """Read a run directory, a file of rows, or a saved baseline, which is a ``.json`` file.

    Raises:
        UserError: there is nothing there, or nothing that can be read.
    """
    read = read_baseline if path.suffix == ".json" and path.is_file() else read_run
    return read(path, cards)


def read_sides(
    first: Path,
    second: Path,
    cards: Cards = NO_CARDS,
    names: Sequence[str] = (),
    selection: Selection | None = None,
) -> tuple[Run, Run]:
    """Both sides, under the names given or under such as tell them apart; of their best images alone by a selection.

    Raises:
        UserError: as :func:`read_side`, the names do not fit, or a side cannot be selected from.
    """
    one, other = told_apart([read_side(first, cards), read_side(second, cards)], names)
    return (select(one, selection), select(other, selection)) if selection else (one, other)


def narrowed(baseline: Run, candidate: Run) -> tuple[Run, str]:
    """The baseline on the candidate's prompts alone, for one made with ``--limit``, and a note on how much that is."""
    verdicts, rewards = baseline.verdicts, baseline.rewards
    if verdicts is not None and candidate.verdicts is not None:
        verdicts = _common(verdicts, candidate.verdicts)
    if rewards is not None and candidate.rewards is not None:
        rewards = replace(rewards, frame=_common(rewards.frame, candidate.rewards.frame))
    smaller = replace(baseline, verdicts=verdicts, rewards=rewards)
    counts = (max(len(set(prompt_identities(frame))) for frame in frames_of(run)) for run in (smaller, baseline))
    return smaller, "a subset: {:,} of the baseline's {:,} prompts are compared".format(*counts)


def _common(frame: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    wanted = set(prompt_identities(other))
    return frame[[identity in wanted for identity in prompt_identities(frame)]].reset_index(drop=True)


def frames_of(run: Run) -> list[pd.DataFrame]:
    """Tables of the stages that a run has, that of verdicts first."""
    frames = (run.verdicts, run.rewards.frame if run.rewards else None)
    return [frame for frame in frames if frame is not None]


@dataclass(frozen=True)
class Unlike:
    """A field in which two runs differ, e.g. ``guidance_scale``, and what each has, as JSON text.

    The field is ``protocol`` where only one run records any.
    """

    field: str
    first: str
    second: str

    @property
    def text(self) -> str:
        """E.g. ``steps (50; 20)``."""
        return f"{self.field} ({shortened(self.first)}; {shortened(self.second)})"


def require_alike(first: Run, second: Run, may_differ: Collection[str] = (), *, remedy: str) -> list[str]:
    """Refuse runs that differ in other fields than such as may; returns notes on those.

    Args:
        may_differ: fields to let pass; those of the suite are never let pass.
        remedy: what the user can do, for the message.

    Raises:
        UserError: they do; the message names the fields.
    """
    found = unlike_fields(first, second)
    refused = [unlike.text for unlike in found if unlike.field.startswith(SUITE) or unlike.field not in may_differ]
    if refused:
        raise UserError(f"{first.name} and {second.name} are not alike: {', '.join(refused)}; {remedy}")
    return [f"allowed by the policy: {unlike.text}" for unlike in found]


def unlike_fields(first: Run, second: Run) -> list[Unlike]:
    """Where two runs differ: protocol, settings of the stages that both have, random weights, and prompts."""
    left, right = first.manifest.protocol, second.manifest.protocol
    found = []
    if bool(left) != bool(right):
        found.append(Unlike("protocol", "recorded" if left else ABSENT, "recorded" if right else ABSENT))
    else:
        names = sorted(name for name in left.keys() | right.keys() if _matters(name, first, second))
        fields = (Unlike(name, left.get(name, ABSENT), right.get(name, ABSENT)) for name in names)
        found += [field for field in fields if field.first != field.second]
    if first.manifest.random_weights != second.manifest.random_weights:
        marks = ("true" if run.manifest.random_weights else "false" for run in (first, second))
        found.append(Unlike("random_weights", *marks))
    found += _unlike_directions(first, second)
    if not (left.get(f"{SUITE}sha256") and right.get(f"{SUITE}sha256")):
        found += _other_prompts(first, second)
    return found


def _matters(field: str, first: Run, second: Run) -> bool:
    """Settings of a stage matter where both runs have its rows."""
    if field.startswith("geneval."):
        return first.verdicts is not None and second.verdicts is not None
    if field.startswith("rewards."):
        return first.rewards is not None and second.rewards is not None
    return True


def _unlike_directions(first: Run, second: Run) -> Iterator[Unlike]:
    """Metrics of which the runs' cards say that another way is better."""
    ours, theirs = (run.rewards.metrics if run.rewards else () for run in (first, second))
    for metric in ours:
        left, right = (card_of(metric, run.manifest.cards) for run in (first, second))
        if metric in theirs and {left.higher_is_better, right.higher_is_better} == {True, False}:
            yield Unlike(f"rewards.cards.{metric}", left.direction, right.direction)


def _other_prompts(first: Run, second: Run) -> Iterator[Unlike]:
    """Where each has prompts that the other lacks; a part of a suite is not another suite.

    Rows of rewards have no tags: where a run has nothing else, a prompt is its text alone.
    """
    tags = first.verdicts is not None and second.verdicts is not None
    left, right = (
        {one if tags else one.partition("\t")[2] for frame in frames_of(run)[:1] for one in prompt_identities(frame)}
        for run in (first, second)
    )
    if left - right and right - left:
        yield Unlike(
            f"{SUITE}prompts", f"{len(left)} prompts", f"{len(right)}, of which {len(right - left)} are others"
        )
