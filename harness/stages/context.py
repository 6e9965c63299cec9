"""The main path: the stages in order, and how one is run.

plan     look at the run directory: which rows are missing?
prepare  environment and weights
work     a worker appends the missing rows
merge    known and new rows become the finished file; run.json is updated
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.environments.making import Making
from harness.environments.manager import Environment, choose_backend, ensure, locate, substitution
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RunSettings
from harness.stages.base import Stage, StagePlan, plan_files, record_of
from harness.stages.generate import write_hparams
from harness.stages.registry import STAGES
from harness.terminal.display import Display
from harness.weights.weight_source import WeightSource
from harness.workers.worker import own_environment
from wire.errors import EnvironmentFailure, UserError
from wire.grouping import listed
from wire.kept import keep, kept_path
from wire.protocol import Item


@dataclass(frozen=True)
class Pipeline:
    """One run's stages, run in its locked directory; the ``manifest`` is kept up to date on disk."""

    run: RunDirectory
    manifest: Manifest
    settings: RunSettings
    source: WeightSource
    display: Display
    #: Of stages, and parts of them, that were looked at and not worked on since.
    plans: dict[Stage, StagePlan] = field(default_factory=dict)
    records: dict[str, StageRecord] = field(default_factory=dict)  #: of stages that are worked on
    left_out: dict[str, str] = field(default_factory=dict)  #: why parts of stages cannot be worked on, by name
    told: set[str] = field(default_factory=set)  #: lines about the images that were shown

    def has_scores(self) -> bool:
        """Whether any verdict or reward is there."""
        return any(self.run.rows(stage.rows_file).exists() for stage in STAGES.values() if stage.needs_images)

    def hashes(self) -> dict[Path, str]:
        """Hashes of the files that reports read, by path."""
        rows = [self.run.rows(stage.rows_file) for stage in STAGES.values() if stage.needs_images]
        return {path: self.run.contents.sha256(path) for path in (self.run.manifest, *rows) if path.is_file()}

    def plan(self, stage: Stage) -> StagePlan:
        """What the stage would do now; looked at once, until it is worked on."""
        if stage not in self.plans:
            self.plans[stage] = plan = stage.plan(self.run, self.manifest, self.settings, self.source)
            if not stage.needs_images:
                self._count_samples(plan)
            others = self._others(plan.items) if stage.needs_images else ""
            for line in (self.run.passed_over(), others, *plan.notes):
                if line and line not in self.told:
                    self.display.note(f"{self.run.path}: {line}")
                    self.told.add(line)
        return self.plans[stage]

    def _count_samples(self, plan: StagePlan) -> None:
        """The protocol names as many samples as the run has, if an earlier command has made more than this one asks."""
        samples = self.manifest.protocol.get("samples", 0)
        numbers = {name: row.get("sample_index", 0) for name, row in plan.known.items()}
        more = [one + 1 for name, one in numbers.items() if one >= samples and (self.run.path / name).is_file()]
        self.manifest.protocol["samples"] = max([samples, *more])

    def _others(self, items: Iterable[Item]) -> str:
        """A line about images that are judged and scored and are not those that one would think; empty without any."""
        if makers := [stage for stage in STAGES.values() if stage.promised(self.settings)]:
            asked = {item.filename for stage in makers for item in stage.promised(self.settings)}
            more = [item.filename for item in items if item.filename not in asked]
            why = "beyond those asked for, of earlier commands, count too: choose another --out for fewer"
        elif "generate" in self.manifest.stages:
            rows = self.run.contents.rows(self.run.rows("images.jsonl"))
            made = {row.get("filename"): row.get("image_sha256") for row in rows}
            more = [item.filename for item in items if made.get(item.filename) != item.image_sha256]
            why = "are not as this run made them, so that its settings in run.json are not theirs"
        else:
            return ""
        return f"{len(more)} images ({listed(more)}) {why}" if more else ""

    def parts(self, stages: Iterable[Stage]) -> list[Stage]:
        """What workers do of the stages: all their parts but those that are left out."""
        parts = (part for stage in stages for part in stage.parts(self.settings))
        return [part for part in parts if part.name not in self.left_out]

    def worked_on(self, stage: Stage) -> None:
        """Rows of the stage may have been made, so its plan holds no longer; where images were made, none does."""
        for other in [other for other in self.plans if other.whole is stage.whole]:
            del self.plans[other]
        if not stage.needs_images:
            self.plans.clear()
            self.run.changed()

    def images_to_make(self) -> bool:
        """Whether a stage has promised images that are not there."""
        makers = (stage for stage in STAGES.values() if stage.promised(self.settings))
        return any(self.plan(stage).pending for stage in makers)

    def making(self) -> Making:
        """A block in which environments are made side by side."""
        return Making(self.settings.env_backend, self.display.step)

    def environment(self, stage: Stage) -> Environment:
        """The stage's environment, made ready; the user's own code was imported in it.
        Raises UserError: the user's code needs what the environment has not.
        """
        spec = stage.spec
        environment = ensure(spec, self.settings.env_backend, self.display.step(f"environment {spec.name}"))
        if line := substitution(spec, self.settings.env_backend) or self._not_auto(stage, environment):
            self.display.note(line)
        if arguments := stage.probe(self.settings):
            run_probe(tuple(environment.command(*arguments)))
        self.source.furnish(environment, self.display.step("tiny world"))
        return environment

    def _not_auto(self, stage: Stage, environment: Environment) -> str:
        """A line where the stage goes on in the environment it was begun in, and ``auto`` would take another."""
        begun, auto = self.manifest.stages.get(stage.name), choose_backend(environment.spec, "auto")
        if begun is None or begun.environment.get("backend") != environment.backend or environment.backend == auto:
            return ""
        return f"{stage.name} continues in {environment.backend}, in which it began; a new run uses {auto}"

    def check_weights(self, stage: Stage) -> None:
        """Fetch what the stage cannot do without, else say which of its results must be lacking for want of weights.
        Raises EnvironmentFailure: all of them.
        """
        wanted = stage.weights(self.settings)
        for part in self.parts([stage]):
            self.prepare(part, part.name)
        lacking = self.source.lacking(wanted)
        if lacking and len(lacking) == len(wanted):
            metric, reason = next(iter(lacking.items()))
            raise EnvironmentFailure(
                f"{stage.name}: nothing can be scored, because weights are missing; {metric}: {reason}"
            )
        for metric, reason in lacking.items():
            self.display.note(f"{stage.name}: images that lack {metric} stay unscored: {reason}")

    def prepare(self, stage: Stage, step: str) -> None:
        """Fetch and verify the stage's files by address; of those that it can do without, a lacking one is noted.
        Raises EnvironmentFailure: a file that it needs is not to be had.
        """
        for problem in self.source.prepare(stage.files, self.display.step(step), stage.wanted(self.settings)):
            self.display.note(f"{stage.name}: {problem}")

    def record(self, stage: Stage, plan: StagePlan) -> StageRecord:
        """The entry in ``run.json`` for the stage with these settings; a new one where there was none."""
        record = record_of(self.manifest, stage.name, plan.fingerprint)
        if record is None:
            return StageRecord(plan.fingerprint, plan.settings)
        gone = stage.needs_images and record.rows > len(plan.items)  # rows of images that are no longer there
        record.finished = record.finished and not plan.pending and not gone
        return record

    def in_use(self, stage: Stage, record: StageRecord) -> bool:
        """Whether the stage's finished file is this record's, or nobody's yet."""
        owner = self._owner(stage)
        return owner is None or owner.fingerprint == record.fingerprint

    def save(self, stage: Stage, record: StageRecord) -> None:
        """Put a stage's entry into ``run.json``: beside the one whose rows are in use, until there are new rows."""
        self.records[stage.name] = record
        if self.in_use(stage, record):
            self.manifest.stages[stage.name] = record
        else:
            self.manifest.kept.setdefault(stage.name, {})[record.fingerprint] = record
        self.manifest.write(self.run.manifest)

    def note_provenance(
        self, part: Stage, record: StageRecord, event: dict[str, Any], environment: dict[str, str]
    ) -> None:
        """Keep what the worker says of its models, now: an interrupted stage must go on with the same ones.

        What it says of an environment that is not the stage's usual one stands with that environment.
        """
        stage, now, before, begun = part.whole, provenance_of(event), record.provenance, record.environment
        usual = part.environment == stage.environment
        if not usual:
            begun = record.environments.get(part.spec.name, {})
            before = before | {"device": begun.get("device", now["device"])}
        if not stage.needs_images and before.get("weights", now["weights"]) != now["weights"]:
            raise UserError(
                f"the weights behind this checkpoint have changed since the first images in {self.run.path} were made "
                f"({before['weights']} -> {now['weights']}): choose another --out, or name a revision"
            )
        if before.get("device", now["device"]) != now["device"]:
            devices = f"started on {before['device']}, continued on {now['device']}"
            self.display.note(f"{part.name}: {devices}: the last bits of its results differ")
        kinds = [one.get("backend") for one in (begun or environment, environment)]
        if kinds[0] != kinds[1]:
            kind = f"started in {kinds[0]}, continued in {kinds[1]}"
            self.display.note(f"{part.name}: {kind}: the last bits of its results differ")
        for line in self.source.note_use(now.get("weights", [])):
            self.display.note(f"{stage.name}: {line}")
        _keep_others(before, now)
        if usual:
            record.provenance, record.environment = now, environment
        else:
            both = {key: now.pop(key) for key in ("cards", "weights") if key in now}
            record.provenance = record.provenance | both
            record.environments[part.spec.name] = {**environment, **now}
        self.save(stage, record)

    def finish(self, stage: Stage, record: StageRecord, plan: StagePlan) -> StageRecord:
        """Finished file first, then ``run.json``, then the worker's file goes: in this order nothing is lost.

        Where the finished file is another's, by its settings or its maker, the new rows are written beside it, it is
        kept, ``run.json`` says which are in use from now on, and the new rows take its place; a command that was
        stopped between the last two is made good by :func:`read_manifest`.
        """
        path, owner = self.run.rows(stage.rows_file), self._owner(stage)
        ours = owner is not None and owner.fingerprint == plan.fingerprint
        into = path if ours or (owner is None and not path.exists()) else kept_path(path, plan.fingerprint)
        merged = stage.merge(self.run, replace(plan, reasons=self._reasons(stage)), into)
        if stage.needs_images and record.rows > merged.rows:
            gone = record.rows - merged.rows
            self.display.note(f"{stage.name}: {gone} rows are left out: their images are no longer samples of this run")
        record.rows, record.unscored = merged.rows, merged.unscored
        record.rows_sha256 = self.run.contents.sha256(into)
        if into != path and path.exists():
            self._keep(stage, owner, record)
        record.finished = True
        record.marks = {metric: mark for metric, mark in (record.marks | plan.marks).items() if mark}
        self.manifest.kept.get(stage.name, {}).pop(record.fingerprint, None)
        self.manifest.stages[stage.name] = record
        self.manifest.write(self.run.manifest)
        _take_place(self.run, stage, record)
        for done in plan_files(self.run, stage, plan):
            done.unlink()
        self.worked_on(stage)
        return record

    def _reasons(self, stage: Stage) -> dict[str, str]:
        """Why metrics of parts that are left out have no numbers."""
        left_out = [part for part in stage.parts(self.settings) if part.name in self.left_out]
        return {metric: self.left_out[part.name] for part in left_out for metric in part.weights(self.settings)}

    def _owner(self, stage: Stage) -> StageRecord | None:
        """Whose the finished file is; None where we have not written it."""
        current = self.manifest.stages.get(stage.name)
        return current if current is not None and current.has_rows else None

    def _keep(self, stage: Stage, owner: StageRecord | None, new: StageRecord) -> None:
        """Keep the finished file beside the new one: under its fingerprint, or its hash where another tool made it."""
        path = self.run.rows(stage.rows_file)
        digest = self.run.contents.sha256(path)
        if owner is not None:
            self.manifest.kept.setdefault(stage.name, {})[owner.fingerprint] = owner
            kept = keep(path, owner.fingerprint)
        elif digest != new.rows_sha256:
            kept = keep(path, digest[:16])
        else:
            return
        self.display.note(f"{stage.name}: rows made with other settings are kept as {kept.name}")


