"""Which training run a checkpoint is of, and after how many steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reports.read.manifest import display_name
from reports.read.runs import MANIFEST, RunSource
from wire.errors import UserError
from wire.untrusted import read_json

#: Lightning's names and the usual others: ``step=250000``, ``step_250000``, ``epoch=3-step=1000``, ``iter-250k``.
_STEP = re.compile(
    r"(?:^|(?<=[^a-z]))(?:global[_-]?)?(?:steps?|iter(?:ation)?)[=_-]?(\d+)(k?)(?![\da-z])", re.IGNORECASE
)
#: Further parts of such names, which say nothing of the training run.
_EPOCH = re.compile(r"(?:^|(?<=[^a-z]))epoch[=_-]?\d+", re.IGNORECASE)
ALONE = "training"
#: Whole numbers from here on cannot be drawn exactly.
_TOO_MANY = 1 << 53


@dataclass(frozen=True)
class PlacedRun:
    """One checkpoint's run.

    Attributes:
        step: training steps; or the number of the checkpoint, from 1, where ``by_order``.
        by_order: no step is recorded, so that the order given stands for it.
    """

    source: RunSource
    training: str
    step: int
    by_order: bool = False


def placed(sources: Sequence[RunSource]) -> list[PlacedRun]:
    """Runs by training run and step.

    The step is ``run.json``'s (``step`` or ``global_step``, of the run or its checkpoint), else the one in the name of
    the run, its folder or its checkpoint (``step=250000``). What is left of the name is the training run's, else the
    name of the folder above. Where no run has a step, the order given counts.

    Raises:
        UserError: no runs, some have a step and some have not, or two have the same.
    """
    if not sources:
        raise UserError("no runs to track; name the run directories of a training run's checkpoints")
    steps = [_step(source) for source in sources]
    unknown = [source.name for source, step in zip(sources, steps, strict=True) if step is None]
    if len(unknown) == len(sources):
        return [PlacedRun(source, ALONE, place, by_order=True) for place, source in enumerate(sources, start=1)]
    if unknown:
        raise UserError(f"no training step known of {unknown[0]}; name its folder like 'step=250000'")
    runs = [
        PlacedRun(source, _training(source), step)
        for source, step in zip(sources, steps, strict=True)
        if step is not None
    ]
    _refuse_doubles(runs)
    return sorted(runs, key=lambda run: (run.training, run.step))


def _refuse_doubles(runs: Sequence[PlacedRun]) -> None:
    seen: dict[tuple[str, int], PlacedRun] = {}
    for run in runs:
        other = seen.setdefault((run.training, run.step), run)
        if other is not run:
            places = f"{other.source.path} and {run.source.path}"
            raise UserError(f"{places}: both are step {run.step:,} of {run.training!r}; name one")


def _step(source: RunSource) -> int | None:
    record = _record(source)
    checkpoint = record.get("checkpoint")
    for holder in (record, checkpoint if isinstance(checkpoint, dict) else {}):
        for key in ("step", "global_step"):
            if type(holder.get(key)) is int and abs(holder[key]) < _TOO_MANY:
                return int(holder[key])
    found = next((match for name in _names(source, checkpoint) if (match := _STEP.search(name))), None)
    return int(found[1]) * (1000 if found[2] else 1) if found else None


def _names(source: RunSource, checkpoint: Any) -> Iterator[str]:
    yield source.name
    yield source.path.resolve().name
    if isinstance(checkpoint, dict):
        yield str(checkpoint.get("path") or "").rpartition("/")[2]


def _training(source: RunSource) -> str:
    """What the name says beside the step, else the name of the folder above."""
    path = source.path.resolve()
    for name in (source.name, path.name):
        left = _EPOCH.sub("", _STEP.sub("", name)).strip(" -_.=/")
        if left and _STEP.search(name):
            return left
    return display_name(path.parent.name) or ALONE


def _record(source: RunSource) -> dict[str, Any]:
    """``run.json`` once more: reading the manifest has shown that it is an object, or not there."""
    path = source.folder / MANIFEST
    record = read_json(path) if source.path.is_dir() and path.exists() else {}
    return record if isinstance(record, dict) else {}
