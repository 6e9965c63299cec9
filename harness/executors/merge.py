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
    """What workers must find: the stage's entry in ``run.json``, and no rows of other settings."""
    record = pipeline.record(todo.stage, todo.plan)
    pipeline.keep_foreign_rows(todo.stage, todo.plan)
    pipeline.save(todo.stage, record)


def finish_stage(pipeline: Pipeline, stage: Stage) -> str | None:
    """Merge a stage of which all shares that lacked something have finished; else say what it lacks."""
    submission, record = Submission.read(pipeline.run), pipeline.manifest.stages.get(stage.name)
    if submission is None or record is None:
        raise WorkerFailure(f"{pipeline.run.path}: its record of {stage.name} is gone", ExitCode.BUG)
    if unfinished := submission.unfinished(pipeline.run, stage.name):
        return f"{stage.name}: {len(unfinished)} of {submission.shards} shards did not finish"
    if not record.finished:
        merge_stage(pipeline, stage, record)
    return None


def merge_stage(pipeline: Pipeline, stage: Stage, record: StageRecord) -> None:
    """Rows of all shares become the finished file; what their workers told of themselves goes into ``run.json``."""
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
