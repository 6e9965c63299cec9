"""The main path: the stages in order, and how one is run.

plan     look at the run directory: which rows are missing?
prepare  environment and weights
work     a worker appends the missing rows
merge    known and new rows become the finished file; run.json is updated
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.environments.manager import Environment, ensure
from harness.environments.spec import ENVIRONMENTS
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RunSettings
from harness.stages.base import Stage, StagePlan, set_aside, work_files
from harness.stages.generate import write_hparams
from harness.stages.registry import STAGES
from harness.terminal.display import Display
from harness.weights.weight_source import WeightSource
from wire.errors import UserError

#: Of a worker's ``started`` event, what concerns the wire alone.
_NOT_PROVENANCE = ("event", "job", "protocol", "total")


@dataclass(frozen=True)
class Pipeline:
    """One run's stages, run in its locked directory.

    Attributes:
        manifest: its ``run.json``; kept up to date on disk.
        plans: of stages that were looked at and not worked on since.
    """

    run: RunDirectory
    manifest: Manifest
    settings: RunSettings
    source: WeightSource
    display: Display
    plans: dict[str, StagePlan] = field(default_factory=dict)

    def has_scores(self) -> bool:
        """Whether any verdict or reward is there."""
        return any(self.run.rows(stage.rows_file).exists() for stage in STAGES.values() if stage.needs_images)

    def hashes(self) -> dict[Path, str]:
        """Hashes of the files that reports read, by path."""
        rows = [self.run.rows(stage.rows_file) for stage in STAGES.values() if stage.needs_images]
        return {path: self.run.contents.sha256(path) for path in (self.run.manifest, *rows) if path.is_file()}

    def plan(self, stage: Stage) -> StagePlan:
        """What the stage would do now; looked at once, until it is worked on."""
        if stage.name not in self.plans:
            self.plans[stage.name] = stage.plan(self.run, self.manifest, self.settings, self.source)
            if line := self.run.passed_over():
                self.display.note(f"{self.run.path}: {line}")
        return self.plans[stage.name]

    def worked_on(self, stage: Stage) -> None:
        """Rows of the stage may have been made, so its plan holds no longer; where images were made, none does."""
        self.plans.pop(stage.name, None)
        if not stage.needs_images:
            self.plans.clear()
            self.run.changed()

    def images_to_make(self) -> bool:
        """Whether a stage has promised images that are not there."""
        makers = (stage for stage in STAGES.values() if stage.promised(self.settings))
        return any(self.plan(stage).pending for stage in makers)

    def environment(self, stage: Stage) -> Environment:
        """The stage's environment, made ready."""
        spec = ENVIRONMENTS[stage.environment]
        return ensure(spec, self.settings.env_backend, self.display.step(f"environment {spec.name}"))

    def prepare(self, stage: Stage, step: str) -> None:
        """Fetch and verify the stage's files by address; of those that it can do without, a lacking one is noted.

        Raises:
            EnvironmentFailure: a file that it needs is not to be had.
        """
        wanted = stage.wanted(self.settings) if stage.wanted else None
        for problem in self.source.prepare(stage.module, self.display.step(step), wanted):
            self.display.note(f"{stage.name}: {problem}")

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
        before, now = record.provenance, provenance_of(event)
        if not stage.needs_images and before.get("weights", now["weights"]) != now["weights"]:
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
        if cards := before.get("cards", {}) | now.get("cards", {}):
            now["cards"] = cards  # of metrics that an earlier worker scored as well
        record.provenance = now
        self.save(stage, record)

    def finish(self, stage: Stage, record: StageRecord, plan: StagePlan) -> StageRecord:
        """Finished file first, then ``run.json``, then the worker's file goes: in this order nothing is lost."""
        merged = stage.merge(self.run, plan)
        record.rows, record.unscored = merged.rows, merged.unscored
        record.rows_sha256 = self.run.contents.sha256(self.run.rows(stage.rows_file))
        record.finished = True
        self.save(stage, record)
        for path in work_files(self.run, stage.name, plan.settings):
            path.unlink()
        self.worked_on(stage)
        return record


def provenance_of(event: dict[str, Any]) -> dict[str, Any]:
    """What a worker's ``started`` event says of its models."""
    return {key: value for key, value in event.items() if key not in _NOT_PROVENANCE}


@contextlib.contextmanager
def reopen(settings: RunSettings, source: WeightSource, display: Display) -> Iterator[Pipeline]:
    """Lock a run that was begun elsewhere and yield its pipeline; its ``run.json`` says all that is to be known.

    Raises:
        UserError: the directory is in use, or its ``run.json`` is gone.
    """
    with RunDirectory(settings.out).locked() as run:
        manifest = Manifest.read(run.manifest)
        if manifest is None:
            raise UserError(f"{run.manifest} is missing: the run has been deleted or moved since it was submitted")
        yield Pipeline(run, manifest, settings, source, display)
        write_hparams(run, manifest, settings)