def read_manifest(run: RunDirectory) -> Manifest | None:
    """``run.json`` of a locked run, None where there is none; what a stopped command left between files is made good.
    Raises UserError: unreadable, or of another schema version.
    """
    manifest = Manifest.read(run.manifest, run.contents)
    for name, record in manifest.stages.items() if manifest else ():
        if name in STAGES:
            _take_place(run, STAGES[name], record)
    return manifest


def _take_place(run: RunDirectory, stage: Stage, record: StageRecord) -> None:
    """Put rows in use that ``run.json`` says are, and that still lie beside the finished file."""
    path = run.rows(stage.rows_file)
    new = kept_path(path, record.fingerprint)
    if not record.finished or not new.is_file() or run.contents.sha256(new) != record.rows_sha256:
        return
    if path.exists() and path.samefile(new):  # to rename a file to its own other name does nothing
        new.unlink()
    else:
        os.replace(new, path)


def check_environments(settings: RunSettings, stages: Iterable[Stage]) -> None:
    """See what can be seen of environments before a run is opened.
    Raises UserError: there is no such kind; in an environment that is there the user's code cannot be imported.
    """
    for part in (part for stage in stages for part in stage.parts(settings)):
        environment = locate(part.spec, settings.env_backend)
        if environment.ready and (arguments := part.probe(settings)):
            run_probe(tuple(environment.command(*arguments)))


