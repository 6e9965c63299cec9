"""How far a submitted run is: Slurm's word on what waits and runs, the tasks' own on everything else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.executors import queue
from harness.executors.sharding import Share
from harness.executors.share_state import FAILED, FINISHED, INTERRUPTED, RUNNING, ShareState, read_state, state_file
from harness.executors.submission import Submission, job_log, merge_state_file
from harness.run.directory import RunDirectory
from harness.workers.processes import last_lines
from wire.errors import EnvironmentFailure

WAITING = "waiting"
#: In the order in which counts are shown.
STATES = (FINISHED, RUNNING, WAITING, FAILED)
#: Lines of a failed task's log that are shown.
TAIL = 8


@dataclass(frozen=True)
class TaskStatus:
    """One task now.

    Attributes:
        stage: or ``merge``.
        share: None for the merge.
        job: Slurm's id of it.
        state: one of :data:`STATES`.
        done, total: rows of the share; both 0 before the task has looked.
        log: its log file, if it got as far as to have one.
    """

    stage: str
    share: Share | None
    job: str
    state: str
    why: str = ""
    done: int = 0
    total: int = 0
    log: Path | None = None
    tail: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The task in a user's words, e.g. ``rewards shard 3 of 16``."""
        return f"{self.stage} shard {self.share.index} of {self.share.count}" if self.share else self.stage


def run_status(run: RunDirectory, submission: Submission) -> tuple[list[TaskStatus], str | None]:
    """Every task of a submission, and why Slurm could not be asked (None if it could)."""
    try:
        known, trouble = queue.entries(submission.job_ids()), None
    except EnvironmentFailure as error:
        known, trouble = {}, str(error)
    places = [(stage, share, job, state_file(run, stage, share)) for stage, share, job in submission.tasks()]
    merge = [("merge", None, submission.merge, merge_state_file(run))] if submission.merge else []
    everything = [*places, *merge]
    return [_task(run, place, known, ask=trouble is None) for place in everything], trouble


def _task(
    run: RunDirectory,
    place: tuple[str, Share | None, str, Path],
    known: dict[str, queue.QueueEntry],
    *,
    ask: bool,
) -> TaskStatus:
    stage, share, job, path = place
    told, entry = read_state(path), known.get(job)
    state, why = judge(told, entry, ask=ask) if job else _local(told, run)
    log = run.log(share.of(stage) if share else stage)
    explained = share is None and told is not None and bool(told.message)  # the merge runs no program of its own
    tail, where = _tail(run, job, log) if state == FAILED and not explained else ((), None)
    done, total = (told.done, told.total) if told else (0, 0)
    return TaskStatus(stage, share, job, state, why, done, total, where, tail)


def judge(told: ShareState | None, entry: queue.QueueEntry | None, *, ask: bool) -> tuple[str, str]:
    """(state, why) from the task's own word and Slurm's."""
    if told is not None and told.state == FINISHED:
        return FINISHED, ""
    if entry is not None and entry.active:
        return (WAITING, entry.reason) if entry.waiting else (RUNNING, "")
    if told is not None and told.state == FAILED:
        killed = entry is not None and entry.state not in ("FAILED", "COMPLETED")
        return FAILED, told.message + (f" (Slurm: {_lower(entry)})" if killed else "")
    if not ask:
        return (RUNNING, "by its own word") if told and told.state in (RUNNING, INTERRUPTED) else (WAITING, "unknown")
    return FAILED, _why_lost(told, entry)


def _local(told: ShareState | None, run: RunDirectory) -> tuple[str, str]:
    """Of work on this machine nobody knows but itself, and whether its command is still there."""
    if told is None:
        return WAITING, "not begun"
    if told.state == RUNNING and not run.is_held():
        return FAILED, "ended without a word: its command is gone"
    return (told.state, told.message) if told.state in STATES else (WAITING, told.state)


def _why_lost(told: ShareState | None, entry: queue.QueueEntry | None) -> str:
    """A task that is not in the queue any more and did not say that it ended."""
    word = _lower(entry)
    if told is None:
        held_back = entry is not None and entry.state == "CANCELLED" and "Dependency" in entry.reason
        return "never started: what it waits for has failed" if held_back else f"never started: {word}"
    return f"ended without a word: {word}"


def _lower(entry: queue.QueueEntry | None) -> str:
    return entry.state.lower().replace("_", " ") if entry is not None else "gone from the queue"


def _tail(run: RunDirectory, job: str, log: Path) -> tuple[tuple[str, ...], Path | None]:
    """The last lines of the worker's log, or of the job's where the worker has none."""
    job_said = job_log(run, job)
    lines = last_lines(job_said, TAIL) if job_said else []
    if log.is_file():
        cut = re.compile(r"CANCELLED|oom|Killed|error:", re.IGNORECASE)
        ends = [line for line in lines if cut.search(line) and "slurmstepd" in line]
        return (*last_lines(log, TAIL), *ends), log
    return tuple(lines), job_said
