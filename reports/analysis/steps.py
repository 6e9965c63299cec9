"""Which training run a checkpoint is of, and after how many steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.read.manifest import display_name
from reports.read.runs import RunSource
from wire.errors import UserError
from wire.files import natural_order

#: Lightning's names and the usual others: ``step=250000``, ``step_250000``, ``epoch=3-step=1000``, ``iter-250k``.
_STEP = re.compile(
    r"(?:^|(?<=[^a-z]))(?:global[_-]?)?(?:steps?|iter(?:ation)?)[=_-]?(\d+)(k?)(?![\da-z])", re.IGNORECASE
)
#: What behind it makes a number another than it begins: ``1.5k``, ``250,000``; ``100_000``, but not ``1000_512``.
_GOES_ON = re.compile(r"[.,]\d"), re.compile(r"_\d{3}(?!\d)")
#: Further parts of such names, which say nothing of the training run.
_EPOCH = re.compile(r"(?:^|(?<=[^a-z]))epoch[=_-]?\d+", re.IGNORECASE)
ALONE = "training"


@dataclass(frozen=True)
class PlacedRun:
    """One checkpoint's run."""

    source: RunSource
    training: str
    step: int  #: training steps; or the number of the checkpoint, from 1, where ``by_order``
    by_order: bool = False  #: no step is recorded, so that the order given stands for it


def placed(sources: Sequence[RunSource]) -> list[PlacedRun]:
    """Runs by training run and step.

    The step is ``run.json``'s (``step`` or ``global_step``, of the run or its checkpoint), else the one in the name of
    the run, its folder or its checkpoint (``step=250000``). What is left of the name is the training run's, else the
    name of the folder above. Where no run has a step, the order given counts.
    Raises UserError: no runs, some have a step and some have not, or two have the same.
    """
    if not sources:
        raise UserError("no runs to track; name the run directories of a training run's checkpoints")
    steps = [step_of(source) for source in sources]
    unknown = [source.name for source, step in zip(sources, steps, strict=True) if step is None]
    if len(unknown) == len(sources):
        return [PlacedRun(source, ALONE, place, by_order=True) for place, source in enumerate(sources, start=1)]
    if unknown:
        raise UserError(f"no training step known of {unknown[0]}; name its folder like 'step=250000'")
    seen: dict[tuple[str, int], PlacedRun] = {}
    for source, step in zip(sources, steps, strict=True):
        run = PlacedRun(source, training_of(source), step or 0)
        other = seen.setdefault((run.training, run.step), run)
        if other is not run:
            places = f"{other.source.path} and {source.path}"
            raise UserError(f"{places}: both are step {run.step:,} of {run.training!r}; name one")
    return [run for _, run in sorted(seen.items())]


def step_of(source: RunSource) -> int | None:
    """A checkpoint's training step, see :func:`placed`; None where none is known."""
    if source.manifest.step is not None:
        return source.manifest.step
    for name in (source.name, source.path.resolve().name, source.manifest.checkpoint_file):
        if found := _STEP.search(name):
            grouped = len(found[1]) <= 3 and _GOES_ON[1].match(name, found.end())
            goes_on = grouped or _GOES_ON[0].match(name, found.end())
            return None if goes_on else int(found[1]) * (1000 if found[2] else 1)
    return None


def disorder(places: Sequence[PlacedRun]) -> Iterator[str]:
    """A note on checkpoints whose order stands for the step, and is not that of the numbers in their names."""
    names = [place.source.path.name for place in places if place.by_order]
    for before, after in pairwise(names):
        alike = re.sub(r"\d+", "", before) == re.sub(r"\d+", "", after)
        if alike and natural_order(before) > natural_order(after):
            order = "checkpoints are numbered in the order given, which is not that of their names"
            yield f"{order}: {display_name(before)} comes before {display_name(after)}"
            return


def training_of(source: RunSource) -> str:
    """What the name says beside the step, else the name of the folder above."""
    path = source.path.resolve()
    for name in (source.name, path.name):
        left = _EPOCH.sub("", _STEP.sub("", name)).strip(" -_.=/")
        if left and _STEP.search(name):
            return left
    return display_name(path.parent.name) or ALONE
