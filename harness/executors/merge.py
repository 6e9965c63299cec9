"""How a stage that is done in shares begins and ends: what workers must find, and how their rows are merged."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from harness.executors.submission import Submission
from harness.stages.base import with_new_rows
from wire.errors import ExitCode, WorkerFailure

if TYPE_CHECKING:
    from harness.executors.sharding import Todo
    from harness.run.manifest import StageRecord
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline


def begin_stage(pipeline: Pipeline, todo: Todo) -> None:
    """What workers must find: the stage's entry in ``run.json``."""
    pipeline.save(todo.stage, pipeline.record(todo.stage, todo.plan))


def finish_stage(pipeline: Pipeline, stage: Stage) -> str | None:
    """Merge a stage of which all shares that lacked something have finished; else say what it lacks."""
    submission = Submission.read(pipeline.run)
    if submission is None:
        raise WorkerFailure(f"{pipeline.run.path}: its record of {stage.name} is gone", ExitCode.BUG)
    if unfinished := submission.unfinished(pipeline.run, stage.name):
        return f"{stage.name}: {len(unfinished)} of {submission.shards} shards did not finish"
    record = pipeline.record(stage, pipeline.plan(stage))
    if not record.finished or not pipeline.in_use(stage, record):
        merge_stage(pipeline, stage, record)
    return None


def merge_stage(pipeline: Pipeline, stage: Stage, record: StageRecord) -> None:
    """Rows of all shares become the finished file; what their workers told of themselves goes into ``run.json``.

    Rows that were kept, and are whole, are of earlier workers than those that told of themselves last.
    """
    if not record.finished:
        _adopt(pipeline, stage, record)
    pipeline.finish(stage, record, with_new_rows(pipeline.run, stage, pipeline.plan(stage)))


def _adopt(pipeline: Pipeline, stage: Stage, record: StageRecord) -> None:
    """One worker does several shares one after the other, so a stage took as long as its busiest worker did."""
    submission, seconds = Submission.read(pipeline.run), defaultdict[str, float](float)
    states = submission.states(pipeline.run, stage.name).values() if submission else ()
    for state in filter(None, states):
        seconds[state.log] += state.seconds
        if state.provenance:
            pipeline.note_provenance(stage, record, state.provenance)
            record.environment = state.environment
    record.seconds = max(seconds.values(), default=record.seconds)
