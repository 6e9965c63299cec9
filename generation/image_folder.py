"""A folder of images made already: recognised, and checked against the suite that it should cover.

Standard library only: the orchestrator asks before any environment is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wire.errors import UserError
from wire.pictures import is_picture_name, samples_among
from wire.untrusted import read_json

_PROMPT_FOLDER = re.compile(r"[0-9]+")

#: Prompts named in a message before the rest is only counted.
NAMED = 5


def is_image_folder(path: Path) -> bool:
    """Whether ``path`` holds prompt folders: ``00000/metadata.jsonl`` (or ``0``), ``00000/samples/0000.png``, ..."""
    return path.is_dir() and any(
        _PROMPT_FOLDER.fullmatch(entry.name) and (entry / "metadata.jsonl").is_file() for entry in path.iterdir()
    )


def prompt_in(folder: Path) -> Any:
    """The prompt in a prompt folder's metadata; None where there is none to be read."""
    try:
        return read_json(folder / "metadata.jsonl")["prompt"]
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None


def coverage(
    folder: Path, prompts: Mapping[int, str], samples: int, suite: str, read: Callable[[Path], Any] = prompt_in
) -> str:
    """One line that says which images of a suite a folder lacks, or that it lacks none.

    ``prompts`` go as far as the run is to reach, ``samples`` are wanted of each; ``read`` gives the prompt of a prompt
    folder, None where it has none.
    Raises UserError: there is no image at all.
    """
    numbered = [entry for entry in folder.iterdir() if _PROMPT_FOLDER.fullmatch(entry.name)]
    folders = {int(entry.name): entry for entry in numbered}  # padded or not
    places = {index: folders.get(index, folder / f"{index:05d}") for index in prompts}
    counts = {
        index: len(samples_among(path.name for path in place.glob("samples/*"))) for index, place in places.items()
    }
    if not any(counts.values()) and not any(is_picture_name(path.name) for path in folder.glob("*/samples/*")):
        raise UserError(f"{folder}: its prompt folders hold no images; expected 00000/samples/0000.png and so on")
    found = {index: read(place) for index, place in places.items()}
    here = [index for index in prompts if found[index] is not None]
    other = [index for index in here if found[index] != prompts[index]]
    if not here or len(other) == len(here):
        return f"{folder}: its prompts are not those of suite {suite}; what is missing is not known"
    lacks = [
        _tell("without images", [index for index in prompts if not counts[index]]),
        _tell(f"with fewer than {samples} images", [index for index in prompts if 0 < counts[index] < samples]),
        _tell(f"with another prompt than suite {suite} has there", other),
    ]
    problems = "; ".join(text for text in lacks if text)
    images = sum(counts.values())
    return f"{folder}: {images} images of {len(prompts)} prompts of suite {suite}; " + (problems or "none is missing")


def _tell(what: str, indices: list[int]) -> str:
    if not indices:
        return ""
    rest = ", ..." if len(indices) > NAMED else ""
    return f"{len(indices)} {what} ({', '.join(f'{index:05d}' for index in indices[:NAMED])}{rest})"
