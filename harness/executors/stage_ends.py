"""How a stage that is done in shards begins and ends: what its tasks must find, and how their rows are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.executors.submission import Submission
from harness.stages.registry import STAGES
from wire.errors import ExitCode, WorkerFailure

if TYPE_CHECKING:
    from harness.stages.base import Stage, StagePlan
    from harness.stages.context import Pipeline


def begin_stage(pipeline: Pipeline, stage: Stage, plan: StagePlan) -> None:
    """What a stage's workers must find: its entry in ``run.json``, no rows of other settings, and the weights."""
    record = pipeline.record(stage, plan)
    pipeline.keep_foreign_rows(stage, plan)
    pipeline.save(stage, record)
    pipeline.source.prepare(stage.module, pipeline.display.step(f"{stage.name}: weights"))


def finish_stage(pipeline: Pipeline, name: str) -> str | None:
    """Merge a stage whose shards have all finished; else say what it lacks."""
    submission, record = Submission.read(pipeline.run), pipeline.manifest.stages.get(name)
    if submission is None or record is None:
        raise WorkerFailure(f"{pipeline.run.path}: its record of {name} is gone", ExitCode.BUG)
    if unfinished := submission.unfinished(pipeline.run, name):
        return f"{name}: {len(unfinished)} of {submission.shards} shards did not finish"
    if not record.finished:
        adopt_provenance(pipeline, name)
        pipeline.worked_on(STAGES[name])
        pipeline.finish(STAGES[name], record, pipeline.plan(STAGES[name]))
    return None


def adopt_provenance(pipeline: Pipeline, name: str) -> None:
    """Put into ``run.json`` what the shards' workers told of themselves."""
    submission, record = Submission.read(pipeline.run), pipeline.manifest.stages.get(name)
    if submission is None or record is None:
        return
    told = [state for state in submission.states(pipeline.run, name).values() if state and state.provenance]
    for state in told:
        pipeline.note_provenance(STAGES[name], record, state.provenance)
        record.environment = state.environment
        record.seconds = max(record.seconds, state.seconds)
