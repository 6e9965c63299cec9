"""Which runs a command line means: folders, folders of them, patterns, files of rows, checkpoints.

What the command line names is taken as it is, and is an error where it has no rows, or malformed ones. What is found by
searching, in a folder or by a pattern, is taken where its rows can be read; the rest is passed over, and said.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reports.read.manifest import display_name
from reports.read.runs import MANIFEST, NO_ROWS, RESULTS, REWARDS, RunSource, find_run, has_rows
from wire.cards import NO_CARDS, Cards
from wire.errors import UserError
from wire.files import natural_order
from wire.grouping import grouped

#: Where upstream's script puts a checkpoint's images, and so do we: beside it.
BESIDE_CHECKPOINT = "geneval_images"
#: How far below a folder its runs are looked for.
LEVELS = 3
#: Names written out in a note before the rest is only counted.
NAMED = 8
_RUN_FILES = {RESULTS, REWARDS, MANIFEST}
#: Folders of a run in which no other run lies: images by prompt, and our own.
_PARTS_OF_A_RUN = re.compile(r"\d+|report|logs|work")
_TOO_DEEP = f"more than {LEVELS} levels down"
_WITHIN = "in the folder of another run that is named itself"


@dataclass(frozen=True)
class Found:
    """What a command line means."""

    places: list[Path]  #: run directories and files of rows, in the order given; one named twice is there once
    notes: tuple[str, ...]  #: what was passed over in searching, and why
    searched: dict[Path, str]  #: of those places that no argument names itself: a name for notes


@dataclass(frozen=True)
class _Place:
    """Where a run may be."""

    path: Path
    name: str  #: for notes: within the folder or pattern that led to it, so that a report tells no path of its host
    passed_over: str = ""  #: why it is not taken; empty where it is
    searched: bool = True  #: the command line does not name it


def find_runs(inputs: Sequence[Path], cards: Cards = NO_CARDS) -> tuple[list[RunSource], tuple[str, ...]]:
    """Look up runs; see :func:`find_places` and :func:`look_up`."""
    return look_up(find_places(inputs), cards)


def look_up(found: Found, cards: Cards = NO_CARDS) -> tuple[list[RunSource], tuple[str, ...]]:
    """Names and manifests of runs, and notes on what was passed over; ``cards`` as of :func:`find_run`.
    Raises UserError: the manifest of a run that is named is malformed, or that of every one.
    """
    sources: list[RunSource] = []
    notes = list(found.notes)
    for path in found.places:
        searched = found.searched.get(path, "")
        try:
            sources.append(replace(find_run(path, cards), searched=searched))
        except UserError as error:
            notes.append(fault_note(path, searched, error))
    if found.places and not sources:
        raise UserError(f"nothing to report; {'; '.join(notes)}")
    return sources, tuple(notes)


def fault_note(path: Path, searched: str, error: UserError) -> str:
    """What is said of a run that a search found and that cannot be read.
    Raises UserError: the error itself, where the command line names the run.
    """
    if not searched:
        raise error
    return f"ignored: {display_name(str(error).replace(str(path), searched, 1))}"


def find_places(inputs: Sequence[Path]) -> Found:
    """Where runs are.
    ``inputs``: run directories, files of rows, folders of run directories (up to :data:`LEVELS` levels down), patterns
    of any of these, and checkpoints (``.ckpt``), which stand for the runs beside them.
    Raises UserError: a pattern matches nothing, a checkpoint has no run, or nothing that a search found has rows.
    """
    once: dict[Path, Path] = {}
    named: set[Path] = set()
    searched: dict[Path, str] = {}
    passed_over: dict[Path, _Place] = {}
    for given in inputs:
        places = list(_places(given))
        taken = [place for place in places if not place.passed_over]
        if not taken:
            raise UserError(f"{given}: nothing to report in it; {'; '.join(_notes(places))}")
        for place in taken:
            path = once.setdefault(place.path.resolve(), place.path)
            searched.setdefault(path, place.name)
            named |= set() if place.searched else {path}
        for place in places:
            if place.passed_over:
                passed_over.setdefault(place.path.resolve(), place)
    rest = [place for path, place in passed_over.items() if path not in once]
    only_searched = {path: display_name(name) for path, name in searched.items() if path not in named}
    return Found(list(once.values()), tuple(_notes(rest)), only_searched)


def _notes(passed_over: Sequence[_Place]) -> Iterator[str]:
    for reason, of_it in grouped((place.passed_over, display_name(place.name)) for place in passed_over).items():
        rest = f" and {len(of_it) - NAMED} more" if len(of_it) > NAMED else ""
        yield f"ignored: {', '.join(of_it[:NAMED])}{rest} ({reason})"


def _places(given: Path) -> Iterator[_Place]:
    if given.exists() or not glob.has_magic(str(given)):
        yield from _named(given)
        return
    found = sorted(map(Path, glob.glob(str(given))), key=natural_order)  # noqa: PTH207 - a pattern from the root on
    if not found:
        raise UserError(f"{given}: the pattern matches nothing")
    root = next(folder for folder in given.parents if not glob.has_magic(str(folder)))
    for path in found:
        yield from _matched(path, root)


def _named(path: Path) -> Iterator[_Place]:
    """What a path stands for that the command line names."""
    if path.suffix == ".ckpt" and path.is_file():
        run = _beside(path)
        if not run.is_dir():
            raise UserError(f"{path}: no run of this checkpoint at {run}; `miro-eval all {path}` makes it")
        yield _Place(run, run.name, searched=False)
        return
    within = list(_within(path, path)) if path.is_dir() else []
    if path.is_dir() and not _is_run(path) and within:
        yield from within
        return
    yield _Place(path, path.name, searched=False)
    yield from (_Place(place.path, place.name, _WITHIN) for place in within if has_rows(place.path))


def _matched(path: Path, root: Path) -> Iterator[_Place]:
    """What a path stands for that a pattern led to."""
    name = str(path.relative_to(root))
    if path.suffix == ".ckpt" and path.is_file():
        run = _beside(path)
        yield _searched(run, name) if run.is_dir() else _Place(path, name, "no run of this checkpoint")
    elif not path.is_dir() or _is_run(path):
        yield _searched(path, name)
    else:
        yield from list(_within(path, root)) or [_Place(path, name, "no run in it")]


def _within(folder: Path, root: Path, level: int = 1) -> Iterator[_Place]:
    """Runs below a folder, nearest first among its own, however deep each lies."""
    inside = _subfolders(folder)
    for path in inside:
        if _is_run(path):
            found = _searched(path, str(path.relative_to(root)))
            yield found if level <= LEVELS else _Place(path, found.name, found.passed_over or _TOO_DEEP)
    for path in inside if level <= LEVELS else ():
        yield from _within(path, root, level + 1)


def _searched(path: Path, name: str) -> _Place:
    return _Place(path, name, "" if has_rows(path) else NO_ROWS)


def _subfolders(folder: Path) -> list[Path]:
    """Folders in which runs may be, in natural order; of one that cannot be read, none."""
    try:
        with os.scandir(folder) as entries:
            names = {entry.name: entry.is_dir() for entry in entries}
    except OSError:
        return []
    if "metadata.jsonl" in names:  # a prompt's images
        return []
    parts = _PARTS_OF_A_RUN if names.keys() & _RUN_FILES else None
    inside = (name for name, is_folder in names.items() if is_folder and not name.startswith("."))
    return [folder / name for name in sorted(inside, key=natural_order) if not (parts and parts.fullmatch(name))]


def _beside(checkpoint: Path) -> Path:
    return checkpoint.parent / BESIDE_CHECKPOINT / checkpoint.stem


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _RUN_FILES)
