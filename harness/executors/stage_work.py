"""One stage's work in one run: from its plan, through what workers tell of it, to its finished file."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.stages.base import with_new_rows, work_file
from wire.errors import WorkerFailure
from wire.protocol import Job

if TYPE_CHECKING:
    from harness.run.manifest import StageRecord
    from harness.stages.base import Stage, StagePlan
    from harness.stages.context import Pipeline


@dataclass
class StageWork:
    """A stage that is being brought to its end in a run.

    Attributes:
        pipeline: the run.
        stage: which.
        plan: what there was and what was to be done when it began.
        record: its entry in ``run.json``.
        alone: whether the command has no other run, so that its name goes without saying.
        label: what is worked on, as a worker put it.
    """

    pipeline: Pipeline
    stage: Stage
    plan: StagePlan
    record: StageRecord
    alone: bool
    label: str = ""
    _made: dict[int, int] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _told: tuple[str, int] | None = None
    _since: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, pipeline: Pipeline, stage: Stage, alone: bool = True) -> StageWork:
        """Look at what is there; say so where nothing is to be done, else make the run's files ready for rows.

        Raises:
            UserError: the run's images or metadata are not as they should be.
        """
        plan = pipeline.take_plan(stage)
        work = cls(pipeline, stage, plan, pipeline.record(stage, plan), alone)
        if plan.pending:
            pipeline.keep_foreign_rows(stage, plan)
            pipeline.save(stage, work.record)
        elif work.record.finished:
            work._note(f"nothing to do, {plan.units} {stage.unit} are there")
        return work

    @property
    def pending(self) -> bool:
        """Whether a worker is needed."""
        return bool(self.plan.pending)

    @property
    def done(self) -> int:
        """Rows that are there by now."""
        return len(self.plan.done) + sum(self._made.values())

    def write_job(self, shard: tuple[int, int]) -> Path:
        """Write a worker's job file."""
        job = self.pipeline.run.work(f"{self._name(shard)}.job.json")
        output = self.pipeline.run.work(work_file(self.stage.name, self.plan.settings, shard))
        plan, directory = self.plan, str(self.pipeline.run.path)
        Job(self.stage.module, directory, str(output), plan.items, plan.parameters, plan.done, shard).write(job)
        return job

    def log(self, shard: tuple[int, int]) -> Path:
        """Where a worker's words go."""
        return self.pipeline.run.log(self._name(shard))

    def refer_to(self, log: Path, shard: tuple[int, int]) -> None:
        """Leave word that a worker shared with other runs keeps its log in another run."""
        own = self.log(shard)
        own.parent.mkdir(parents=True, exist_ok=True)
        with own.open("a", encoding="utf-8") as file:
            file.write(f"one worker served several runs; its log is {log}\n")

    def handle(self, shard: int, event: dict[str, Any]) -> None:
        """Take note of what a worker tells.

        Raises:
            UserError: the models are others than those the run was begun with.
        """
        match event["event"]:
            case "progress":
                self._made[shard] = event["done"]
                self.label = event["label"] if self.alone else f"{self.pipeline.manifest.name}: {event['label']}"
            case "warning":
                self._note(event["message"])
            case "started":
                self._began(event)
            case "error":
                self._told = (event["message"], event.get("code", 0))
            case "finished":
                self._ended.add(shard)
                self.record.seconds = round(time.monotonic() - self._since, 1)

    def _began(self, event: dict[str, Any]) -> None:
        if not self.alone and not self._made:
            self._since = time.monotonic()
        if event["total"]:
            self.pipeline.note_provenance(self.stage, self.record, event)

    def failure(self, of_worker: WorkerFailure, shards: int) -> WorkerFailure | None:
        """What a worker's failure means for this run: nothing if the run was through, else the reason it was given."""
        if len(self._ended) == shards:
            return None
        if self._told is None:
            return of_worker
        message, code = self._told
        return WorkerFailure(message, code or of_worker.exit_code, of_worker.details)

    def finish(self) -> StageRecord:
        """Merge what is there into the finished file."""
        if self.record.finished and not self.plan.pending:
            return self.record
        plan = with_new_rows(self.pipeline.run, self.stage, self.plan)
        return self.pipeline.finish(self.stage, self.record, plan)

    def _name(self, shard: tuple[int, int]) -> str:
        index, count = shard
        return self.stage.name if count == 1 else f"{self.stage.name}-{index}of{count}"

    def _note(self, message: str) -> None:
        run = "" if self.alone else f"{self.pipeline.manifest.name}: "
        self.pipeline.display.note(f"{run}{self.stage.name}: {message}")
