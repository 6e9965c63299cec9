"""What ``compare`` and ``check`` accept as a run: a run directory, a file of rows, or a saved baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reports.gate.baseline import read_baseline
from reports.read.names import told_apart
from reports.read.prompts import prompt_identities
from reports.read.runs import Run, read_run
from wire.cards import NO_CARDS, Cards

if TYPE_CHECKING:
    import pandas as pd


def read_side(path: Path, cards: Cards = NO_CARDS) -> Run:
    """Read one side of a comparison; a ``.json`` file is a baseline. ``cards`` are of metrics that are known anyway.

    Raises:
        UserError: there is nothing there, or nothing that can be read.
    """
    read = read_baseline if path.suffix == ".json" and path.is_file() else read_run
    return read(path, cards)


def read_sides(first: Path, second: Path, cards: Cards = NO_CARDS, names: Sequence[str] = ()) -> tuple[Run, Run]:
    """Both sides, under the names given or under such as tell them apart.

    Raises:
        UserError: as :func:`read_side`, or the names do not fit.
    """
    one, other = told_apart([read_side(first, cards), read_side(second, cards)], names)
    return one, other


def narrowed(baseline: Run, candidate: Run) -> tuple[Run, str]:
    """The baseline on the candidate's prompts alone, so that a candidate made with ``--limit`` is not found wanting.

    Returns:
        The smaller baseline, and a note on how much smaller it is.
    """
    verdicts, rewards = baseline.verdicts, baseline.rewards
    if verdicts is not None and candidate.verdicts is not None:
        verdicts = _common(verdicts, candidate.verdicts)
    if rewards is not None and candidate.rewards is not None:
        rewards = replace(rewards, frame=_common(rewards.frame, candidate.rewards.frame))
    smaller = replace(baseline, verdicts=verdicts, rewards=rewards)
    return smaller, f"a subset: {_prompts(smaller):,} of the baseline's {_prompts(baseline):,} prompts are compared"


def _prompts(run: Run) -> int:
    frames = [run.verdicts, run.rewards.frame if run.rewards else None]
    return max(len(set(prompt_identities(frame))) for frame in frames if frame is not None)


def _common(frame: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    wanted = set(prompt_identities(other))
    return frame[[identity in wanted for identity in prompt_identities(frame)]].reset_index(drop=True)
