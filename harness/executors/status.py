"""How far a submitted run is: Slurm's word on what waits and runs, the tasks' own on everything else."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from harness.executors import queue
from harness.executors.sharding import Share
from harness.executors.share_state import FAILED, FINISHED, INTERRUPTED, RUNNING, ShareState, read_state, state_file
from harness.executors.submission import Submission, job_log, merge_state_file, stage_of
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.workers.processes import last_lines
from wire.errors import EnvironmentFailure, UserError

WAITING = "waiting"
#: In the order in which counts are shown.
STATES = (FINISHED, RUNNING, WAITING, FAILED)
#: Lines of a failed task's log that are shown.
TAIL = 8


@dataclass(frozen=True)
class TaskStatus:
    """One task now."""

    stage: str  #: or ``merge``
    share: Share | None  #: None for the merge
    job: str  #: Slurm's id of it
    state: str  #: one of :data:`STATES`
    why: str = ""
    #: done, total: rows of the share; both 0 before the task has looked.
    done: int = 0
    total: int = 0
    log: Path | None = None  #: its log file, if it got as far as to have one
    tail: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The task in a user's words, e.g. ``rewards shard 3 of 16``."""
        return f"{self.stage} shard {self.share.index} of {self.share.count}" if self.share else self.stage


def run_status(run: RunDirectory, submission: Submission) -> tuple[list[TaskStatus], str | None]:
    """Every task of a submission, and a line where that is not all there is to say.
    Raises UserError: submitting was cut short, and nothing of it is left.
    """
    known: dict[str, queue.QueueEntry] | None = None
    note = None
    try:
        known = submission.entries()
        active = sum(entry.active for entry in known.values())
        if submission.token and not submission.merge:
            note = f"submission was interrupted; `miro-eval jobs cancel` ends the {active} tasks that wait or run"
            if not active:
                raise UserError(f"{run.path}: submission was interrupted: give the command again")
    except EnvironmentFailure as error:
        note = f"Slurm cannot be asked, this is what the tasks themselves have written ({error})"
    places = [(stage, share, job, state_file(run, stage, share)) for stage, share, job in submission.tasks()]
    merge = [("merge", None, submission.merge, merge_state_file(run))] if submission.merge else []
    tasks = [_task(run, place, known) for place in [*places, *merge]]
    return _finished_since(run, tasks), note


def _finished_since(run: RunDirectory, tasks: list[TaskStatus]) -> list[TaskStatus]:
    """What a task has failed at may have been done by a later command: then ``run.json`` calls its stage finished."""
    if all(task.state != FAILED for task in tasks):
        return tasks
    manifest = Manifest.read(run.manifest)
    whole = {name for name, record in manifest.stages.items() if record.finished} if manifest else set()
    if whole.issuperset(stage_of(task.stage) for task in tasks if task.share):
        whole.add("merge")
    return [
        replace(one, state=FINISHED) if one.state == FAILED and stage_of(one.stage) in whole else one for one in tasks
    ]


def _task(
    run: RunDirectory, place: tuple[str, Share | None, str, Path], known: dict[str, queue.QueueEntry] | None
) -> TaskStatus:
    stage, share, job, path = place
    told, entry = read_state(path), (known or {}).get(job)
    state, why = judge(told, entry, ask=known is not None) if job else _local(told, run)
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
    held_back = entry is not None and entry.state == "CANCELLED" and "Dependency" in entry.reason
    if told is None:
        return FAILED, f"never started: {'what it waits for has failed' if held_back else _lower(entry)}"
    return FAILED, f"ended without a message: {_lower(entry)}"


def _local(told: ShareState | None, run: RunDirectory) -> tuple[str, str]:
    """Of work on this machine nobody knows but itself, and whether its command is still there."""
    if told is None:
        return WAITING, "not begun"
    if told.state == RUNNING and not run.is_held():
        return FAILED, "ended without a message: its command is gone"
    return (told.state, told.message) if told.state in STATES else (WAITING, told.state)


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
