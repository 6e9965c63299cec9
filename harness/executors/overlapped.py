"""A run on this machine in shards: a shard is judged and scored when its own images are made, not when all are.

Each GPU named takes the next shard's next stage as soon as it is free, the earliest shard first. So the first verdicts
are there long before the last image, and no GPU waits for the slowest one between two stages.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.executors.local import LOCAL
from harness.executors.shard import ShardTask
from harness.executors.shard_state import ShardState, state_file
from harness.executors.sharding import check_shards, share_unit, shares, survey
from harness.executors.stage_ends import adopt_provenance, begin_stage, finish_stage
from harness.executors.submission import Submission
from wire.errors import MiroEvalError

if TYPE_CHECKING:
    from harness.stages.base import Stage, StagePlan
    from harness.stages.context import Pipeline

#: Seconds between two looks at how far the workers are.
_TICK = 0.5


class LocalShardsExecutor:
    """Does the work here and now, shard by shard."""

    def run(self, pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> list[int | MiroEvalError | None]:
        """One run after the other; of each, its unscored items or why it did not end.

        Raises:
            UserError: a number of shards that cannot be meant.
        """
        for pipeline in pipelines:
            check_shards(pipeline.settings.shards or 1)
        return [_attempt(pipeline, stages) for pipeline in pipelines]


LOCAL_SHARDS = LocalShardsExecutor()


def _attempt(pipeline: Pipeline, stages: Sequence[Stage]) -> int | MiroEvalError | None:
    try:
        return _run(pipeline, stages)
    except MiroEvalError as error:
        return error


def _run(pipeline: Pipeline, stages: Sequence[Stage]) -> int | MiroEvalError | None:
    settings = replace(pipeline.settings, out=pipeline.run.path)
    parts = shares(settings.shards or 1, share_unit(settings, stages))
    found = {stage: survey(pipeline, stage, parts) for stage in stages}
    tasks = [
        ShardTask(stage.name, share, settings, pipeline.source)
        for stage, (_, parts) in found.items()
        for share in parts
    ]
    if not tasks:
        for stage in stages:
            adopt_provenance(pipeline, stage.name)
        return LOCAL.run([pipeline], stages)[0]
    for stage, (plan, some) in found.items():
        if some:
            begin_stage(pipeline, stage, plan)
    _note_tasks(pipeline, tasks, len(parts))
    failure = Slots(pipeline, tasks, {stage.name: plan for stage, (plan, _) in found.items()}).work_off()
    for stage in stages:
        finish_stage(pipeline, stage.name)
    return failure or sum(pipeline.manifest.stages[stage.name].unscored for stage in stages)


def _note_tasks(pipeline: Pipeline, tasks: Sequence[ShardTask], shards: int) -> None:
    """Which shares have a task, as for a cluster: ``status`` tells of them, and merging asks for them."""
    submission = Submission(shards)
    for task in tasks:
        submission.stages.setdefault(task.stage, {})[task.share.index] = ""
        state_file(pipeline.run, task.stage, task.share).unlink(missing_ok=True)
    submission.write(pipeline.run)


@dataclass(frozen=True)
class _Ended:
    """What a slot reports of a task."""

    slot: str | None
    task: ShardTask
    failure: MiroEvalError | None


class Slots:
    """A thread per GPU, each with one task at a time; what is done when is decided in the caller's thread."""

    def __init__(self, pipeline: Pipeline, tasks: list[ShardTask], plans: dict[str, StagePlan]) -> None:
        self._pipeline = pipeline
        self._plans = plans
        self._tasks = tasks
        self._left = sorted(tasks, key=lambda task: task.share.index)  # stages of a share stay in their order
        self._making = {task.share for task in tasks if task.makes_images}
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._failure: MiroEvalError | None = None

    def work_off(self) -> MiroEvalError | None:
        """Do all that can be done; returns the first failure."""
        free: list[str | None] = list(self._pipeline.settings.gpus) or [None]
        running = 0
        while True:
            for slot, task in self._assign(free):
                free.remove(slot)
                threading.Thread(target=self._run, args=(slot, task), daemon=True).start()
                running += 1
            if not running:
                return self._failure
            ended = self._wait()
            free.append(ended.slot)
            running -= 1
            self._note(ended)

    def _assign(self, free: list[str | None]) -> Iterator[tuple[str | None, ShardTask]]:
        for slot in list(free):
            task = next((task for task in self._left if self._is_ready(task)), None)
            if task is None:
                return
            self._left.remove(task)
            yield slot, task

    def _is_ready(self, task: ShardTask) -> bool:
        return task.makes_images or task.share not in self._making

    def _run(self, slot: str | None, task: ShardTask) -> None:
        failure: MiroEvalError | None = None
        try:
            replace(task, gpu=slot)(self._pipeline.run.contents)
        except MiroEvalError as error:
            failure = error
        except Exception as error:
            failure = MiroEvalError(f"{task.name}: {type(error).__name__}: {error}")
        self._ended.put(_Ended(slot, task, failure))

    def _wait(self) -> _Ended:
        while True:
            self._show()
            try:
                return self._ended.get(timeout=_TICK)
            except queue.Empty:
                continue

    def _show(self) -> None:
        """Progress of all stages that have begun."""
        made: dict[str, int] = {}
        for task in self._tasks:
            state = ShardState.read(state_file(self._pipeline.run, task.stage, task.share))
            if state is not None:
                made[task.stage] = made.get(task.stage, 0) + state.done - state.found
        for stage, rows in made.items():
            plan = self._plans[stage]
            self._pipeline.display.step(stage)(len(plan.done) + rows, plan.units, "")

    def _note(self, ended: _Ended) -> None:
        """A share without its images cannot be judged; everything else goes on."""
        self._failure = self._failure or ended.failure
        if ended.task.makes_images:
            if ended.failure is None:
                self._making.discard(ended.task.share)
            else:
                self._left = [task for task in self._left if task.share != ended.task.share]
