"""What a cluster's jobs run, on whatever node they land. Stored with the job, they hold all they need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.executors import queue
from harness.executors.merge import finish_stage
from harness.executors.sharding import Share
from harness.executors.share_state import INTERRUPTED, Journal, read_state, state_file
from harness.executors.share_work import ShareWork
from harness.executors.submission import merge_state_file
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RunSettings
from harness.stages.context import Pipeline, reopen
from harness.stages.registry import STAGES
from harness.terminal.display import Display
from harness.weights.weight_source import WeightSource
from harness.workers.worker import run
from wire.errors import ExitCode, UserError, WorkerFailure


@dataclass(frozen=True)
class ShareTask:
    """One share of one stage.

    Begun again after a requeue it looks at the disk anew and makes what is missing, so it is its own checkpoint.
    The ``out`` of its settings is absolute.
    """

    stage: str
    share: Share
    settings: RunSettings
    source: WeightSource

    def __call__(self) -> None:
        """Make the share's missing rows.

        Raises:
            MiroEvalError: why it could not; the state file tells the same.
        """
        work = ShareWork(RunDirectory(self.settings.out), STAGES[self.stage], self.share)
        work.begin()
        with work.journal.kept():
            self._do(work)

    def _do(self, work: ShareWork) -> None:
        manifest = Manifest.read(work.run.manifest)
        if manifest is None:
            raise UserError(f"{work.run.manifest} is missing: the run has been deleted or moved since it was submitted")
        pipeline = Pipeline(work.run, manifest, self.settings, self.source, Display())
        environment = pipeline.environment(work.stage)
        if job := work.write_job(pipeline, environment):
            pipeline.prepare(work.stage, "weights")
            run(work.program(pipeline, environment, job), work.handle)

    def checkpoint(self) -> Any:
        """Called before a preempted job goes back to the queue."""
        from submitit.helpers import DelayedSubmission

        path = state_file(RunDirectory(self.settings.out), self.stage, self.share)
        if (state := read_state(path)) is not None:
            replace(state, state=INTERRUPTED).write(path)
        return DelayedSubmission(self)


@dataclass(frozen=True)
class MergeTask:
    """The last job: rows of all shares become the finished files, summaries and the report; it makes no rows itself.

    It runs once no share waits or runs any more. A stage of which a share is missing stays unfinished; its rows are
    kept for the next submission. The ``out`` of its settings is absolute.
    """

    stages: tuple[str, ...]
    settings: RunSettings
    source: WeightSource

    def __call__(self) -> None:
        """Merge and report.

        Raises:
            WorkerFailure: a stage lacks shares; everything else is merged.
        """
        run = RunDirectory(self.settings.out)
        with Journal(merge_state_file(run), queue.job_id(), run.log("merge")).kept():
            self._merge()

    def checkpoint(self) -> Any:
        """Merging anew does no harm."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _merge(self) -> None:
        from reports import report, write_summaries
        from rewards.scorers import CARDS

        with Display() as display, reopen(self.settings, self.source, display) as pipeline:
            gaps = [gap for name in self.stages if (gap := finish_stage(pipeline, STAGES[name]))]
            if pipeline.has_scores():
                write_summaries(pipeline.run.path, pipeline.run.work("summaries.json"))
                report([pipeline.run.path], pipeline.run.report, cards=CARDS)
        if gaps:
            raise WorkerFailure(
                f"{'; '.join(gaps)}; the other shards' rows are kept: submit again for the rest", ExitCode.BUG
            )
