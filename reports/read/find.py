"""Which runs a command line means: folders, folders of them, patterns, files of rows, checkpoints."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from reports.read.runs import MANIFEST, RESULTS, REWARDS, RunSource, find_run
from wire.errors import UserError

#: Where upstream's script puts a checkpoint's images, and so do we: beside it.
BESIDE_CHECKPOINT = "geneval_images"


def find_runs(inputs: Sequence[Path]) -> list[RunSource]:
    """Look up runs; see :func:`find_places`.

    Raises:
        UserError: a manifest is malformed.
    """
    return [find_run(path) for path in find_places(inputs)]


def find_places(inputs: Sequence[Path]) -> list[Path]:
    """Where runs are, in the order given; one named twice counts once.

    Args:
        inputs: run directories, files of rows, folders of run directories (up to two levels down), patterns of any of
            these, and checkpoints (``.ckpt``), which stand for the runs beside them.

    Raises:
        UserError: a pattern matches nothing, or a checkpoint has no run.
    """
    once: dict[Path, Path] = {}
    for path in inputs:
        for place in (run for matched in _matches(path) for run in _runs_of(matched)):
            once.setdefault(place.resolve(), place)
    return list(once.values())


def _matches(path: Path) -> list[Path]:
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    found = sorted(map(Path, glob.glob(str(path))), key=_natural)  # noqa: PTH207 - a pattern from the root on
    if not found:
        raise UserError(f"{path}: the pattern matches nothing")
    return found


def _runs_of(path: Path) -> Iterator[Path]:
    if path.suffix == ".ckpt" and path.is_file():
        run = path.parent / BESIDE_CHECKPOINT / path.stem
        if not run.is_dir():
            raise UserError(f"{path}: no run of this checkpoint at {run}; `miro-eval all {path}` makes it")
        yield run
        return
    within = [] if not path.is_dir() or _is_run(path) else _within(path)
    yield from within or [path]


def _within(folder: Path) -> list[Path]:
    for pattern in ("*", "*/*"):
        found = sorted((place for place in folder.glob(pattern) if _is_run(place)), key=_natural)
        if found:
            return found
    return []


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (RESULTS, REWARDS, MANIFEST))


def _natural(path: Path) -> list[tuple[int, str]]:
    """``step=9`` before ``step=10``."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", str(path))]
