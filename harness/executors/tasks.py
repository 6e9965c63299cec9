"""What a cluster's jobs run, on whatever node they land. Stored with the job, they hold all they need."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import Any

from harness.executors import queue, sbatch
from harness.executors.sharding import Share
from harness.executors.share_state import INTERRUPTED, Journal, ShareState, read_state, state_file
from harness.executors.share_work import ShareWork, finish_stage
from harness.executors.submission import Submission, merge_state_file, stage_of, submission_file
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RunSettings
from harness.stages.context import Pipeline, reopen
from harness.stages.registry import STAGES
from harness.terminal.display import Display
from harness.weights.weight_source import WeightSource
from harness.workers.worker import run
from wire.errors import ExitCode, UserError, WorkerFailure

#: When this module was imported, which is the first thing that a job does.
_BEGUN = time.monotonic()
#: Minutes before the end of its time of which a job may be told so: 90 s, which Slurm keeps to the minute.
_NOTICE = 3
#: Seconds for which the merge waits for a command that holds the run, and between two looks.
PATIENCE, LOOK = 1800.0, 2.0


def _require_current(run: RunDirectory, token: str) -> None:
    """A job that came into the queue when its command had been given up, and another is at work, must not work too.
    Raises UserError: the run's record is of another submission.
    """
    submission = Submission.read(run)
    if submission is None or submission.token != token:
        raise UserError(f"{submission_file(run)} is of another submission, or gone: this task is left over")


@dataclass(frozen=True)
class ShareTask:
    """One share of one stage, or of one part of it.

    Begun again after a requeue it looks at the disk anew and makes what is missing, so it is its own checkpoint.
    The ``out`` of its settings is absolute.
    """

    stage: str
    share: Share
    settings: RunSettings
    source: WeightSource
    token: str

    def __call__(self) -> None:
        """Make the share's missing rows. Raises MiroEvalError: why it could not; the state file tells the same."""
        _require_current(RunDirectory(self.settings.out), self.token)
        parts = STAGES[stage_of(self.stage)].parts(self.settings)
        stage = next(part for part in parts if part.name == self.stage)
        work = ShareWork(RunDirectory(self.settings.out), stage, self.share)
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
            self._require_progress(state)
            replace(state, state=INTERRUPTED).write(path)
        return DelayedSubmission(self)

    def _require_progress(self, state: ShareState) -> None:
        """Begun again, it would come as far as now: one that ran for its whole time and made no row ends here."""
        limit = sbatch.minutes(self.settings.slurm.arguments.get("time", str(sbatch.DEFAULT_MINUTES)))
        whole = time.monotonic() - _BEGUN >= 60 * (limit - _NOTICE)
        if whole and state.done <= state.found:
            raise UserError(f"no row was made in {limit} minutes: choose a longer time, --slurm-arg time=D-HH:MM")


@dataclass(frozen=True)
class MergeTask:
    """The last job: rows of all shares become the finished files, summaries and the report; it makes no rows itself.

    It runs once no share waits or runs any more. A stage of which a share is missing stays unfinished; its rows are
    kept for the next submission. The ``out`` of its settings is absolute; ``left_out`` says why parts have no shares.
    """

    stages: tuple[str, ...]
    settings: RunSettings
    source: WeightSource
    token: str
    left_out: dict[str, str] = field(default_factory=dict)

    def __call__(self) -> None:
        """Merge and report. Raises WorkerFailure: a stage lacks shares; everything else is merged."""
        run = RunDirectory(self.settings.out)
        _require_current(run, self.token)
        with Journal(merge_state_file(run), queue.job_id(), run.log("merge")).kept():
            self._merge()

    def checkpoint(self) -> Any:
        """Merging anew does no harm."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _merge(self) -> None:
        from reports import report, write_summaries
        from rewards.scorers import CARDS

        with contextlib.ExitStack() as stack:
            pipeline = self._opened(stack)
            gaps = [gap for name in self.stages if (gap := finish_stage(pipeline, STAGES[name]))]
            if pipeline.has_scores():
                write_summaries(pipeline.run.path, pipeline.run.work("summaries.json"))
                report([pipeline.run.path], pipeline.run.report, cards=CARDS)
        if gaps:
            raise WorkerFailure(
                f"{'; '.join(gaps)}; the other shards' rows are kept: submit again for the rest", ExitCode.BUG
            )

    def _opened(self, stack: contextlib.ExitStack) -> Pipeline:
        """The run, when no other command holds it any more: nobody would merge it later.
        Raises UserError: as :func:`harness.stages.context.reopen`, after a long wait.
        """
        run, display, start = RunDirectory(self.settings.out), stack.enter_context(Display()), time.monotonic()
        while run.is_held() and time.monotonic() - start < PATIENCE:
            time.sleep(LOOK)
        pipeline = stack.enter_context(reopen(self.settings, self.source, display))
        return replace(pipeline, left_out=self.left_out)
