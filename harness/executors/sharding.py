"""Cut a run into shares, so that stages can follow one another share by share.

A share is a set of images, the same for every stage: judging and scoring a share need nothing but its own images.
Batches are cut from the full list of items whatever the shares (see :mod:`wire.protocol`): shares end where
batches of reward models end, and a worker is told that everything outside its share is done.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RunSettings
from harness.stages.base import Stage, StagePlan, work_file
from harness.stages.registry import STAGES
from harness.weights.weight_source import WeightSource
from wire.errors import UserError
from wire.protocol import Item, Job

if TYPE_CHECKING:
    from harness.stages.context import Pipeline

#: More shards than this are a slip of the finger: arrays of common clusters end here (``MaxArraySize`` is 1001).
MAX_SHARDS = 1000


@dataclass(frozen=True)
class Share:
    """Part ``index``, from 0, of ``count``; it begins and ends where a piece of ``unit`` images does."""

    index: int
    count: int
    unit: int = 1

    @property
    def name(self) -> str:
        """As in names of jobs, logs and files: ``3of16``."""
        return f"{self.index}of{self.count}"

    def cut(self, items: int) -> range:
        """Positions of the share's items: whole units, as equally many as can be; with few items it may be empty."""
        units = -(-items // self.unit)
        first, last = units * self.index // self.count, units * (self.index + 1) // self.count
        return range(min(first * self.unit, items), min(last * self.unit, items))


def check_shards(count: int) -> int:
    """The count.

    Raises:
        UserError: out of range.
    """
    if not 1 <= count <= MAX_SHARDS:
        raise UserError(f"--shards {count}: expected 1 to {MAX_SHARDS}")
    return count


def shares(count: int, unit: int) -> list[Share]:
    """All shares of a run."""
    return [Share(index, count, unit) for index in range(count)]


def run_items(run: RunDirectory, settings: RunSettings) -> list[Item]:
    """All images that the run has or will have, in the order in which they will be found; without hashes.

    Raises:
        UserError: there are none.
    """
    promised = [item for stage in STAGES.values() for item in stage.promised(settings)]
    there = run.listed() if settings.generation is None or any(run.path.glob("[0-9]*")) else []
    return [item for _, item in sorted({item.filename: item for item in [*there, *promised]}.items())]


def share_unit(settings: RunSettings, stages: Sequence[Stage]) -> int:
    """Images in the smallest piece that a share of these stages can be.

    No batch of a detector or reward model straddles two shares, for one of them might not be made yet. A batch of
    generation may: it is made in both, and each keeps its own images of it.
    """
    whole = [stage for stage in stages if stage.needs_images]
    return math.lcm(*(stage.batch(settings) for stage in whole or stages))


class ShareDirectory(RunDirectory):
    """A run directory as one share sees it: all images are listed, only its own are read."""

    def __init__(self, run: RunDirectory, settings: RunSettings, share: Share) -> None:
        super().__init__(run.path, run.contents)
        self._items = run_items(self, settings)
        own = share.cut(len(self._items))
        #: Names of the share's images.
        self.own = frozenset(self._items[position].filename for position in own)

    def scan(self) -> list[Item]:
        """Every image; of those not made yet, and of other shares', without a hash."""
        return [self.hashed(item) if self._is_here(item) else item for item in self._items]

    def _is_here(self, item: Item) -> bool:
        return item.filename in self.own and (self.path / item.filename).is_file()

    def write_prompts(self, metadata: dict[int, dict[str, Any]]) -> None:
        """Whoever shared the run out has written them."""


@dataclass(frozen=True)
class ShareJob:
    """What a stage has to do in one share.

    Attributes:
        plan: the stage's plan, in which everything outside the share counts as done.
        output: the file that takes the share's rows.
        pending: rows to be made.
        units: rows that the share has in the end.
        missing: a name of an image that the stage needs and that is not there yet; None if all are.
    """

    plan: StagePlan
    output: Path
    pending: int
    units: int
    missing: str | None

    def write(self, stage: Stage, run: RunDirectory, path: Path) -> None:
        """Write the worker's job file."""
        plan = self.plan
        Job(stage.module, str(run.path), str(self.output), plan.items, plan.parameters, plan.done).write(path)


def share_job(
    stage: Stage, run: RunDirectory, manifest: Manifest, settings: RunSettings, source: WeightSource, share: Share
) -> ShareJob:
    """Plan a stage's work in one share: from the disk as it is now, starting nothing.

    Raises:
        UserError: as the stage's own ``plan``.
    """
    view = ShareDirectory(run, settings, share)
    plan = stage.plan(view, manifest, settings, source)
    own = {key for item in plan.items if item.filename in view.own for key in stage.keys(item, plan.parameters)}
    foreign = {key for item in plan.items if item.filename not in view.own for key in stage.keys(item, plan.parameters)}
    output = run.work(work_file(stage.name, plan.settings, (share.index, share.count)))
    absent = (item.filename for item in plan.items if item.filename in view.own and item.image_sha256 is None)
    missing = next(absent, None) if stage.needs_images else None
    narrowed = replace(plan, done=frozenset(foreign | (own & plan.done)))
    return ShareJob(narrowed, output, len(own - plan.done), len(own), missing)


def survey(pipeline: Pipeline, stage: Stage, parts: Iterable[Share]) -> tuple[StagePlan, list[Share]]:
    """A stage's plan for the whole run, images to be made included, and the shares in which something is missing."""
    if stage.needs_images and pipeline.images_to_make():
        run, manifest, settings, source = pipeline.run, pipeline.manifest, pipeline.settings, pipeline.source
        plan = share_job(stage, run, manifest, settings, source, Share(0, 1)).plan
    else:
        plan = pipeline.plan(stage)

    def lacks(share: Share) -> bool:
        own = share.cut(len(plan.items))
        items = plan.items[own.start : own.stop]
        return any(key not in plan.done for item in items for key in stage.keys(item, plan.parameters))

    return plan, [share for share in parts if lacks(share)]
