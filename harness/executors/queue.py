"""Ask Slurm about jobs, and take them back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from wire.errors import EnvironmentFailure, UserError

#: Slurm's words for a task that will still do something.
ACTIVE = frozenset(
    ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "REQUEUED", "RESIZING", "SUSPENDED", "SIGNALING", "STAGE_OUT")
) | {"REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "STOPPED"}
#: A job's id, or a task's of an array; more digits than Slurm ever gives.
_ID = re.compile(r"[0-9]{1,12}(_[0-9]{1,7})?")
_WAITING = frozenset(("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"))


@dataclass(frozen=True)
class QueueEntry:
    """What Slurm says of a task: its state, e.g. ``PENDING`` or ``NODE_FAIL``, and why it waits, e.g. ``Priority``."""

    state: str
    reason: str

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE

    @property
    def waiting(self) -> bool:
        """Whether it has not begun, or is to begin again."""
        return self.state in _WAITING


def require(*programs: str) -> None:
    """Make sure that Slurm's clients are here.

    Raises:
        EnvironmentFailure: they are not.
    """
    if absent := [program for program in programs if shutil.which(program) is None]:
        raise EnvironmentFailure(
            f"{', '.join(absent)} not found: --executor slurm works where Slurm's commands are, e.g. on a login node"
        )


def is_id(text: object) -> bool:
    """Whether this is what Slurm calls a job or a task, and nothing that its commands would take for an option."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def _ids(jobs: Sequence[str]) -> list[str]:
    if odd := next((job for job in jobs if not is_id(job)), None):
        raise UserError(f"{ascii(odd)[:60]} is no job id of Slurm's")
    return list(jobs)


def entries(jobs: Sequence[str]) -> dict[str, QueueEntry]:
    """What Slurm still knows of jobs, by task id (``123_4``); it forgets ended ones after some minutes.

    Raises:
        UserError: an id is none.
        EnvironmentFailure: Slurm is not here or does not answer.
    """
    if not jobs:
        return {}
    require("squeue")
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r", f"--jobs={','.join(_ids(jobs))}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        if "Invalid job id" in answer.stderr:  # all of them are forgotten
            return {}
        raise EnvironmentFailure(f"Slurm does not answer: {answer.stderr.strip() or 'squeue failed'}")
    rows = [line.strip().split("|", 2) for line in answer.stdout.splitlines() if line.count("|") >= 2]
    return {job: QueueEntry(state, reason) for job, state, reason in rows}


def cancel(jobs: Sequence[str]) -> None:
    """Take jobs out of the queue and end those that run.

    Raises:
        UserError: an id is none.
        EnvironmentFailure: Slurm is not here or does not answer.
    """
    require("scancel")
    answer = subprocess.run(["scancel", *_ids(jobs)], capture_output=True, text=True, check=False)
    if answer.returncode != 0 and "Invalid job id" not in answer.stderr:
        raise EnvironmentFailure(f"Slurm did not cancel: {answer.stderr.strip()}")


def job_id() -> str:
    """What Slurm calls the task that this process is: ``123_4``, or ``123`` outside an array; empty outside Slurm."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")
