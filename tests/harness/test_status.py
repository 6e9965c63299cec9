"""What is said of a task, from its own word and Slurm's."""

from __future__ import annotations

import pytest

from harness.executors.queue import QueueEntry
from harness.executors.share_state import FAILED, FINISHED, INTERRUPTED, RUNNING, ShareState
from harness.executors.status import WAITING, judge

PENDING, AT_WORK = QueueEntry("PENDING", "Priority"), QueueEntry("RUNNING", "None")


@pytest.mark.parametrize(
    ("told", "entry", "state", "why"),
    [
        (None, PENDING, WAITING, "Priority"),
        (RUNNING, PENDING, WAITING, "Priority"),  # put back into the queue when its node was lost
        (INTERRUPTED, PENDING, WAITING, "Priority"),
        (FAILED, PENDING, WAITING, "Priority"),
        (RUNNING, AT_WORK, RUNNING, ""),
        (None, AT_WORK, RUNNING, ""),
        (FINISHED, None, FINISHED, ""),
        (FINISHED, AT_WORK, FINISHED, ""),
        (FAILED, QueueEntry("FAILED", "NonZeroExitCode"), FAILED, "no weights"),
        (FAILED, QueueEntry("CANCELLED", "None"), FAILED, "no weights (Slurm: cancelled)"),
        (FAILED, None, FAILED, "no weights"),
        (RUNNING, QueueEntry("OUT_OF_MEMORY", "None"), FAILED, "ended without a word: out of memory"),
        (RUNNING, None, FAILED, "ended without a word: gone from the queue"),
        (None, QueueEntry("CANCELLED", "Dependency"), FAILED, "never started: what it waits for has failed"),
        (None, QueueEntry("CANCELLED", "None"), FAILED, "never started: cancelled"),
        (None, None, FAILED, "never started: gone from the queue"),
    ],
)
def test_slurm_knows_what_waits_and_runs_and_the_task_what_became_of_it(
    told: str | None, entry: QueueEntry | None, state: str, why: str
) -> None:
    own = ShareState(told, message="no weights" if told == FAILED else "") if told else None
    assert judge(own, entry, ask=True) == (state, why)


@pytest.mark.parametrize(
    ("told", "state"),
    [(None, WAITING), (RUNNING, RUNNING), (INTERRUPTED, RUNNING), (FINISHED, FINISHED), (FAILED, FAILED)],
)
def test_without_slurm_the_task_s_word_is_all_there_is(told: str | None, state: str) -> None:
    assert judge(ShareState(told) if told else None, None, ask=False)[0] == state
