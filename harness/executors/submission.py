"""Which shares of a run are worked on, and as which jobs: in ``work/submission.json``, for status, cancel and merge.

Of jobs the record is there before the first of them is submitted, and is written anew after each array: whatever
happens to the command that submits, its jobs are known by their token.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from harness.executors import queue, sbatch
from harness.executors.sharding import MAX_SHARDS, Share
from harness.executors.share_state import FINISHED, ShareState, read_state, state_file
from harness.run.directory import RunDirectory
from harness.stages.registry import STAGES
from wire.errors import EnvironmentFailure, UserError
from wire.files import write_atomically
from wire.paths import home
from wire.untrusted import read_bytes, read_json

_NAME = re.compile(r"[a-z]+(\.[A-Za-z0-9_]+){0,2}")
#: A job's id, or a task's of an array; more digits than Slurm ever gives. Without Slurm there is none.
JobId = Annotated[str, msgspec.Meta(pattern=r"\A([0-9]{1,12}(_[0-9]{1,7})?)?\Z")]


@dataclass
class Submission:
    """What the latest command that had work in a run began there."""

    shards: Annotated[int, msgspec.Meta(ge=1, le=MAX_SHARDS)]  #: into how many shares the run is cut
    #: By stage or part, in order: job id by index of the share. Shares that lack nothing are not there; the names may
    #: be somebody else's words and become names of files, so they are looked at when they are read.
    stages: dict[str, dict[int, JobId]] = field(default_factory=dict)
    merge: JobId = ""  #: id of the job that comes last; without it, jobs were not all submitted
    #: Name of the cluster that has the jobs.
    cluster: Annotated[str, msgspec.Meta(pattern=r"\A([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?\Z")] = ""
    #: In the comment of every job; empty for work on this machine.
    token: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{32})?\Z")] = ""

    @classmethod
    def read(cls, run: RunDirectory) -> Submission | None:
        """The latest submission; None where there was none.
        Raises UserError: its file is not one of ours, or of a version that knew jobs by number alone.
        """
        path = submission_file(run)
        try:
            found = _submission(read_json(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise UserError(
                f"{path}: not a readable record of jobs ({told}); if none of them waits or runs, remove it"
            ) from error
        if (jobs := found.job_ids()) and not found.token:
            some = ", ".join(jobs[:5]) + (", ..." if len(jobs) > 5 else "")
            raise UserError(
                f"{path}: written by an older version, which knew jobs by number alone. See with `squeue --me` whether "
                f"jobs {some} are of this run, end them with `scancel`, remove this file, and give the command again"
            )
        return found

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

    def entries(self) -> dict[str, queue.QueueEntry]:
        """What Slurm knows of the jobs, by task id: those with the token, whatever the record says of numbers.
        Raises EnvironmentFailure: Slurm does not answer, or this is another cluster.
        """
        if not self.token:
            return {}
        if (here := queue.cluster()) != self.cluster:
            raise EnvironmentFailure(f"the jobs are on cluster {self.cluster}, and Slurm's commands here ask {here}")
        return queue.entries(self.token)

    def states(self, run: RunDirectory, stage: str) -> dict[int, ShareState | None]:
        """What the stage's tasks have written, by index of the share."""
        jobs = self.stages.get(stage, {})
        return {index: read_state(state_file(run, stage, Share(index, self.shards))) for index in jobs}

    def parts(self, stage: str) -> list[str]:
        """The stage's parts that lacked something, or the stage itself."""
        return [name for name in self.stages if stage_of(name) == stage]

    def unfinished(self, run: RunDirectory, stage: str) -> list[int]:
        """Shares whose task has not come to its end."""
        states = self.states(run, stage)
        return [index for index, state in states.items() if state is None or state.state != FINISHED]

    def is_over(self, run: RunDirectory) -> bool:
        """Whether no job can be left: the one that merges runs when all others have ended, and has come to its end."""
        merged = read_state(merge_state_file(run)) if self.merge else None
        return merged is not None and merged.state == FINISHED


def stage_of(name: str) -> str:
    """The stage that a name is of, or a part's name begins with."""
    return name.partition(".")[0]


def _submission(record: Any) -> Submission:
    """Names and numbers become names of files, and words for Slurm's commands."""
    found = msgspec.convert(record, Submission, str_keys=True)
    if not {"stages", "merge"} <= record.keys() or (found.token and not found.cluster):
        raise ValueError("jobs without stages or cluster")
    odd_names = (name for name in found.stages if not _NAME.fullmatch(name) or stage_of(name) not in STAGES)
    if unknown := next(odd_names, None):
        raise ValueError(f"stage {unknown!r}")
    if odd := next((share for _, share, _ in found.tasks() if not 0 <= share.index < found.shards), None):
        raise ValueError(f"shard {odd.index} of {found.shards}")
    return found


def submission_file(run: RunDirectory) -> Path:
    """Path of ``work/submission.json``."""
    return run.work("submission.json")


def merge_state_file(run: RunDirectory) -> Path:
    """Path of the file in which the merging job tells its state."""
    return run.work("shards/merge.json")


def refuse_while_queued(run: RunDirectory) -> None:
    """A run that jobs work on, or may work on, is left to them.
    Raises UserError: jobs of an earlier submission wait or run; EnvironmentFailure: nobody can tell.
    """
    submission = Submission.read(run)
    if submission is None or not submission.token:
        return
    if submission.is_over(run):
        return
    out = shlex.quote(str(run.path))
    try:
        active = [job for job, entry in submission.entries().items() if entry.active]
    except EnvironmentFailure as error:
        raise EnvironmentFailure(
            f"{run.path}: its jobs may wait or run on cluster {submission.cluster} ({error}): try again where and when "
            f"Slurm answers; if you know that none is left, remove {submission_file(run)}"
        ) from error
    if active:
        partly = "" if submission.merge else ", and their submission was interrupted"
        raise UserError(
            f"{run.path}: {len(active)} of its jobs wait or run ({active[0]}, ...){partly}: see "
            f"`miro-eval jobs status {out}`, or end them with `miro-eval jobs cancel {out}`"
        )


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
    Raises EnvironmentFailure: it cannot be made.
    """
    folder = job_folders(run) / secrets.token_hex(8)
    try:
        folder.mkdir(parents=True)
        if not folder.is_relative_to(run.path):
            (folder.parent / "run").write_bytes(os.fsencode(run.path.resolve()))
    except OSError as error:
        raise EnvironmentFailure(f"{folder} cannot be made ({error.strerror})") from error
    return folder


def clean_job_folders(run: RunDirectory) -> None:
    """Remove what is left of ended submissions: of this run, and in our home of all that are over or deleted."""
    _remove(job_folders(run))
    for note in (home() / "slurm").glob("*/run"):
        with contextlib.suppress(OSError, UserError):
            other = RunDirectory(Path(os.fsdecode(read_bytes(note))))
            submission = Submission.read(other)
            # Where the folder of the run is away too, its disk may be.
            deleted = other.path.parent.is_dir() and not other.path.is_dir()
            if deleted or (submission is not None and submission.is_over(other)):
                _remove(note.parent)


def _remove(folder: Path) -> None:
    if not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


def job_log(run: RunDirectory, job: str) -> Path | None:
    """What Slurm said of a task, if there is such a file."""
    found: Iterator[Path] = job_folders(run).glob(f"*/{job}_0_log.err") if job else iter(())
    return next((path for path in found if path.is_file()), None)
