"""Runs on this machine, stage by stage: one worker process, or one for each GPU named, serves all runs in turn.

Of several runs each stage is done for all before the next begins, so that detectors and scorers are loaded once. A
run that fails drops out; the others go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.executors.stage_work import StageWork
from harness.workers import staged
from wire.errors import ExitCode, MiroEvalError, WorkerFailure

if TYPE_CHECKING:
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline


class LocalExecutor:
    """Does the work here and now."""

    def run(self, pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> list[int | MiroEvalError | None]:
        """Runs of one source and one set of GPUs; of each, its unscored items or why it did not end."""
        runs = [_Run(pipeline, alone=len(pipelines) == 1) for pipeline in pipelines]
        for stage in stages:
            _run_stage(stage, [run for run in runs if run.failure is None])
        return [run.failure or run.unscored for run in runs]


LOCAL = LocalExecutor()


class _Run:
    """How far one run has come."""

    def __init__(self, pipeline: Pipeline, alone: bool) -> None:
        self.pipeline = pipeline
        self.alone = alone
        self.unscored = 0
        self.failure: MiroEvalError | None = None
        self.work: StageWork

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """What goes wrong within is this run's own failure."""
        try:
            yield
        except MiroEvalError as error:
            self.failure = error

    def begin(self, stage: Stage) -> None:
        with self.attempt():
            self.work = StageWork.begin(self.pipeline, stage, self.alone)

    def finish(self) -> None:
        with self.attempt():
            self.unscored += self.work.finish().unscored


def _run_stage(stage: Stage, runs: list[_Run]) -> None:
    for run in runs:
        run.begin(stage)
    while pending := [run for run in runs if run.failure is None and run.work.pending]:
        if _work(stage, pending):
            break
        for run in pending:  # one was stopped in the middle of the others' work: they go on from where they are
            run.begin(stage)
    for run in runs:
        if run.failure is None:
            run.finish()


def _work(stage: Stage, runs: list[_Run]) -> bool:
    """Let workers do what these runs lack; False where a run had to be stopped before the others were through."""
    pipeline, works = runs[0].pipeline, [run.work for run in runs]
    environment = pipeline.environment(stage)
    progress = pipeline.display.step(stage.name)
    pipeline.source.prepare(stage.module, progress)
    for work in works:
        work.record.environment = environment.identity()
    progress(sum(work.done for work in works), sum(work.plan.units for work in works), "loading models")
    gpus: tuple[str | None, ...] = pipeline.settings.gpus or (None,)

    def on_event(shard: int, event: dict[str, Any]) -> None:
        run = runs[event.get("job", 0)]
        try:
            run.work.handle(shard, event)
            progress(sum(work.done for work in works), sum(work.plan.units for work in works), run.work.label)
        except MiroEvalError as error:
            run.failure = error
            raise

    try:
        staged.run([_task(stage, works, environment, (i, len(gpus)), gpu) for i, gpu in enumerate(gpus)], on_event)
    except WorkerFailure as failure:
        for run in runs:
            own = run.work.failure(failure, len(gpus))
            run.failure = own if own is None or environment.ready else _environment_lost(environment, own)
    except MiroEvalError:
        return False
    return True


def _environment_lost(environment: Any, failure: WorkerFailure) -> WorkerFailure:
    name = environment.spec.name
    text = f"environment {name} was removed while its worker ran; run the same command again to set it up and continue"
    return WorkerFailure(text, ExitCode.ENVIRONMENT_FAILURE, failure.details)


def _task(
    stage: Stage, works: Sequence[StageWork], environment: Any, shard: tuple[int, int], gpu: str | None
) -> staged.Task:
    """One worker process: its shard of every run."""
    jobs = [str(work.write_job(shard)) for work in works]
    visible = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
    variables = {**works[0].pipeline.source.variables(), **visible}
    log = works[0].log(shard)
    for work in works[1:]:
        work.refer_to(log, shard)
    return staged.Task(stage.name, environment.worker(stage.module, *jobs), log, variables)
