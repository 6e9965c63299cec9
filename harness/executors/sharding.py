"""Cut a run into shares, so that stages can follow one another share by share.

A share is a set of images, the same for every stage: judging and scoring a share need nothing but its own images.
Batches are cut from the full list of items whatever the shares (see :mod:`wire.protocol`): shares end where
batches of reward models end, and a worker is told that everything outside its share is done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.run.directory import RunDirectory
from harness.run.settings import RunSettings
from harness.stages.base import Stage, StagePlan, work_file
from harness.stages.registry import STAGES
from wire.errors import UserError
from wire.files import fingerprint
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
        """The share as files are named after it: ``3of16``."""
        return f"{self.index}of{self.count}"

    def of(self, stage: str) -> str:
        """What the share of a stage is called, as are its job and log: ``rewards-3of16``, or plain ``rewards``."""
        return stage if self.count == 1 else f"{stage}-{self.name}"

    def cut(self, items: int) -> range:
        """Positions of the share's items: whole units, as equally many as can be; with few items it may be empty."""
        units = -(-items // self.unit)
        first, last = units * self.index // self.count, units * (self.index + 1) // self.count
        return range(min(first * self.unit, items), min(last * self.unit, items))


def check_shards(count: int) -> int:
    """The count. Raises UserError: out of range."""
    if not 1 <= count <= MAX_SHARDS:
        raise UserError(f"--shards {count}: expected 1 to {MAX_SHARDS}")
    return count


def shares(count: int, unit: int) -> list[Share]:
    """All shares of a run."""
    return [Share(index, count, unit) for index in range(count)]


def shares_of(settings: RunSettings, stages: Sequence[Stage]) -> list[Share]:
    """A run's shares for these stages: as many as asked for, else one for each GPU named."""
    return shares(settings.shards or len(settings.gpus) or 1, share_unit(settings, stages))


def run_items(run: RunDirectory, settings: RunSettings) -> list[Item]:
    """All images that the run has or will have, in the order in which they will be found; without hashes.
    Raises UserError: there are none.
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
        return [
            self.hashed(item) if item.filename in self.own and (self.path / item.filename).is_file() else item
            for item in self._items
        ]


@dataclass(frozen=True)
class ShareJob:
    """What a stage has to do in one share."""

    job: Job  #: the worker's: everything outside the share counts as done
    pending: int  #: rows to be made
    units: int  #: rows that the share has in the end
    missing: str | None  #: a name of an image that the stage needs and that is not there yet; None if all are
    fingerprint: str  #: of what decides the rows


def share_job(pipeline: Pipeline, stage: Stage, share: Share, *, all_made: bool = False) -> ShareJob:
    """Plan a stage's work in one share: from the disk as it is now, starting nothing.

    With ``all_made`` the images of all shares are there, so that one look at the run serves them all.

    Raises UserError: as the stage's own ``plan``.
    """
    run, view = pipeline.run, ShareDirectory(pipeline.run, pipeline.settings, share)
    if all_made or not stage.needs_images:
        plan = pipeline.plan(stage)
    else:
        plan = stage.plan(view, pipeline.manifest, pipeline.settings, pipeline.source)
    keys = {key: item.filename in view.own for item in plan.items for key in stage.keys(item, plan.parameters)}
    own = {key for key, ours in keys.items() if ours}
    ((name, deciding),) = (plan.parts or {stage.name: plan.settings}).items()
    output = run.work(work_file(name, deciding, (share.index, share.count)))
    absent = (item.filename for item in plan.items if item.filename in view.own and item.image_sha256 is None)
    missing = next(absent, None) if stage.needs_images else None
    done = frozenset(keys.keys() - own | (own & plan.done))
    job = Job(stage.module, str(run.path), str(output), plan.items, plan.parameters, done)
    return ShareJob(job, len(own - plan.done), len(own), missing, fingerprint(deciding))


@dataclass(frozen=True)
class Todo:
    """What a run lacks of a stage's part: the ``plan`` is for the whole run, images to be made included."""

    stage: Stage
    plan: StagePlan
    shares: list[Share]


def survey(pipeline: Pipeline, stages: Sequence[Stage]) -> list[Todo]:
    """Look at what each part of a stage lacks; where images are promised, their prompts are written.
    Raises UserError: the run's images, metadata or settings are not as they should be.
    """
    parts, found = shares_of(pipeline.settings, stages), []
    for stage in stages:
        if stage.needs_images and pipeline.images_to_make():
            view = ShareDirectory(pipeline.run, pipeline.settings, Share(0, 1))
            plan = stage.plan(view, pipeline.manifest, pipeline.settings, pipeline.source)
        else:
            plan = pipeline.plan(stage)
        if not stage.needs_images:
            pipeline.run.write_prompts({item.prompt_index: item.metadata for item in plan.items})
        found.append(Todo(stage, plan, _lacking(pipeline, stage, plan, parts)))
    return found


def _lacking(pipeline: Pipeline, stage: Stage, plan: StagePlan, parts: Sequence[Share]) -> list[Share]:
    if not plan.pending:
        return []
    wanting = {i.filename for i in plan.items if any(key not in plan.done for key in stage.keys(i, plan.parameters))}
    items = run_items(pipeline.run, pipeline.settings)
    return [part for part in parts if any(items[position].filename in wanting for position in part.cut(len(items)))]
