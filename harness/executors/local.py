"""Runs on this machine: their shares, stage after stage, in places that :mod:`harness.executors.slots` keeps busy.

Of several runs each stage is begun for all before the next, so that detectors and scorers are loaded once. A share that
fails holds back the stages that need its images; everything else goes on.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.executors.sharding import Todo, check_shards, shares_of, survey
from harness.executors.share_state import clear_state, state_file
from harness.executors.share_work import ShareWork, begin_stage, finish_stage, merge_stage
from harness.executors.slots import Slots
from harness.executors.submission import Submission, clean_job_folders
from wire.errors import ExitCode, MiroEvalError

if TYPE_CHECKING:
    from harness.environments.manager import Environment
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline
    from harness.workers.worker import Event


def run(pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> list[int | MiroEvalError | None]:
    """Runs of one source and one set of GPUs; of each, its unscored items or why it did not end.
    Raises UserError: a number of shards that cannot be meant.
    """
    for pipeline in pipelines:
        check_shards(pipeline.settings.shards or 1)
    counts, parts = Counts(), pipelines[0].parts(stages)
    runs = [LocalRun(pipeline, counts, alone=len(pipelines) == 1) for pipeline in pipelines]
    for run in runs:
        run.begin(stages, parts)
    wanting = [part for part in parts if _prepared(part, [run for run in runs if run.left(part)])]
    with pipelines[0].making() as making:
        coming = {part.name: making.begin(part.spec) for part in wanting}
        if coming:
            Slots(pipelines[0].settings.gpus, parts, runs, {}, coming).work_off()
    return [run.failure or run.unscored() for run in runs]


def _prepared(stage: Stage, runs: Sequence[LocalRun]) -> bool:
    """Whether there is work on the stage, and its weights are ready: once for all runs that lack something of it."""
    try:
        for run in runs[:1]:
            run.pipeline.prepare(stage, stage.name)
    except MiroEvalError as error:
        for run in runs:
            run.drop(error)
        return False
    return bool(runs)


@dataclass
class Counts:
    """Rows that are there, and that there will be, by stage: of all runs together, for the display."""

    done: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)


class LocalRun:
    """How far one run has come."""

    def __init__(self, pipeline: Pipeline, counts: Counts, alone: bool) -> None:
        self.pipeline = pipeline
        self.failure: MiroEvalError | None = None
        self._counts = counts
        self._name = "" if alone else f"{pipeline.manifest.name}: "
        self._todo: list[Todo] = []
        self._left: dict[ShareWork, None] = {}
        self._making: set[int] = set()

    def begin(self, stages: Sequence[Stage], parts: Sequence[Stage]) -> None:
        """Look at what there is. What lacks nothing is merged, or said to be done; all else is made ready."""
        with self._attempt():
            self._todo = survey(self.pipeline, parts)
            if any(todo.shares for todo in self._todo):
                self._note_shares()
            for stage in stages:
                lacking = [todo for todo in self._todo if todo.stage.whole is stage and todo.shares]
                for todo in lacking:
                    self._begin_part(todo)
                if not lacking:
                    self._merge(stage)

    def _note_shares(self) -> None:
        """As for a cluster: ``status`` tells of them, and merging asks for them."""
        run = self.pipeline.run
        clean_job_folders(run)
        submission = Submission(len(shares_of(self.pipeline.settings, [todo.stage for todo in self._todo])))
        for todo in self._todo:
            for share in todo.shares:
                clear_state(state_file(run, todo.stage.name, share))
                submission.stages.setdefault(todo.stage.name, {})[share.index] = ""
        submission.write(run)

    def _begin_part(self, todo: Todo) -> None:
        stage, plan = todo.stage, todo.plan
        begin_stage(self.pipeline, todo)
        self._counts.done[stage.name] += len(plan.done)
        self._counts.total[stage.name] += plan.units
        self._left |= dict.fromkeys(ShareWork(self.pipeline.run, stage, share) for share in todo.shares)
        self._making |= set() if stage.needs_images else {share.index for share in todo.shares}

    def _merge(self, stage: Stage) -> None:
        """A stage that nothing can be done for: all is there, or what is not stays without."""
        plan = self.pipeline.plan(stage)
        record = self.pipeline.record(stage, plan)
        if record.finished and self.pipeline.in_use(stage, record):
            self._note(f"{stage.name}: nothing to do: all {plan.units} {stage.unit} exist")
        else:
            merge_stage(self.pipeline, stage, record)

    def left(self, stage: Stage) -> list[ShareWork]:
        """Work on the stage that has not come to its end."""
        return [work for work in self._left if work.stage is stage]

    def drop(self, failure: MiroEvalError) -> None:
        """Note that the run cannot go on, and why."""
        self.failure = self.failure or failure
        self._left.clear()

    def leave_out(self, stage: Stage, failure: MiroEvalError) -> None:
        """Note that a stage cannot be worked on, and why; what does not need it goes on."""
        self.failure = self.failure or failure
        self._left = {work: None for work in self._left if work.stage is not stage and stage.needs_images}
        if self._left:
            self._note(f"{stage.name} is skipped, the other stages continue: {str(failure).splitlines()[0]}")

    def is_ready(self, work: ShareWork) -> bool:
        """Images of a share are made before they are judged; those of other shares may come later."""
        return not work.stage.needs_images or work.share.index not in self._making

    def write_job(self, work: ShareWork, environment: Environment) -> Path | None:
        """The worker's job file; None where no row is missing."""
        self._show(work.stage, "loading models")
        return work.write_job(self.pipeline, environment, all_made=not self._making)

    def handle(self, work: ShareWork, event: Event) -> None:
        """Take note of what a worker tells of a share.
        Raises UserError: the models are others than those the run was begun with.
        """
        state = work.journal.state
        before = state.done
        work.handle(event)
        self._counts.done[work.stage.name] += state.done - before
        match event["event"]:
            case "progress":
                self._show(work.stage, event["label"])
            case "warning":
                self._note(f"{work.stage.name}: {event['message']}")
            case "started" if event["total"]:
                record = self.pipeline.records[work.stage.whole.name]
                self.pipeline.note_provenance(work.stage, record, event, state.environment)

    def ended(self, work: ShareWork, failure: MiroEvalError | None) -> None:
        """A share of a stage is through; with the last one, of all parts, the stage is merged."""
        self._left.pop(work, None)
        if failure is None and not work.stage.needs_images:
            self._making.discard(work.share.index)
        elif failure is not None:
            self.failure = self.failure or failure
            if failure.exit_code == ExitCode.INTERRUPTED:
                self._left.clear()
            elif not work.stage.needs_images:
                self._left = {other: None for other in self._left if other.share != work.share}
        if not any(other.stage.whole is work.stage.whole for other in self._left):
            with self._attempt():
                finish_stage(self.pipeline, work.stage.whole)

    def unscored(self) -> int:
        """Items without a result, in all stages asked for."""
        names = {todo.stage.whole.name for todo in self._todo}
        return sum(self.pipeline.manifest.stages[name].unscored for name in names)

    @contextlib.contextmanager
    def _attempt(self) -> Iterator[None]:
        """What goes wrong within is this run's own failure."""
        try:
            yield
        except MiroEvalError as error:
            self.drop(error)

    def _show(self, stage: Stage, label: str) -> None:
        counts = self._counts.done[stage.name], self._counts.total[stage.name]
        self.pipeline.display.step(stage.name)(*counts, f"{self._name}{label}")

    def _note(self, message: str) -> None:
        self.pipeline.display.note(f"{self._name}{message}")
