"""The last job of a submission: rows of all shards become the finished files, summaries and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.executors import queue
from harness.executors.shard_state import FAILED, FINISHED, Journal
from harness.executors.stage_ends import finish_stage
from harness.executors.submission import merge_state_file
from harness.run.directory import RunDirectory
from harness.run.settings import RunSettings
from harness.stages.context import reopen
from harness.weights.weight_source import WeightSource
from wire.errors import ExitCode, WorkerFailure


@dataclass(frozen=True)
class MergeTask:
    """Runs once no shard waits or runs any more; makes no rows itself.

    A stage of which a shard is missing stays unfinished; its rows are kept for the next submission.

    Attributes:
        stages: names, in order.
        settings: of the run; ``out`` is absolute.
        source: where the models came from.
    """

    stages: tuple[str, ...]
    settings: RunSettings
    source: WeightSource

    def __call__(self) -> None:
        """Merge and report.

        Raises:
            WorkerFailure: a stage lacks shards; everything else is merged.
        """
        run = RunDirectory(self.settings.out)
        journal = Journal(merge_state_file(run), queue.job_id(), run.log("merge"))
        try:
            self._merge()
        except Exception as error:
            journal.ended(FAILED, error)
            raise
        journal.ended(FINISHED)

    def checkpoint(self) -> Any:
        """Merging anew does no harm."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _merge(self) -> None:
        from harness.terminal.display import Display
        from reports import report, write_summaries
        from rewards.scorers import CARDS

        with Display() as display, reopen(self.settings, self.source, display) as pipeline:
            gaps = [gap for name in self.stages if (gap := finish_stage(pipeline, name))]
            if pipeline.has_scores():
                write_summaries(pipeline.run.path, pipeline.run.work("summaries.json"))
                report([pipeline.run.path], pipeline.run.report, cards=CARDS)
        if gaps:
            raise WorkerFailure(
                f"{'; '.join(gaps)}; the other shards' rows are kept: submit again for the rest", ExitCode.BUG
            )
