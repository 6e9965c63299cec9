"""The main path: the stages in order, and how one is run.

plan     look at the run directory: which rows are missing?
prepare  environment and weights
work     a worker appends the missing rows
merge    known and new rows become the finished file; run.json is updated
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.environments.manager import Environment, ensure
from harness.environments.spec import ENVIRONMENTS
from harness.executors import find
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RunSettings
from harness.stages.base import Stage, StagePlan, set_aside, work_files
from harness.stages.generate import GENERATE
from harness.stages.geneval import GENEVAL
from harness.stages.rewards import REWARDS
from harness.terminal.display import Display
from harness.weights.weight_source import WeightSource
from wire.errors import EnvironmentFailure, MiroEvalError, UserError
from wire.files import sha256_of_file

#: In the order of the main job.
STAGES: dict[str, Stage] = {stage.name: stage for stage in (GENERATE, GENEVAL, REWARDS)}

#: Of a worker's ``started`` event, what concerns the wire alone.
_NOT_PROVENANCE = ("event", "job", "protocol", "total")


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

    def has_scores(self) -> bool:
        """Whether any verdict or reward is there."""
        return any(self.run.rows(STAGES[name].rows_file).exists() for name in ("geneval", "rewards"))

    def plan(self, stage: Stage) -> StagePlan:
        """What the stage would do now."""
        return stage.plan(self.run, self.manifest, self.settings, self.source)

    def environment(self, stage: Stage) -> Environment:
        """The stage's environment, made ready."""
        spec = ENVIRONMENTS[stage.environment]
        return ensure(spec, self.settings.env_backend, self.display.step(f"environment {spec.name}"))

    def record(self, stage: Stage, plan: StagePlan) -> StageRecord:
        """The stage's entry in ``run.json``, a new one where the settings have changed."""
        record = self.manifest.stages.get(stage.name)
        if record is None or record.fingerprint != plan.fingerprint:
            return StageRecord(plan.fingerprint, plan.settings)
        record.finished = record.finished and not plan.pending
        return record

    def keep_foreign_rows(self, stage: Stage, plan: StagePlan) -> None:
        """Move rows out of the way that were made with other settings, and say so."""
        if kept := set_aside(self.run, self.manifest, stage.name, stage.rows_file, plan.settings):
            self.display.note(f"{stage.name}: rows made with other settings are kept as {kept}")

    def save(self, stage: Stage, record: StageRecord) -> None:
        """Put a stage's entry into ``run.json``."""
        self.manifest.stages[stage.name] = record
        self.manifest.write(self.run.manifest)

    def note_provenance(self, stage: Stage, record: StageRecord, event: dict[str, Any]) -> None:
        """Keep what the worker says of its models, now: an interrupted stage must go on with the same ones."""
        before, now = record.provenance, {k: v for k, v in event.items() if k not in _NOT_PROVENANCE}
        if stage is GENERATE and before.get("weights", now["weights"]) != now["weights"]:
            raise UserError(
                f"the weights behind this checkpoint have changed since the first images in {self.run.path} were made "
                f"({before['weights']} -> {now['weights']}): choose another --out, or name a revision"
            )
        if before.get("device", now["device"]) != now["device"]:
            self.display.note(
                f"{stage.name}: begun on {before['device']}, goes on on {now['device']}: last bits differ"
            )
        for line in self.source.note_use(now.get("weights", [])):
            self.display.note(f"{stage.name}: {line}")
        record.provenance = now
        self.save(stage, record)

    def finish(self, stage: Stage, record: StageRecord) -> StageRecord:
        """Finished file first, then ``run.json``, then the worker's file goes: in this order nothing is lost."""
        plan = self.plan(stage)
        merged = stage.merge(self.run, plan)
        record.rows, record.unscored = merged.rows, merged.unscored
        record.rows_sha256 = sha256_of_file(self.run.rows(stage.rows_file))
        record.finished = True
        self.save(stage, record)
        for path in work_files(self.run, stage.name, plan.settings):
            path.unlink()
        return record


def run_together(pipelines: Sequence[Pipeline], names: Sequence[str]) -> list[int | MiroEvalError | None]:
    """Bring stages to their end in runs with one source and one executor.

    All environments are made ready first, so that what cannot work fails before hours are spent.

    Returns:
        For each run how many items remain unscored; why it could not go on (rows finished so far are kept); or None
        where the work was handed over and goes on without this process.

    Raises:
        MiroEvalError: none of the runs can be worked on, e.g. because an environment cannot be made.
    """
    if not pipelines:
        return []
    executor, stages = find(pipelines[0].settings), [STAGES[name] for name in names]
    if any(_has_work(pipeline, stages) for pipeline in pipelines):
        _check_host(pipelines[0], stages)
        for stage in stages:
            pipelines[0].environment(stage)
    return executor.run(pipelines, stages)


def _has_work(pipeline: Pipeline, stages: Sequence[Stage]) -> bool:
    """Whether anything is to be done, as far as can be told before images are made."""
    if GENERATE in stages:
        stages = [GENERATE]
    try:
        return any(pipeline.plan(stage).pending for stage in stages)
    except MiroEvalError:
        return False  # told when its turn comes


def _check_host(pipeline: Pipeline, stages: Sequence[Stage]) -> None:
    """The quick part of ``miro-eval doctor``; of a cluster's nodes this machine knows nothing.

    Raises:
        EnvironmentFailure: the run cannot work here, and what to do about it.
    """
    from harness.doctor import FAILURE, quick_checks

    settings = pipeline.settings
    if settings.executor != "local":
        return
    names = list(dict.fromkeys(stage.environment for stage in stages))
    published = not pipeline.source.random
    for finding in quick_checks(
        names, pipeline.run.path, env_backend=settings.env_backend, weights=published, offline=settings.offline
    ):
        if finding.status == FAILURE:
            raise EnvironmentFailure(f"{finding.subject}: {finding.text}: {finding.mend}")
        pipeline.display.note(f"{finding.subject}: {finding.text} ({finding.mend})")
