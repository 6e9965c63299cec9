"""The shape that all stages share."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.environments.spec import EnvironmentSpec, find_spec
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RunSettings
from harness.weights.weight_source import WeightSource
from rewards.scorers.card import Weight
from wire.files import fingerprint
from wire.kept import kept_path
from wire.protocol import Item, cell_key, read_rows

Row = dict[str, Any]
#: A suite's metadata by its line.
Prompts = Mapping[int, dict[str, Any]]


@dataclass(frozen=True)
class StagePlan:
    """What a stage would do now."""

    items: list[Item]  #: all images of the run, finished or not, in order
    done: frozenset[str]  #: keys of finished rows
    units: int  #: rows that a complete stage has
    settings: dict[str, Any]  #: everything that decides the rows' values; hashed into the fingerprint
    parameters: dict[str, Any]  #: what the worker needs besides: device, seeds and so on
    known: dict[str, Row] = field(default_factory=dict)  #: finished rows by key
    #: Where the stage has several, by the name of each what decides its rows; see :func:`work_file`.
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Of metrics that more than the settings decides: fingerprint of all that does.
    marks: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  #: why metrics cannot be scored now, for rows that lack them
    notes: tuple[str, ...] = ()  #: lines for the user about finished rows

    @property
    def pending(self) -> int:
        """Rows still to be made."""
        return self.units - len(self.done)

    @property
    def fingerprint(self) -> str:
        """Hash of the settings."""
        return fingerprint(self.settings)


@dataclass(frozen=True)
class Merged:
    """A stage's finished file; ``unscored`` of its rows (for rewards: of their cells) have no result."""

    rows: int
    unscored: int


@dataclass(frozen=True)
class Stage:
    """One stage, as data; or a part of one, which runs in an environment of its own.

    Parts work on the same images and the same rows. Each is planned, has its workers, files of work, states and jobs;
    the whole has the finished file and the entry in ``run.json``, and is merged when all its parts are through.
    """

    name: str  #: on the command line and in ``run.json``; of a part, in front of what is its own
    module: str  #: worker module
    environment: str  #: name of its environment, or a folder of the user's; of a whole, that of its usual part
    rows_file: str  #: finished rows, in the run directory
    unit: str  #: what its progress counts
    #: Looks at the run directory and says what is to be done; starts nothing.
    plan: Callable[[RunDirectory, Manifest, RunSettings, WeightSource], StagePlan]
    #: Puts known and new rows into the finished file, or into another.
    merge: Callable[[RunDirectory, StagePlan, Path], Merged]
    batch: Callable[[RunSettings], int]  #: images in a batch of its worker
    #: Looks at the settings and at the prompts that images will be made for; touches no run, starts nothing. Returns
    #: lines for the user; raises UserError where the stage could not run.
    validate: Callable[[RunSettings, Prompts], list[str]]
    #: Under which keys the worker's rows of an image go, by the job's parameters.
    keys: Callable[[Item, dict[str, Any]], Iterable[str]] = lambda item, _parameters: (item.filename,)
    needs_images: bool = True  #: it works on images that are there, and its rows are scores; without it, it makes them
    promised: Callable[[RunSettings], list[Item]] = lambda _settings: []  #: the images that it will make
    #: What each of its results, a metric, is computed with; empty where the worker says by itself, before it makes
    #: anything, what is not to be had.
    weights: Callable[[RunSettings], dict[str, tuple[Weight, ...]]] = lambda _settings: {}
    #: Arguments of its environment's Python that import the user's own code; empty where there is none.
    probe: Callable[[RunSettings], list[str]] = lambda _settings: []
    #: The parts that the settings need; see :meth:`parts`.
    divide: Callable[[RunSettings], tuple[Stage, ...]] = lambda _settings: ()
    part_of: Stage | None = None  #: the whole; None for a stage

    @property
    def whole(self) -> Stage:
        """The stage that this is, or is a part of."""
        return self.part_of or self

    @property
    def spec(self) -> EnvironmentSpec:
        """Its environment. Raises UserError: a folder of the user's is none."""
        return find_spec(self.environment)

    @property
    def files(self) -> str:
        """Under which name ``weights.toml`` and the tiny world have what it is computed with."""
        return self.module if self.environment == self.whole.environment else self.spec.name

    def parts(self, settings: RunSettings) -> tuple[Stage, ...]:
        """What its workers do: the stage itself, or its parts where it needs another environment than its usual one."""
        return self.divide(settings) or (self,)

    def wanted(self, settings: RunSettings) -> frozenset[str] | None:
        """Names of files and repositories that its results are computed with; None: it needs all that are listed."""
        named = self.weights(settings)
        return frozenset(weight.source for weights in named.values() for weight in weights) if named else None


