"""Sheets of images for a paper: prompts down; runs, training steps or targets across."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.analysis.steps import step_of, training_of
from reports.compare.pairing import image_places
from reports.drawing import PAGE, SMALL, TEXT, plain_name
from reports.gallery.pictures import picture_within, thumbnail
from reports.leaderboard.merge import merge_stages
from reports.read.runs import RunSource, read_source
from wire.errors import UserError
from wire.pictures import UnreadablePicture, read_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

#: Prompts on a sheet where none are named.
PROMPTS = 6
#: Inches: the largest side of an image, the words on the left, a line of words above, between images.
_LARGEST, _LEFT, _LINE, _GAP = 1.25, 0.95, 0.11, 0.03
_LETTER = 0.052
#: Pixels an inch of an image: more are not seen in print, and make the file heavy.
_DOTS = 200


@dataclass(frozen=True)
class SheetRun:
    """The images of one run."""

    column: str  #: what stands above them
    row: str  #: what parts them from others of the same column, e.g. the training run; empty for nothing
    images: dict[tuple[str, int], Path | None]  #: (prompt, sample) -> file, None where it is not there


@dataclass(frozen=True)
class Sheet:
    """Images in rows: each row's prompt and label, with an image or None for each column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Path | None, ...]], ...]


def sheet_run(source: RunSource, column: str, row: str = "") -> SheetRun:
    """Find a run's images by its rows. Raises UserError: no rows, or a malformed one."""
    frame = merge_stages(read_source(source))
    texts = [
        text if isinstance(text, str) and text else key
        for text, key in zip(frame["prompt"], frame["prompt_key"], strict=True)
    ]
    places = zip(texts, (sample for _, sample in image_places(frame)), frame["filename"], strict=True)
    files = {(text, sample): picture_within(source.folder, name) for text, sample, name in places}
    return SheetRun(column, row, files)


def headings(sources: Sequence[RunSource]) -> list[tuple[RunSource, str, str]]:
    """Runs in the order of their columns, each with its column and row: the step of checkpoints of training, with a row
    a training run; else what their protocols differ in, else their names.
    """
    steps = [step_of(source) for source in sources]
    known = [step for step in steps if step is not None]
    if len(known) == len(sources) and len(set(known)) > 1:
        several = len({training_of(source) for source in sources}) > 1
        ordered = sorted(zip(known, sources, strict=True), key=lambda one: one[0])
        placed = [(one, step_heading(step), training_of(one) if several else "") for step, one in ordered]
        if len({(column, row) for _, column, row in placed}) == len(placed):
            return placed
    return [(source, heading, "") for source, heading in zip(sources, _differences(sources), strict=True)]


def step_heading(step: int) -> str:
    """A training step above a column."""
    return f"step {step / 1000:g}k" if step >= 1000 else f"step {step}"


def _differences(sources: Sequence[RunSource]) -> list[str]:
    """The settings in which protocols differ, where these tell the runs apart and are few; else names."""
    apart = ("geneval.", "rewards.", "suite.")
    recorded = [source.manifest.protocol.items() for source in sources]
    protocols = [{_plain(name): value for name, value in one if not name.startswith(apart)} for one in recorded]
    names = sorted({name for one in protocols for name in one})
    differing = [name for name in names if len({one.get(name) for one in protocols}) > 1]
    columns = [", ".join(f"{name} {one[name]}" for name in differing if name in one) or "default" for one in protocols]
    return columns if len(differing) <= 2 and len(set(columns)) == len(sources) else [one.name for one in sources]


def _plain(field: str) -> str:
    return field.removeprefix("reward_targets.").replace("negative_reward_targets.", "negative ")


