"""Which training run a checkpoint is of, and after how many steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reports.read.manifest import display_name
from reports.read.runs import RunSource
from wire.errors import UserError

#: Lightning's names and the usual others: ``step=250000``, ``step_250000``, ``epoch=3-step=1000``, ``iter-250k``.
_STEP = re.compile(
    r"(?:^|(?<=[^a-z]))(?:global[_-]?)?(?:steps?|iter(?:ation)?)[=_-]?(\d+)(k?)(?![\da-z])", re.IGNORECASE
)
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
            return int(found[1]) * (1000 if found[2] else 1)
    return None


def training_of(source: RunSource) -> str:
    """What the name says beside the step, else the name of the folder above."""
    path = source.path.resolve()
    for name in (source.name, path.name):
        left = _EPOCH.sub("", _STEP.sub("", name)).strip(" -_.=/")
        if left and _STEP.search(name):
            return left
    return display_name(path.parent.name) or ALONE