def work_file(stage: str, settings: dict[str, Any], shard: tuple[int, int] = (0, 1)) -> str:
    """Name of the file a worker appends to; neither rows made under other settings nor another shard's share it."""
    return f"{stage}-{fingerprint(settings)}-{shard[0]}of{shard[1]}.rows.jsonl"


def work_files(run: RunDirectory, stage: str, settings: dict[str, Any]) -> list[Path]:
    """All such files that are there, of any shards."""
    return sorted(run.work("").glob(f"{stage}-{fingerprint(settings)}-*.rows.jsonl"))


def record_of(manifest: Manifest, stage: str, mark: str) -> StageRecord | None:
    """What ``run.json`` says of a stage's rows of that fingerprint, in use or not."""
    record = manifest.stages.get(stage)
    return record if record and record.fingerprint == mark else manifest.kept.get(stage, {}).get(mark)


def finished_rows(run: RunDirectory, manifest: Manifest, stage: str, rows_file: str, mark: str) -> Path | None:
    """The file with finished rows of that fingerprint: the stage's own, or one kept beside it; None where none is."""
    path, record = run.rows(rows_file), manifest.stages.get(stage)
    if record is not None and record.fingerprint == mark and record.has_rows:
        return path
    kept = kept_path(path, mark)
    return kept if mark in manifest.kept.get(stage, {}) and kept.is_file() else None


def known_rows(
    run: RunDirectory,
    manifest: Manifest,
    stage: str,
    rows_file: str,
    settings: dict[str, Any],
    parts: Mapping[str, dict[str, Any]] | None = None,
) -> Iterator[Row]:
    """Rows made under these settings: finished ones, then an interrupted worker's, of all ``parts``."""
    finished = finished_rows(run, manifest, stage, rows_file, fingerprint(settings))
    from_finished = run.contents.rows(finished) if finished else iter(())
    names = (parts or {stage: settings}).items()
    unfinished = (read_rows(path) for name, deciding in names for path in work_files(run, name, deciding))
    return filter(_is_finite, itertools.chain(from_finished, *unfinished))


def _is_finite(value: Any) -> bool:
    """Whether no number in a row is NaN or infinite: no worker of ours has written any other."""
    if isinstance(value, float):
        return math.isfinite(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_is_finite, parts))


def plan_files(run: RunDirectory, stage: Stage, plan: StagePlan) -> list[Path]:
    """What workers have written by this plan, or by an earlier one like it."""
    parts = (plan.parts or {stage.name: plan.settings}).items()
    return [path for name, deciding in parts for path in work_files(run, name, deciding)]


def with_new_rows(run: RunDirectory, stage: Stage, plan: StagePlan) -> StagePlan:
    """The plan, with what workers have written since it was made; nothing else is looked at again."""
    files = (read_rows(path) for path in plan_files(run, stage, plan))
    new = filter(_is_finite, itertools.chain.from_iterable(files))
    return replace(plan, known=plan.known | keyed_rows(new, plan.items if stage.needs_images else None))


def keyed_rows(rows: Iterable[Row], items: Iterable[Item] | None) -> dict[str, Row]:
    """Rows by the keys of the worker protocol, the later of two.

    With ``items``, only rows of those images, with their bytes, numbers and prompts of now.
    """
    there = None if items is None else {item.filename: item for item in items}
    found = {}
    for row in rows:
        name = str(row.get("filename"))
        if there is None or (name in there and _is_of(row, there[name])):
            found[cell_key(name, row["metric"]) if "metric" in row else name] = row
    return found


def _is_of(row: Row, item: Item) -> bool:
    same_number = row.get("sample_index", item.sample_index) == item.sample_index
    return same_number and bool(row.get("image_sha256") == item.image_sha256) and _is_about(row, item)


def _is_about(row: Row, item: Item) -> bool:
    """Whether a row is about the prompt of now, a verdict also about what that asks for; cells of old name none."""
    asked = row.get("metadata")
    return row.get("prompt", item.prompt) == item.prompt and asked in (None, json.dumps(item.metadata))
