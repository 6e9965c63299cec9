"""Finding a run's rows: a run directory, or one bare file of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.read.manifest import Manifest, display_name, read_manifest
from reports.read.prompts import gather_prompts, twice_note
from reports.read.reward_rows import RewardTable, is_metric, read_rewards
from reports.read.rows import read_rows
from reports.read.verdicts import REPLACED, TWICE, read_verdicts
from wire.cards import NO_CARDS, Cards
from wire.errors import UserError
from wire.grouping import listed
from wire.row_files import numbered_lines

if TYPE_CHECKING:
    import pandas as pd

    from reports.read.selection import Selection

RESULTS = "results.jsonl"
REWARDS = "rewards.jsonl"
MANIFEST = "run.json"
NO_ROWS = f"no rows in {RESULTS} or {REWARDS}"


@dataclass(frozen=True, eq=False)
class Run:
    """The finished rows of one checkpoint."""

    name: str  #: the checkpoint's name from the manifest, else the folder's name or the file's stem
    folder: Path  #: where it was read from; tells apart runs of one name
    manifest: Manifest
    #: See :func:`reports.read.verdicts.read_verdicts`; None without GenEval rows. Here and in the rewards
    #: ``prompt_key`` is one of a prompt, whatever the numbers under which it stands.
    verdicts: pd.DataFrame | None
    rewards: RewardTable | None
    #: Notes on prompts under several numbers, on rows and images that were there twice, and on stages that saw other
    #: images.
    repeats: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunSource:
    """Where a run is and what it is called: all that is known before its rows are read."""

    path: Path  #: the run directory or bare file
    name: str
    folder: Path
    manifest: Manifest
    searched: str = ""  #: its name for notes where the command line does not name it, but a search found it
    #: Which image of a prompt is kept, see :mod:`reports.read.selection`; None where all count.
    selection: Selection | None = None


def find_run(path: Path, cards: Cards = NO_CARDS) -> RunSource:
    """Look up a run's name and manifest; ``cards`` are as of :func:`reports.read.manifest.read_manifest`.
    Raises UserError: there is nothing there, or its manifest is malformed.
    """
    if path.is_dir():
        manifest = read_manifest(path / MANIFEST, cards)
        return RunSource(path, manifest.name or _folder_name(path), path, manifest)
    if not path.is_file():
        raise UserError(f"{path}: no such file or run directory")
    # A file under its usual name is a part of its folder's run and goes by that name; any other by its own.
    part_of_run = path.name in (RESULTS, REWARDS)
    manifest = read_manifest(path.parent / MANIFEST, cards) if part_of_run else Manifest(cards=dict(cards))
    own_name = _folder_name(path.parent) if part_of_run else display_name(path.stem) or "unnamed"
    return RunSource(path, manifest.name or own_name, path.parent, manifest)


def read_run(path: Path, cards: Cards = NO_CARDS) -> Run:
    """Read a run directory or a bare file of rows of any name: :func:`find_run`, then :func:`read_source`."""
    return read_source(find_run(path, cards))


def read_source(source: RunSource) -> Run:
    """Read the rows of a run that was found. Raises UserError: no rows, or a malformed row."""
    read = _read_folder if source.path.is_dir() else _read_file
    verdicts, rewards = read(source.path, source.manifest.cards)
    judged = {} if verdicts is None else verdicts.attrs
    twice = dict.fromkeys((*judged.get(TWICE, ()), *(rewards.twice if rewards else ())))
    replaced = [*dict.fromkeys((*judged.get(REPLACED, ()), *(rewards.replaced if rewards else ())))]
    verdicts, rewards, notes = gather_prompts(verdicts, rewards)
    frame = verdicts if rewards is None else rewards.frame
    notes = (*_unlike_notes(verdicts, rewards), *_equal_samples(frame), *notes, *twice_note([*twice]))
    if replaced:
        notes = (f"{_images(replaced)} with rows about two files, the last counts: two runs in one file?", *notes)
    return Run(source.name, source.folder, source.manifest, verdicts, rewards, notes)


def image_keys(frame: pd.DataFrame, other: pd.DataFrame) -> list[Any]:
    """What the images of a run's two tables are joined by, equal for one image.

    The file name, and the prompt where names are not enough; images of which the tables know other bytes are two.
    """
    alone = frame["filename"].is_unique and other["filename"].is_unique
    names, theirs = ([*zip(*(one[name] for name in ("filename", *(() if alone else ("prompt",)))), strict=True)]
                     for one in (frame, other))  # fmt: skip
    known = dict(zip(theirs, other["image_sha256"], strict=True))
    hashes = zip(names, frame["image_sha256"], strict=True)
    return [(name, own if own and (known.get(name) or own) != own else "") for name, own in hashes]


def _unlike_notes(verdicts: pd.DataFrame | None, rewards: RewardTable | None) -> Iterator[str]:
    """Notes on a run whose stages saw other images, or other prompts; none where they saw the same."""
    if verdicts is None or rewards is None:
        return
    both = verdicts.merge(rewards.frame, on="filename", suffixes=("", "_of_rewards"))
    if both.empty:
        ways = "; ".join(frame["filename"].iloc[0] for frame in (verdicts, rewards.frame))
        yield f"no image has a verdict and a reward, for their rows name images in two ways ({ways}): none are joined"
    alone = verdicts["filename"].is_unique and rewards.frame["filename"].is_unique
    kinds = {"image_sha256": "as two different files, so not joined", "prompt": "by two different prompts"}
    for column, how in kinds.items() if alone else ():
        ours, theirs = both[column], both[f"{column}_of_rewards"]
        if names := both["filename"][(ours != "") & (theirs != "") & (ours != theirs)].tolist():
            yield f"{_images(names)} judged and scored {how}: run `geneval` and `rewards` again"


def _equal_samples(frame: pd.DataFrame | None) -> Iterator[str]:
    """A note on samples of a prompt that are one picture, as a seed that is always the same makes them."""
    if frame is None:
        return
    known = frame[frame["image_sha256"] != ""]
    again = known[known.duplicated(["prompt_key", "image_sha256"])]
    if prompts := again["prompt_key"].nunique():
        yield f"{len(again):,} samples of {prompts:,} prompts are copies of another sample: had each its own seed?"


def _images(names: Sequence[str]) -> str:
    return f"{len(names):,} image{'' if len(names) == 1 else 's'} ({listed(names)})"


def has_rows(place: Path) -> bool:
    """Whether a run directory or file holds anything to be read, were it a row or not; what cannot be read counts."""
    files = [place / RESULTS, place / REWARDS] if place.is_dir() else [place]
    try:
        return any(True for file in files for _ in numbered_lines(file))
    except (OSError, UserError):
        return True  # to be told by whoever reads it


def _read_folder(folder: Path, cards: Cards) -> tuple[pd.DataFrame | None, RewardTable | None]:
    verdicts, rewards = read_verdicts(folder / RESULTS), read_rewards(folder / REWARDS, cards)
    if verdicts.empty and rewards.frame.empty:
        raise UserError(f"{folder}: {NO_ROWS}; run `geneval` or `rewards` on it first")
    return None if verdicts.empty else verdicts, None if rewards.frame.empty else rewards


def _read_file(path: Path, cards: Cards) -> tuple[pd.DataFrame | None, RewardTable | None]:
    """Told by the first row: GenEval rows have ``correct`` or are unscored, reward rows have a metric."""
    rows = read_rows(path)
    if not rows.records:
        raise UserError(f"{path}: no rows; expected JSONL, one JSON object per line")
    first = rows.records[0]
    correct = first.get("correct", 0.5)
    if not (isinstance(correct, float) and correct not in (0.0, 1.0)) or first.get("status") == "unscored":
        return read_verdicts(path), None
    if not any(is_metric(key, value) for key, value in first.items()) and "unscored" not in first:
        raise rows.error(0, f"neither a GenEval row nor a reward row (keys: {', '.join(first)[:80]})")
    return None, read_rewards(path, cards)


def _folder_name(folder: Path) -> str:
    return display_name(folder.resolve().name) or "unnamed"
