"""The task of one share of one stage: what a cluster's job runs, on whatever node it lands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.environments.manager import ensure
from harness.environments.spec import ENVIRONMENTS
from harness.executors import queue
from harness.executors.shard_state import FAILED, FINISHED, INTERRUPTED, Journal, ShardState, state_file
from harness.executors.sharding import Share, ShareJob, share_job
from harness.run.contents import Contents
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RunSettings
from harness.stages.registry import STAGES
from harness.weights.weight_source import WeightSource
from harness.workers import staged
from wire.errors import UserError


@dataclass(frozen=True)
class ShardTask:
    """Everything that is needed to work on a share; it is stored with the job and called on the node.

    Begun again after a requeue it looks at the disk anew and makes what is missing, so it is its own checkpoint.

    Attributes:
        stage: name of the stage.
        share: which part.
        settings: of the run; ``out`` is absolute.
        source: where the models come from.
        gpu: which one of the machine's to use; None for what the machine shows of itself.
    """

    stage: str
    share: Share
    settings: RunSettings
    source: WeightSource
    gpu: str | None = None

    @property
    def name(self) -> str:
        """As the log is called: ``rewards-3of16``."""
        return f"{self.stage}-{self.share.name}"

    @property
    def makes_images(self) -> bool:
        """Other stages' tasks wait for it."""
        return not STAGES[self.stage].needs_images

    def __call__(self, contents: Contents | None = None) -> None:
        """Make the share's missing rows.

        Args:
            contents: what this process has read of the run's files.

        Raises:
            MiroEvalError: why it could not; the state file tells the same.
        """
        run = RunDirectory(self.settings.out, contents)
        journal = Journal(state_file(run, self.stage, self.share), queue.job_id(), run.log(self.name))
        try:
            self._work(run, journal)
        except Exception as error:
            journal.ended(FAILED, error)
            raise
        journal.ended(FINISHED)

    def checkpoint(self) -> Any:
        """Called before a preempted job goes back to the queue."""
        from submitit.helpers import DelayedSubmission

        path = state_file(RunDirectory(self.settings.out), self.stage, self.share)
        if (state := ShardState.read(path)) is not None:
            replace(state, state=INTERRUPTED).write(path)
        return DelayedSubmission(self)

    def _work(self, run: RunDirectory, journal: Journal) -> None:
        stage = STAGES[self.stage]
        manifest = Manifest.read(run.manifest)
        if manifest is None:
            raise UserError(f"{run.manifest} is missing: the run has been deleted or moved since it was submitted")
        job = share_job(stage, run, manifest, self.settings, self.source, self.share)
        found = job.units - job.pending
        journal.state.found, journal.state.done, journal.state.total = found, found, job.units
        if job.missing:
            raise UserError(f"{run.path / job.missing} is not there: the images of this share are not all made")
        if job.pending:
            self._run_worker(run, job, journal)

    def _run_worker(self, run: RunDirectory, job: ShareJob, journal: Journal) -> None:
        stage = STAGES[self.stage]
        environment = ensure(ENVIRONMENTS[stage.environment], self.settings.env_backend, _silent)
        journal.state.environment = environment.identity()
        self.source.prepare(stage.module, _silent)
        path = run.work(f"{self.name}.job.json")
        job.write(stage, run, path)
        found = journal.state.found

        def on_event(_index: int, event: dict[str, Any]) -> None:
            if event["event"] == "progress":
                journal.progress(found + event["done"])
            elif event["event"] == "started" and event["total"]:
                journal.state.provenance = _provenance(event)
                journal.write()
            elif event["event"] == "finished":
                journal.progress(found + event["rows"])

        command = environment.command("-m", stage.module, str(path))
        visible = {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": self.gpu}
        task = staged.Task(self.stage, command, run.log(self.name), {**self.source.variables(), **visible})
        staged.run([task], on_event)


def _provenance(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("event", "job", "protocol", "total")}


def _silent(_done: int, _total: int, _label: str) -> None:
    """Nobody watches a job's progress but through its state file."""
