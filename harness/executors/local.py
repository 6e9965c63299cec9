"""Runs on this machine: their shares, stage after stage, in places that :mod:`harness.executors.slots` keeps busy.

Of several runs each stage is begun for all before the next, so that detectors and scorers are loaded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.executors.local_run import Counts, LocalRun
from harness.executors.sharding import check_shards
from harness.executors.slots import Slots
from wire.errors import MiroEvalError

if TYPE_CHECKING:
    from harness.environments.manager import Environment
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline


class LocalExecutor:
    """Does the work here and now."""

    def run(self, pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> list[int | MiroEvalError | None]:
        """Runs of one source and one set of GPUs; of each, its unscored items or why it did not end.
        Raises UserError: a number of shards that cannot be meant.
        """
        for pipeline in pipelines:
            check_shards(pipeline.settings.shards or 1)
        counts = Counts()
        runs = [LocalRun(pipeline, counts, alone=len(pipelines) == 1) for pipeline in pipelines]
        for run in runs:
            run.begin(stages)
        found = {stage.name: _prepared(stage, [run for run in runs if run.left(stage)]) for stage in stages}
        environments = {name: environment for name, environment in found.items() if environment}
        if environments:
            Slots(pipelines[0].settings.gpus, stages, runs, environments).work_off()
        return [run.failure or run.unscored() for run in runs]


LOCAL = LocalExecutor()


def _prepared(stage: Stage, runs: Sequence[LocalRun]) -> Environment | None:
    """The stage's environment and its weights, made ready once for all runs that lack something of it."""
    if not runs:
        return None
    pipeline = runs[0].pipeline
    try:
        pipeline.source.prepare(stage.module, pipeline.display.step(stage.name))
        return pipeline.environment(stage)
    except MiroEvalError as error:
        for run in runs:
            run.drop(error)
        return None
