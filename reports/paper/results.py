"""What each table and figure is made from, and where ``paper reproduce`` puts it: ``data/results.toml``, typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from reports.paper.printed import read_data
from reports.read.runs import has_rows
from wire.errors import UserError

TABLE, FIGURE, STRIP, LEADERBOARD = "table", "figure", "strip", "leaderboard"


@dataclass(frozen=True)
class Checkpoint:
    """A model of the paper."""

    name: str  #: also of its folder in a set's
    family: str  #: ``miro``, ``diffusers``, or ``other`` for what is not read here
    about: str
    checkpoint: str = ""  #: what ``miro-eval all`` takes; empty where none was published


@dataclass(frozen=True)
class RunSet:
    """A way to make and score images, whatever the model; see ``data/results.toml``."""

    key: str
    suite: str
    samples: int
    metrics: tuple[str, ...] = ()
    sweep: tuple[str, ...] = ()
    #: Name -> negative reward targets; empty for no points.
    points: dict[str, dict[str, float]] = field(default_factory=dict)
    negative: dict[str, float] = field(default_factory=dict)  #: negative reward targets at every point of a grid
    training: bool = False

    @property
    def many(self) -> bool:
        """Whether a model has several runs: points of a grid, or checkpoints along training."""
        return bool(self.sweep or self.points or self.training)


@dataclass(frozen=True)
class Input:
    """Runs that a result needs: ``models`` are names of checkpoints, ``points`` of a grid's points if not all."""

    set: RunSet
    models: tuple[str, ...]
    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """A table, figure or strip."""

    key: str
    kind: str
    title: str
    shows: tuple[str, ...]  #: metric ids, and ``geneval`` for overall and tags
    inputs: tuple[Input, ...]
    #: prompts, steps: of a strip: which it shows, and at which training steps.
    prompts: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class PaperRun:
    """A run that is there; ``point`` names the point or the checkpoint where a model has several."""

    set: str
    model: str
    point: str
    path: Path


@cache
def checkpoints() -> dict[str, Checkpoint]:
    """All models by name, in the order of the data file."""
    return {record["name"]: Checkpoint(**record) for record in read_data("checkpoints")["checkpoints"]}


@cache
def results() -> dict[str, Result]:
    """All results by key, in the paper's order."""
    record, groups = read_data("results"), read_data("checkpoints")["groups"]
    sets = {key: _run_set(key, one) for key, one in record["sets"].items()}
    return {one["key"]: _result(one, sets, groups) for one in record["results"]}


def find_result(key: str) -> Result:
    """The result of that key; a UserError that lists the keys where there is none."""
    if key not in results():
        raise UserError(f"the paper has no {key!r} here; choose from {', '.join(results())}")
    return results()[key]


def runs_in(folder: Path, key: str) -> list[PaperRun]:
    """The runs of a result that are in a folder of ``paper reproduce``, in the order of its inputs.

    Those that have no scores yet, as one that is being made, count for a strip alone, which shows images.
    """
    result = find_result(key)
    found = [run for one in result.inputs for model in one.models for run in _runs(folder, one, model)]
    return [run for run in found if result.kind == STRIP or has_rows(run.path)]


def _runs(folder: Path, needed: Input, model: str) -> Iterator[PaperRun]:
    place = folder / needed.set.key / model
    inside = sorted(path.parent.name for path in place.glob("*/run.json")) if needed.set.many else []
    for point in ("", *inside):  # of one checkpoint along training the folder itself is the run's
        if (place / point / "run.json").is_file() and (not needed.points or point in needed.points):
            yield PaperRun(needed.set.key, model, point, place / point)


def _run_set(key: str, record: Mapping[str, Any]) -> RunSet:
    points = {name: dict(one.get("negative", {})) for name, one in record.get("points", {}).items()}
    return RunSet(**_fixed(record) | {"key": key, "points": points})


def _result(record: Mapping[str, Any], sets: Mapping[str, RunSet], groups: Mapping[str, list[str]]) -> Result:
    inputs = tuple(
        Input(
            sets[one["set"]],
            tuple(model for name in one["models"] for model in groups.get(name, [name])),
            tuple(one.get("points", ())),
        )
        for one in record["inputs"]
    )
    return Result(**_fixed(record) | {"inputs": inputs})


def _fixed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with tuples for its lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
