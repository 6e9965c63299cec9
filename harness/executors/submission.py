"""Which shares of a run are worked on, and as which jobs: in ``work/submission.json``, for status and merge."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.executors import queue, sbatch
from harness.executors.sharding import MAX_SHARDS, Share
from harness.executors.share_state import FINISHED, ShareState, read_state, state_file
from harness.run.directory import RunDirectory
from harness.stages.registry import STAGES
from wire.errors import EnvironmentFailure, UserError
from wire.files import write_atomically
from wire.paths import home
from wire.row_files import unique_keys
from wire.untrusted import read_small


@dataclass
class Submission:
    """What the latest command that had work in a run began there.

    Attributes:
        shards: into how many shares the run is cut.
        stages: by stage, in order: job id by index of the share. Shares that lack nothing are not there; the names
            may be somebody else's words and become names of files, so they are looked at when they are read.
        merge: id of the job that comes last.
    """

    shards: int
    stages: dict[str, dict[int, str]] = field(default_factory=dict)
    merge: str = ""

    @classmethod
    def read(cls, run: RunDirectory) -> Submission | None:
        """The latest submission; None where there was none.

        Raises:
            UserError: its file is not one of ours; ids in it are arguments of Slurm's commands, so all are looked at.
        """
        path = submission_file(run)
        try:
            return _submission(json.loads(read_small(path), object_pairs_hook=unique_keys))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path}: not a readable record of jobs ({_one_line(error)}); if none of them waits or runs, remove it"
            ) from error

    def write(self, run: RunDirectory) -> None:
        """Write ``work/submission.json``."""
        write_atomically(submission_file(run), json.dumps(asdict(self), indent=1) + "\n")

    def tasks(self) -> list[tuple[str, Share, str]]:
        """(stage, share, job id) of everything but the merge."""
        return [
            (stage, Share(index, self.shards), job)
            for stage, jobs in self.stages.items()
            for index, job in jobs.items()
        ]

    def job_ids(self) -> list[str]:
        """Ids of whole jobs, arrays as one."""
        return list(dict.fromkeys(job.partition("_")[0] for *_, job in [*self.tasks(), ("", None, self.merge)] if job))

    def states(self, run: RunDirectory, stage: str) -> dict[int, ShareState | None]:
        """What the stage's tasks have written, by index of the share."""
        jobs = self.stages.get(stage, {})
        return {index: read_state(state_file(run, stage, Share(index, self.shards))) for index in jobs}

    def unfinished(self, run: RunDirectory, stage: str) -> list[int]:
        """Shares whose task has not come to its end."""
        states = self.states(run, stage)
        return [index for index, state in states.items() if state is None or state.state != FINISHED]


def _submission(record: Any) -> Submission:
    shards, stages, merge = record["shards"], record["stages"], record["merge"]
    if type(shards) is not int or not 1 <= shards <= MAX_SHARDS:
        raise ValueError(f"shards: {shards!r}")
    if unknown := next((name for name in stages if name not in STAGES), None):
        raise ValueError(f"stage {unknown!r}")
    return Submission(shards, {name: _jobs(jobs, shards) for name, jobs in stages.items()}, _job(merge))


def _jobs(jobs: dict[str, Any], shards: int) -> dict[int, str]:
    if odd := next((index for index in jobs if not re.fullmatch("[0-9]{1,4}", index) or int(index) >= shards), None):
        raise ValueError(f"shard {odd!r} of {shards}")
    return {int(index): _job(job) for index, job in jobs.items()}


def _job(job: Any) -> str:
    """Without Slurm there is no id."""
    if job != "" and not queue.is_id(job):
        raise ValueError(f"job id {job!r}")
    return str(job)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def job_folders(run: RunDirectory) -> Path:
    """Where a run's job scripts, the tasks handed over and Slurm's own logs are, in a folder for each submission.

    This path stands in job scripts, where a shell and Slurm (``%j``) would make something else of many characters.
    A run whose path has such ones keeps them under our own home, which all nodes see as well.
    """
    own = run.work("slurm")
    if sbatch.is_plain(str(own)):
        return own
    return home() / "slurm" / hashlib.sha256(os.fsencode(run.path.resolve())).hexdigest()[:16]


def new_job_folder(run: RunDirectory) -> Path:
    """A folder that nobody could have put anything into: nodes run what they find in it.

    Raises:
        EnvironmentFailure: it cannot be made.
    """
    folder = job_folders(run) / secrets.token_hex(8)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise EnvironmentFailure(f"{folder} cannot be made ({error.strerror})") from error
    return folder


def job_log(run: RunDirectory, job: str) -> Path | None:
    """What Slurm said of a task, if there is such a file."""
    found = job_folders(run).glob(f"*/{job}_0_log.err") if queue.is_id(job) else ()
    return next((path for path in found if path.is_file()), None)


def submission_file(run: RunDirectory) -> Path:
    """Path of ``work/submission.json``."""
    return run.work("submission.json")


def merge_state_file(run: RunDirectory) -> Path:
    """Path of the file in which the merging job tells its state."""
    return run.work("shards/merge.json")


def refuse_while_queued(run: RunDirectory) -> None:
    """A run that jobs work on is left to them.

    Raises:
        UserError: jobs of an earlier submission wait or run.
    """
    submission = Submission.read(run)
    if submission is None:
        return
    try:
        known = queue.entries(submission.job_ids())
    except EnvironmentFailure:  # no Slurm here: then nobody can tell
        return
    own, out = queue.job_id(), shlex.quote(str(run.path))
    if active := [job for job, entry in known.items() if entry.active and job != own]:
        raise UserError(
            f"{run.path}: {len(active)} of its jobs wait or run ({active[0]}, ...): see `miro-eval status {out}`, "
            f"or end them with `miro-eval cancel {out}`"
        )
