"""What runs are called in tables: names that tell them apart, chosen by the user or made from their folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reports.read.manifest import display_name
from wire.errors import UserError

if TYPE_CHECKING:
    from reports.read.runs import Run, RunSource
    from reports.summary.run_summary import RunSummary

#: The folder beside checkpoints that all their runs lie in: it tells none apart.
_SAME = "geneval_images"
NamedRun = TypeVar("NamedRun", "Run", "RunSource", "RunSummary")


def told_apart(runs: Sequence[NamedRun], chosen: Sequence[str] = ()) -> list[NamedRun]:
    """Runs under names that differ: those chosen, else their own, with a part of the folder in front where these meet.
    Raises UserError: the names chosen are not as many as the runs, or are not fit to tell them apart.
    """
    own = [run.name for run in runs]
    names = _checked(chosen, own) if chosen else _unmet(own, [run.folder.resolve() for run in runs])
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def distinct_names(places: Sequence[Path]) -> list[str]:
    """Short names that tell run directories apart: ``9`` and ``10`` of ``runs/9/last`` and ``runs/10/last``.

    Of paths of one depth the parts in which they differ; else their last parts, as many as it takes.
    """
    last = [place.name for place in places]
    return next((names for names in _namings(places) if len(set(names)) == len(names)), last)


def _namings(places: Sequence[Path]) -> Iterator[list[str]]:
    parts = [[part for part in place.absolute().parts[1:] if part != _SAME] for place in places]
    columns = list(zip(*parts, strict=True)) if len(set(map(len, parts))) == 1 else []
    if differing := [column for column in columns if len(set(column)) > 1]:
        yield ["-".join(row) for row in zip(*differing, strict=True)]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        yield ["-".join(one[-depth:]) for one in parts]


def _unmet(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Each name as it is where one run has it; where several have it, none that any other run has."""
    found = list(names)
    taken = {name for name in names if names.count(name) == 1}
    for name in dict.fromkeys(name for name in names if name not in taken):
        places = [place for place, other in enumerate(names) if other == name]
        namings = _namings([folders[place] for place in places])
        candidates = ([display_name(f"{part}/{name}") for part in parts] for parts in namings)
        numbered = (f"{name} #{number}" for number in count(1))
        free = [next(one for one in numbered if one not in taken) for _ in places]
        new = next((one for one in candidates if len(set(one)) == len(one) and taken.isdisjoint(one)), free)
        taken.update(new)
        for place, one in zip(places, new, strict=True):
            found[place] = one
    return found


def _checked(chosen: Sequence[str], own: Sequence[str]) -> list[str]:
    names = [display_name(name) for name in chosen]
    if len(names) != len(own):
        runs = f"{len(own)} run{'' if len(own) == 1 else 's'} ({', '.join(own[:5])}{', ...' if len(own) > 5 else ''})"
        raise UserError(f"--name is given {len(names)} times for {runs}: give one for each, in their order, or none")
    if "" in names or len(set(names)) < len(names):
        raise UserError(f"--name {', '.join(map(repr, names))}: each run needs a name of its own")
    return names
