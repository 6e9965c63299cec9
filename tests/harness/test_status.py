"""What is said of a task, from its own word and Slurm's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.jobs import open_submission
from harness.executors.queue import QueueEntry
from harness.executors.sharding import Share
from harness.executors.share_state import FAILED, FINISHED, INTERRUPTED, RUNNING, ShareState, state_file
from harness.executors.status import WAITING, judge, run_status
from harness.executors.submission import Submission
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from wire.errors import UserError

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
        (RUNNING, QueueEntry("OUT_OF_MEMORY", "None"), FAILED, "ended without a message: out of memory"),
        (RUNNING, None, FAILED, "ended without a message: gone from the queue"),
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


def test_work_on_this_machine_runs_as_long_as_its_command_does(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.locked():
        submission = Submission(3, {"geneval": {0: "", 1: "", 2: ""}})
        run.work("shards").mkdir()
        for index, state in enumerate((RUNNING, INTERRUPTED)):
            ShareState(state).write(state_file(run, "geneval", Share(index, 3)))
        assert [task.state for task in run_status(run, submission)[0]] == [RUNNING, WAITING, WAITING]
    tasks, _ = run_status(run, submission)
    assert [task.state for task in tasks] == [FAILED, WAITING, WAITING]
    assert tasks[0].why == "ended without a message: its command is gone"


@pytest.mark.parametrize(
    ("told", "state"),
    [(None, WAITING), (RUNNING, RUNNING), (INTERRUPTED, RUNNING), (FINISHED, FINISHED), (FAILED, FAILED)],
)
def test_without_slurm_the_task_s_word_is_all_there_is(told: str | None, state: str) -> None:
    assert judge(ShareState(told) if told else None, None, ask=False)[0] == state


def test_a_folder_without_a_run_or_jobs_is_not_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone: no such run directory"):
        open_submission(tmp_path / "gone")
    with pytest.raises(UserError, match=r"there is no run\.json in it"):
        open_submission(tmp_path)
    Manifest("x").write(tmp_path / "run.json")
    with pytest.raises(UserError, match="no jobs are recorded for it"):
        open_submission(tmp_path)
