"""A stage's work on one share of a run: planned, handed to a worker, told of, ended; and how a stage's shares begin and
are merged. The same here and on a cluster.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.executors import queue
from harness.executors.sharding import Share, Todo, share_job
from harness.executors.share_state import FAILED, FINISHED, Journal, state_file
from harness.executors.submission import Submission
from harness.run.directory import RunDirectory
from harness.stages.base import with_new_rows
from harness.workers.worker import Program
from wire.errors import ExitCode, MiroEvalError, UserError, WorkerFailure
from wire.files import fingerprint

if TYPE_CHECKING:
    from harness.environments.manager import Environment
    from harness.run.manifest import StageRecord
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline


class ShareWork:
    """What has to be done for one stage in one share; its state file tells the same."""

    def __init__(self, run: RunDirectory, stage: Stage, share: Share) -> None:
        self.run = run
        self.stage = stage
        self.share = share
        self.journal: Journal
        self._program: Program
        #: Whether the worker has said that no row is missing any more.
        self.finished = False
        self._told: tuple[str, int] | None = None

    @property
    def name(self) -> str:
        """What its job and its log are called."""
        return self.share.of(self.stage.name)

    @property
    def log(self) -> Path:
        """Where a worker that begins with this share says what it says."""
        return self.run.log(self.name)

    def begin(self) -> None:
        """From here on the state file tells of it."""
        self._told, self.finished = None, False
        self.journal = Journal(state_file(self.run, self.stage.name, self.share), queue.job_id(), self.log)

    def write_job(self, pipeline: Pipeline, environment: Environment, *, all_made: bool = False) -> Path | None:
        """Plan, from the disk as it is now, and write the worker's job file; None where no row is missing.
        Raises UserError: an image that the share needs is not there, or the stage cannot be planned.
        """
        planned = share_job(pipeline, self.stage, self.share, all_made=all_made)
        self.journal.plan(planned.fingerprint, planned.units - planned.pending, planned.units, environment.identity())
        if planned.missing:
            raise UserError(f"{self.run.path / planned.missing} is not there: not all images of this share exist yet")
        if not planned.pending:
            return None
        path = self.run.work(f"{self.name}.job.json")
        planned.job.write(path)
        return path

    def program(self, pipeline: Pipeline, environment: Environment, job: Path, gpu: str | None = None) -> Program:
        """What a worker that begins with this share runs, on the GPU named."""
        visible = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        command = environment.worker(self.stage.module, str(job))
        return Program(self.stage.name, command, self.log, {**pipeline.source.variables(self.stage.files), **visible})

    def done_by(self, program: Program) -> None:
        """A worker has it; where that began with another share, leave word where its words are."""
        self._program = program
        if program.log == self.log:
            return
        self.journal.state.log = str(program.log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"one worker served several shares; its log is {program.log}\n")

    def handle(self, event: dict[str, Any]) -> None:
        """Take note of what the worker tells."""
        self.journal.handle(event)
        self.finished = self.finished or event["event"] == "finished"
        if event["event"] == "error":
            self._told = (event["message"], event.get("code", 0))

    def failure(self, status: int, hung: str = "") -> WorkerFailure:
        """Why the worker did not finish, in its own words where it found some."""
        message, code = self._told or ("", 0)
        return self._program.failure(code or status, message, hung)

    def end(self, error: BaseException | None = None) -> None:
        """Note that the work has come to its end, or failed."""
        self.journal.ended(FINISHED if error is None else FAILED, error)


def lost_environment(environment: Environment, failure: MiroEvalError) -> MiroEvalError:
    """The failure; where the environment has gone meanwhile, that is what to tell."""
    if environment.ready:
        return failure
    text = f"environment {environment.spec.name} was removed while its worker ran"
    details = failure.details if isinstance(failure, WorkerFailure) else ""
    again = "run the same command again to set it up and continue"
    return WorkerFailure(f"{text}; {again}", ExitCode.ENVIRONMENT_FAILURE, details)


def begin_stage(pipeline: Pipeline, todo: Todo) -> None:
    """What workers must find: the stage's entry in ``run.json``."""
    pipeline.save(todo.stage.whole, pipeline.record(todo.stage.whole, todo.plan))


def finish_stage(pipeline: Pipeline, stage: Stage) -> str | None:
    """Merge a stage of which all shares, in all parts, that lacked something have finished; else say what it lacks."""
    submission = Submission.read(pipeline.run)
    if submission is None:
        raise WorkerFailure(f"{pipeline.run.path}: its record of {stage.name} is gone", ExitCode.BUG)
    for part in submission.parts(stage.name):
        if unfinished := submission.unfinished(pipeline.run, part):
            return f"{part}: {len(unfinished)} of {submission.shards} shards did not finish"
    record = pipeline.record(stage, pipeline.plan(stage))
    if not record.finished or not pipeline.in_use(stage, record):
        merge_stage(pipeline, stage, record)
    return None


def merge_stage(pipeline: Pipeline, stage: Stage, record: StageRecord) -> None:
    """Rows of all shares become the finished file; what their workers told of themselves goes into ``run.json``.

    Rows that were kept, and are whole, are of earlier workers than those that told of themselves last. One worker does
    several shares one after the other, so a part took as long as its busiest worker did, and the stage as all of
    them. What stands there of rows made with other settings does not count.
    """
    submission, plan, took = Submission.read(pipeline.run), pipeline.plan(stage), list[float]()
    for part in pipeline.parts([stage]) if submission and not record.finished else ():
        seconds, mark = defaultdict[str, float](float), fingerprint(plan.parts.get(part.name, plan.settings))
        states = submission.states(pipeline.run, part.name).values() if submission else ()
        for state in (state for state in states if state and state.fingerprint == mark):
            seconds[state.log] += state.seconds
            if state.provenance:
                pipeline.note_provenance(part, record, state.provenance, state.environment)
        took += [max(seconds.values())] if seconds else []
    record.seconds = sum(took) or record.seconds
    pipeline.finish(stage, record, with_new_rows(pipeline.run, stage, plan))
