"""Runs on this machine: their shares, stage after stage, in places that :mod:`harness.executors.slots` keeps busy.

Of several runs each stage is begun for all before the next, so that detectors and scorers are loaded once. A share that
fails holds back the stages that need its images; everything else goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.executors.merge import begin_stage, finish_stage, merge_stage
from harness.executors.sharding import Todo, check_shards, shares_of, survey
from harness.executors.share_state import clear_state, state_file
from harness.executors.share_work import ShareWork
from harness.executors.slots import Slots, Task
from harness.executors.submission import Submission
from wire.errors import ExitCode, MiroEvalError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.environments.manager import Environment
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline
    from harness.workers.worker import Event


class LocalExecutor:
    """Does the work here and now."""

    def run(self, pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> list[int | MiroEvalError | None]:
        """Runs of one source and one set of GPUs; of each, its unscored items or why it did not end.

        Raises:
            UserError: a number of shards that cannot be meant.
        """
        for pipeline in pipelines:
            check_shards(pipeline.settings.shards or 1)
        board = _Board()
        runs = [_Run(pipeline, board, alone=len(pipelines) == 1) for pipeline in pipelines]
        for run in runs:
            run.begin(stages)
        environments = {
            stage.name: ready
            for stage in stages
            if (ready := _prepared(stage, [run for run in runs if run.left(stage)]))
        }
        tasks = [Task(run, work) for stage in stages for run in runs for work in run.left(stage)]
        if tasks:
            Slots(pipelines[0].settings.gpus, tasks, environments).work_off()
        return [run.failure or run.unscored() for run in runs]


LOCAL = LocalExecutor()


class _Board:
    """How far each stage is, in all runs together."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}

    def add(self, stage: Stage, done: int, total: int) -> None:
        """So many more rows are there, or are known of."""
        before = self._counts.get(stage.name, (0, 0))
        self._counts[stage.name] = before[0] + done, before[1] + total

    def show(self, pipeline: Pipeline, stage: Stage, label: str) -> None:
        """Put a stage's counts on the display."""
        pipeline.display.step(stage.name)(*self._counts[stage.name], label)


class _Run:
    """How far one run has come."""

    def __init__(self, pipeline: Pipeline, board: _Board, alone: bool) -> None:
        self.pipeline = pipeline
        self.failure: MiroEvalError | None = None
        self._board = board
        self._name = "" if alone else f"{pipeline.manifest.name}: "
        self._todo: list[Todo] = []
        self._left: list[ShareWork] = []
        self._making: set[int] = set()
        self._unmade: set[int] = set()
        self._stopped = False

    def begin(self, stages: Sequence[Stage]) -> None:
        """Look at what there is. What lacks nothing is merged, or said to be done; all else is made ready."""
        with self._attempt():
            self._todo = survey(self.pipeline, stages)
            if any(todo.shares for todo in self._todo):
                self._note_shares()
            for todo in self._todo:
                self._begin_stage(todo)

    def _note_shares(self) -> None:
        """As for a cluster: ``status`` tells of them, and merging asks for them."""
        parts = shares_of(self.pipeline.settings, [todo.stage for todo in self._todo])
        for todo in self._todo:
            for share in todo.shares:
                clear_state(state_file(self.pipeline.run, todo.stage.name, share))
        named = {todo.stage.name: dict.fromkeys((share.index for share in todo.shares), "") for todo in self._todo}
        Submission(len(parts), {name: jobs for name, jobs in named.items() if jobs}).write(self.pipeline.run)

    def _begin_stage(self, todo: Todo) -> None:
        stage, plan = todo.stage, todo.plan
        if todo.shares:
            begin_stage(self.pipeline, todo)
            self._board.add(stage, len(plan.done), plan.units)
            self._left += [ShareWork(self.pipeline.run, stage, share) for share in todo.shares]
            self._making |= set() if stage.needs_images else {share.index for share in todo.shares}
            return
        record = self.pipeline.record(stage, plan)
        if record.finished:
            self._note(f"{stage.name}: nothing to do, {plan.units} {stage.unit} are there")
        else:
            merge_stage(self.pipeline, stage, record)

    def left(self, stage: Stage) -> list[ShareWork]:
        """Work on the stage that has not come to its end."""
        return [work for work in self._left if work.stage is stage]

    def drop(self, failure: MiroEvalError) -> None:
        """The run cannot go on."""
        self.failure = self.failure or failure
        self._left.clear()

    def is_ready(self, work: ShareWork) -> bool:
        """Images of a share are made before they are judged; those of other shares may come later."""
        return not work.stage.needs_images or work.share.index not in self._making

    def wants(self, work: ShareWork) -> bool:
        """A share without its images cannot be judged; a run that was told to stop does nothing more."""
        return work in self._left

    def write_job(self, work: ShareWork, environment: Environment) -> Path | None:
        """The worker's job file; None where no row is missing."""
        self._board.show(self.pipeline, work.stage, f"{self._name}loading models")
        return work.write_job(self.pipeline, environment, all_made=not self._making)

    def handle(self, work: ShareWork, event: Event) -> None:
        """Take note of what a worker tells of a share.

        Raises:
            UserError: the models are others than those the run was begun with.
        """
        state = work.journal.state
        before = state.done
        work.handle(event)
        self._board.add(work.stage, state.done - before, 0)
        match event["event"]:
            case "progress":
                self._board.show(self.pipeline, work.stage, f"{self._name}{event['label']}")
            case "warning":
                self._note(f"{work.stage.name}: {event['message']}")
            case "started" if event["total"]:
                record = self.pipeline.manifest.stages[work.stage.name]
                record.environment = state.environment
                self.pipeline.note_provenance(work.stage, record, event)

    def ended(self, work: ShareWork, failure: MiroEvalError | None) -> None:
        """A share of a stage is through; with the last one the stage is merged."""
        if work in self._left:
            self._left.remove(work)
        if failure is None and not work.stage.needs_images:
            self._making.discard(work.share.index)
        elif failure is not None:
            self.failure = self.failure or failure
            self._hold_back(work, failure)
        if not self.left(work.stage):
            with self._attempt():
                finish_stage(self.pipeline, work.stage)

    def _hold_back(self, work: ShareWork, failure: MiroEvalError) -> None:
        if failure.exit_code == ExitCode.INTERRUPTED:
            self._left.clear()
        elif not work.stage.needs_images:
            self._left = [other for other in self._left if other.share != work.share]

    def unscored(self) -> int:
        """Items without a result, in all stages asked for."""
        return sum(self.pipeline.manifest.stages[todo.stage.name].unscored for todo in self._todo)

    @contextlib.contextmanager
    def _attempt(self) -> Iterator[None]:
        """What goes wrong within is this run's own failure."""
        try:
            yield
        except MiroEvalError as error:
            self.drop(error)

    def _note(self, message: str) -> None:
        self.pipeline.display.note(f"{self._name}{message}")


def _prepared(stage: Stage, runs: Sequence[_Run]) -> Environment | None:
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
