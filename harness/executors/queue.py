"""Slurm's commands: ask about jobs of ours, and take them back. Each has an end, whatever the controller does.

Jobs are ours by a token in their comment. Numbers say little: every cluster begins at 1, and a record of jobs may come
from elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wire.errors import EnvironmentFailure

#: Seconds in which a command must have answered; a busy controller takes some tens of them.
TIMEOUT = 60.0
#: And ``sbatch``, which by itself tries again and again where the controller is busy.
SUBMIT_TIMEOUT = 300.0
#: Slurm's words for a task that has not begun, or is to begin again.
_WAITING = frozenset(("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"))
#: And for one that will still do something.
ACTIVE = _WAITING | {"RUNNING", "COMPLETING", "RESIZING", "SUSPENDED", "SIGNALING", "STAGE_OUT", "STOPPED"}
#: What stands before the token in a comment.
_MARK = "miro-eval:"


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
    """Make sure that Slurm's clients are here. Raises EnvironmentFailure: they are not."""
    if absent := [program for program in programs if shutil.which(program) is None]:
        raise EnvironmentFailure(
            f"{', '.join(absent)} not found: --executor slurm works where Slurm's commands are, e.g. on a login node"
        )


def _ask(*command: str, timeout: float | None = None, failure: str = "Slurm does not answer") -> str:
    """What a command of Slurm's answers. The user's own defaults, which hide jobs, do not count.
    Raises EnvironmentFailure: it is not here, gives no answer in ``timeout`` seconds (:data:`TIMEOUT`), or fails.
    """
    require(command[0])
    timeout = TIMEOUT if timeout is None else timeout
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SQUEUE_", "SCANCEL_"))}
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=kept, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailure(f"Slurm does not answer: {command[0]} took more than {timeout:g} s") from None
    if answer.returncode != 0:
        said = " ".join(answer.stderr.decode(errors="replace").split())[:300]
        raise EnvironmentFailure(f"{failure}: {said or f'{command[0]} failed'}")
    return answer.stdout.decode(errors="replace")


def cluster() -> str:
    """The name of the cluster that the commands here are for; raises as all that ask."""
    found = re.search(r"^ClusterName\s*=\s*(\S+)", _ask("scontrol", "show", "config"), re.MULTILINE)
    if found is None:
        raise EnvironmentFailure("Slurm does not answer: scontrol names no cluster")
    return found[1]


def submit(script: Path) -> str:
    """Hand a job script over; returns the job's id. Whatever is raised, as by all that ask, the job may be queued."""
    answer = _ask("sbatch", str(script), timeout=SUBMIT_TIMEOUT, failure="Slurm refused a job")
    if found := re.search(r"job ([0-9]{1,12})\b", answer):
        return found[1]
    raise EnvironmentFailure(f"Slurm refused a job: sbatch said {answer[:200]!a}, and no job's number")


def comment(token: str, words: str = "") -> str:
    """A job's comment: the user's words, and the token."""
    return f"{words} {_MARK}{token}".lstrip()


def entries(token: str) -> dict[str, QueueEntry]:
    """The user's tasks with this token, by id (``123_4``, or ``123`` outside an array).

    Slurm forgets ended ones after some minutes. Raises as all that ask.
    """
    form = "--format=%i|%T|%r|%k"
    answer = _ask("squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", form)
    rows = [line.strip().split("|", 3) for line in answer.splitlines() if line.count("|") >= 3]
    return {job: QueueEntry(state, reason) for job, state, reason, said in rows if f"{_MARK}{token}" in said.split()}


def cancel(token: str, submitted: Iterable[str] = ()) -> int:
    """End all jobs with this token; returns how many of their tasks waited or ran. Raises as all that ask.
    ``submitted``: ids that ``sbatch`` has given this very process: they are ended whatever their comment.
    """
    active = [job for job, entry in entries(token).items() if entry.active]
    if jobs := dict.fromkeys([*(job.partition("_")[0] for job in active), *submitted]):
        _ask("scancel", *jobs)
    return len(active)


def job_id() -> str:
    """What Slurm calls the task that this process is: ``123_4``, or ``123`` outside an array; empty outside Slurm."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")