@functools.cache
def run_probe(command: tuple[str, ...]) -> None:
    """Run a short program that says on its error stream's last line what is wrong with the user's code.
    Raises UserError: something is; the message is that line.
    """
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=own_environment())
    if answer.returncode != 0:
        raise UserError((answer.stderr.strip().splitlines() or ["the scorer cannot be imported"])[-1])


def provenance_of(event: dict[str, Any]) -> dict[str, Any]:
    """What a worker's ``started`` event says of its models, without what concerns the wire alone."""
    return {key: value for key, value in event.items() if key not in ("event", "job", "protocol", "total")}


def _keep_others(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Let what an earlier worker scored other metrics with stay."""
    if cards := before.get("cards", {}) | now.get("cards", {}):
        now["cards"] = cards
    loaded = [weight.get("metric") for weight in now.get("weights", [])]
    if earlier := [weight for weight in before.get("weights", []) if weight.get("metric") not in (None, *loaded)]:
        now["weights"] = [*earlier, *now.get("weights", [])]


@contextlib.contextmanager
def reopen(settings: RunSettings, source: WeightSource, display: Display) -> Iterator[Pipeline]:
    """Lock a run that was begun elsewhere and yield its pipeline; its ``run.json`` says all that is to be known.
    Raises UserError: the directory is in use, or its ``run.json`` is gone.
    """
    with RunDirectory(settings.out).locked() as run:
        manifest = read_manifest(run)
        if manifest is None:
            raise UserError(f"{run.manifest} is missing: the run has been deleted or moved since it was submitted")
        yield Pipeline(run, manifest, settings, source, display)
        write_hparams(run, manifest, settings)