def make_sheet(runs: Sequence[SheetRun], prompts: Sequence[str] = (), sample: int = 0) -> Sheet:
    """Arrange the images of one sample.
    ``runs``: in the order of their columns.
    ``prompts``: whole texts, or parts of one each; none for the first few that all runs have.
    ``sample``: its number.
    Raises UserError: no run has such a prompt, or no prompt is in all of them.
    """
    texts = list(dict.fromkeys(text for text, at in runs[0].images if at == sample))
    shared = [text for text in texts if all((text, sample) in run.images for run in runs)]
    chosen = [_prompt(part, runs, sample) for part in prompts] or shared[:PROMPTS]
    if not chosen:
        raise UserError(f"these runs share no prompt for which all have an image number {sample}")
    columns = list(dict.fromkeys(run.column for run in runs))
    rows = [
        (text, label, tuple(_image(runs, column, label, (text, sample)) for column in columns))
        for text in chosen
        for label in dict.fromkeys(run.row for run in runs)
    ]
    return Sheet(tuple(columns), tuple(rows))


def _prompt(part: str, runs: Sequence[SheetRun], sample: int) -> str:
    texts = list(dict.fromkeys(text for run in runs for text, at in run.images if at == sample))
    found = [text for text in texts if text.strip().lower() == part.strip().lower()]
    found = found or [text for text in texts if part.strip().lower() in text.lower()]
    if not found:
        raise UserError(f"--prompt {part!r}: no run has such a prompt")
    return found[0]


def _image(runs: Sequence[SheetRun], column: str, row: str, place: tuple[str, int]) -> Path | None:
    return next((run.images.get(place) for run in runs if (run.column, run.row) == (column, row)), None)


def draw_sheet(sheet: Sheet) -> Figure:
    """Draw it as wide as a page at most; an image that is not there, or is none, is a gray field that says so."""
    from matplotlib.figure import Figure

    side = min(_LARGEST, (PAGE - _LEFT) / len(sheet.columns) - _GAP)
    letters = max(4, int(side / _LETTER))
    above = [textwrap.wrap(column, letters, max_lines=4, placeholder="…") for column in sheet.columns]
    room = 0.06 + _LINE * max(map(len, above))
    width, height = _LEFT + len(sheet.columns) * (side + _GAP), room + len(sheet.rows) * (side + _GAP)
    figure = Figure(figsize=(width, height))
    for number, (prompt, label, images) in enumerate(sheet.rows):
        top = 1 - (room + number * (side + _GAP)) / height
        _describe(figure, prompt, label, top, side, number == 0 or sheet.rows[number - 1][0] != prompt)
        for place, image in enumerate(images):
            left = (_LEFT + place * (side + _GAP)) / width
            axes = figure.add_axes((left, top - side / height, side / width, side / height))
            _show(axes, image, round(side * _DOTS))
            if number == 0:
                axes.set_title(plain_name("\n".join(above[place])), fontsize=SMALL, pad=2, linespacing=1.05)
    return figure


def _describe(figure: Figure, prompt: str, label: str, top: float, side: float, first: bool) -> None:
    """The prompt beside the first of its rows, and what the row is of."""
    letters, lines = int((_LEFT - 0.08) / _LETTER), max(1, int(side / _LINE) - bool(label))
    words = textwrap.wrap(prompt, letters, max_lines=lines, placeholder="…") if first else []
    share = side / figure.get_figheight()
    figure.text(0.005, top - 0.02 * share, plain_name("\n".join(words)), fontsize=SMALL, va="top", linespacing=1.1)
    figure.text(0.005, top - 0.97 * share, plain_name(label), fontsize=TEXT, va="bottom", weight="bold")


def _show(axes: Any, image: Path | None, pixels: int) -> None:
    axes.set_axis_off()
    drawn = _pixels(image, pixels) if image else "not there"
    if isinstance(drawn, str):
        drawn, words = np.full((2, 2, 3), 225, dtype=np.uint8), drawn
        axes.text(0.5, 0.5, words, transform=axes.transAxes, fontsize=SMALL, ha="center", va="center", color="#555555")
    axes.imshow(drawn, interpolation="antialiased", aspect="equal")


def _pixels(path: Path, most: int) -> NDArray[np.uint8] | str:
    """The image, no larger than it is printed; or why it cannot be shown."""
    try:
        return read_picture(path.read_bytes(), lambda picture: np.asarray(thumbnail(picture, most), dtype=np.uint8))
    except (OSError, UnreadablePicture):
        return "cannot be shown"
