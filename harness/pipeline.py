"""The main path: the stages in order, and how one is run.

plan     look at the run directory: which rows are missing?
prepare  environment and weights
work     a worker appends the missing rows
merge    known and new rows become the finished file; run.json is updated
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from harness.display import Display
from harness.environments.manager import Environment, ensure
from harness.environments.spec import ENVIRONMENTS
from harness.errors import UserError
from harness.executors import local
from harness.files import sha256_of_file
from harness.manifest import Manifest, StageRecord
from harness.protocol import Job
from harness.run_directory import RunDirectory
from harness.settings import RunSettings
from harness.stages.base import Stage, StagePlan, set_aside, work_file, work_files
from harness.stages.generate import GENERATE
from harness.stages.geneval import GENEVAL
from harness.stages.rewards import REWARDS
from harness.weight_source import WeightSource

#: In the order of the main job.
STAGES: dict[str, Stage] = {stage.name: stage for stage in (GENERATE, GENEVAL, REWARDS)}


@dataclass(frozen=True)
class Pipeline:
    """One run's stages, run in its locked directory.

    Attributes:
        run: the locked run directory.
        manifest: its ``run.json``; kept up to date on disk.
        settings: what the user asked for.
        source: where the models come from.
        display: shows progress.
    """

    run: RunDirectory
    manifest: Manifest
    settings: RunSettings
    source: WeightSource
    display: Display

    def run_stages(self, names: list[str]) -> int:
        """Bring stages to their end, one after the other; returns how many items remain unscored.

        All environments are made ready first, so that what cannot work fails before hours are spent.

        Raises:
            MiroEvalError: a stage could not go on; the rows finished so far are kept.
        """
        stages = [STAGES[name] for name in names]
        plans = [self._plan(stage) for stage in stages if not self._waits_for_images(stage, stages)]
        if any(plan.pending for plan in plans):
            for stage in stages:
                self._environment(stage)
        return sum(self._run_stage(stage).unscored for stage in stages)

    def has_scores(self) -> bool:
        """Whether any verdict or reward is there."""
        return any(self.run.rows(STAGES[name].rows_file).exists() for name in ("geneval", "rewards"))

    @staticmethod
    def _waits_for_images(stage: Stage, stages: list[Stage]) -> bool:
        return GENERATE in stages and stage is not GENERATE

    def _plan(self, stage: Stage) -> StagePlan:
        return stage.plan(self.run, self.manifest, self.settings, self.source)

    def _environment(self, stage: Stage) -> Environment:
        spec = ENVIRONMENTS[stage.environment]
        return ensure(spec, self.settings.env_backend, self.display.step(f"environment {spec.name}"))

    def _run_stage(self, stage: Stage) -> StageRecord:
        plan = self._plan(stage)
        record = self._record(stage, plan)
        if record.finished and not plan.pending:
            self.display.note(f"{stage.name}: nothing to do, {plan.units} {stage.unit} are there")
            return record
        if plan.pending:
            self._keep_foreign_rows(stage, plan)
            self._save(stage, record)
            self._work(stage, plan, record)
        return self._finish(stage, record)

    def _record(self, stage: Stage, plan: StagePlan) -> StageRecord:
        """The stage's entry in ``run.json``, a new one where the settings have changed."""
        record = self.manifest.stages.get(stage.name)
        if record is None or record.fingerprint != plan.fingerprint:
            return StageRecord(plan.fingerprint, plan.settings)
        record.finished = record.finished and not plan.pending
        return record

    def _keep_foreign_rows(self, stage: Stage, plan: StagePlan) -> None:
        if kept := set_aside(self.run, self.manifest, stage.name, stage.rows_file, plan.settings):
            self.display.note(f"{stage.name}: rows made with other settings are kept as {kept}")

    def _save(self, stage: Stage, record: StageRecord) -> None:
        self.manifest.stages[stage.name] = record
        self.manifest.write(self.run.manifest)

    def _work(self, stage: Stage, plan: StagePlan, record: StageRecord) -> None:
        """Run the stage's worker on what is missing."""
        started = time.monotonic()
        environment = self._environment(stage)
        record.environment = environment.identity()
        progress = self.display.step(stage.name)
        self.source.prepare(stage.module, progress)
        progress(len(plan.done), plan.units, "loading models")

        done: dict[int, int] = {}

        def on_event(shard: int, event: dict[str, Any]) -> None:
            if event["event"] == "progress":
                done[shard] = event["done"]
                progress(len(plan.done) + sum(done.values()), plan.units, event["label"])
            elif event["event"] == "warning":
                self.display.note(f"{stage.name}: {event['message']}")
            elif event["event"] == "started" and event["total"]:
                self._note_provenance(stage, record, event)

        local.run(self._tasks(stage, plan, environment), on_event)
        progress(plan.units, plan.units, "")
        record.seconds = round(time.monotonic() - started, 1)

    def _note_provenance(self, stage: Stage, record: StageRecord, event: dict[str, Any]) -> None:
        """Keep what the worker says of its models, now: an interrupted stage must go on with the same ones."""
        before, now = record.provenance, {k: v for k, v in event.items() if k not in ("event", "protocol", "total")}
        if stage is GENERATE and before.get("weights", now["weights"]) != now["weights"]:
            raise UserError(
                f"the weights behind this checkpoint have changed since the first images in {self.run.path} were made "
                f"({before['weights']} -> {now['weights']}): choose another --out, or name a revision"
            )
        if before.get("device", now["device"]) != now["device"]:
            self.display.note(
                f"{stage.name}: begun on {before['device']}, goes on on {now['device']}: last bits differ"
            )
        record.provenance = now
        self._save(stage, record)

    def _tasks(self, stage: Stage, plan: StagePlan, environment: Environment) -> list[local.Task]:
        """One worker for each GPU named, each with its share of the batches; else a single one."""
        gpus: tuple[str | None, ...] = self.settings.gpus or (None,)
        return [self._task(stage, plan, environment, (i, len(gpus)), gpu) for i, gpu in enumerate(gpus)]

    def _task(
        self, stage: Stage, plan: StagePlan, environment: Environment, shard: tuple[int, int], gpu: str | None
    ) -> local.Task:
        name = stage.name if shard[1] == 1 else f"{stage.name}-{shard[0]}of{shard[1]}"
        job = self.run.work(f"{name}.job.json")
        output = self.run.work(work_file(stage.name, plan.settings, shard))
        Job(stage.module, str(self.run.path), str(output), plan.items, plan.parameters, plan.done, shard).write(job)
        visible = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        variables = {**self.source.variables(), **visible}
        return local.Task(stage.name, environment.command("-m", stage.module, str(job)), self.run.log(name), variables)

    def _finish(self, stage: Stage, record: StageRecord) -> StageRecord:
        """Finished file first, then ``run.json``, then the worker's file goes: in this order nothing is lost."""
        plan = self._plan(stage)
        merged = stage.merge(self.run, plan)
        record.rows, record.unscored = merged.rows, merged.unscored
        record.rows_sha256 = sha256_of_file(self.run.rows(stage.rows_file))
        record.finished = True
        self._save(stage, record)
        for path in work_files(self.run, stage.name, plan.settings):
            path.unlink()
        return record
