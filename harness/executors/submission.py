"""What has been handed to a cluster for a run: kept in ``work/submission.json``, read by status, cancel and merge."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.executors import queue
from harness.executors.shard_state import FINISHED, ShardState, state_file
from harness.executors.sharding import Share
from harness.run.directory import RunDirectory
from wire.errors import EnvironmentFailure, UserError
from wire.files import write_atomically


@dataclass
class Submission:
    """Jobs of one run.

    Attributes:
        shards: into how many shares the run is cut.
        stages: by stage, in order: job id by index of the share. Shares that lack nothing have no job.
        merge: id of the job that comes last.
    """

    shards: int
    stages: dict[str, dict[int, str]] = field(default_factory=dict)
    merge: str = ""

    @classmethod
    def read(cls, run: RunDirectory) -> Submission | None:
        """The latest submission; None where there was none."""
        try:
            record = json.loads(submission_file(run).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        stages = {name: {int(index): job for index, job in jobs.items()} for name, jobs in record["stages"].items()}
        return cls(record["shards"], stages, record["merge"])

    def write(self, run: RunDirectory) -> None:
        """Write it down."""
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

    def states(self, run: RunDirectory, stage: str) -> dict[int, ShardState | None]:
        """What the stage's tasks have written, by index of the share."""
        jobs = self.stages.get(stage, {})
        return {index: ShardState.read(state_file(run, stage, Share(index, self.shards))) for index in jobs}

    def unfinished(self, run: RunDirectory, stage: str) -> list[int]:
        """Shares whose task has not come to its end."""
        states = self.states(run, stage)
        return [index for index, state in states.items() if state is None or state.state != FINISHED]


def submission_file(run: RunDirectory) -> Path:
    """Where it is kept."""
    return run.work("submission.json")


def merge_state_file(run: RunDirectory) -> Path:
    """Where the merging job tells its state."""
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
    own = queue.job_id()
    if active := [job for job, entry in known.items() if entry.active and job != own]:
        raise UserError(
            f"{run.path}: {len(active)} of its jobs wait or run ({active[0]}, ...): see `miro-eval status {run.path}`, "
            f"or end them with `miro-eval cancel {run.path}`"
        )
