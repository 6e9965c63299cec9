"""What GenEval rows and reward rows have in common: where a row stands, its fields, which prompt it belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from wire.cards import Cards
from wire.errors import UserError
from wire.row_files import numbered_lines, parse_row

#: Upstream's layout, ``00012/samples/0003.png``: line of the suite and number of the sample. Some tools pad the
#: sample to five digits or prefix folders of their own.
LAYOUT = re.compile(r"(?:^|[/\\])(\d{1,9})[/\\]samples[/\\](\d{1,9})\.\w+$")
#: Whose rows :func:`with_our_ids` knows, and of which version, for notes.
ORIGIN = "MIRO's score_images.py (547003a0)"
#: The first number that is no count: tables keep 32 bits.
_TOO_LARGE = 1 << 31

_DECODER: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True)
class Rows:
    """The rows of a JSONL file, in its order; a row's place counts from 0."""

    path: Path
    lines: Sequence[int]  #: (N,) number of the line that each row stands in, from 1
    records: Sequence[dict[str, Any]]

    def at(self, places: Sequence[int]) -> Rows:
        """The rows at some places, in that order."""
        lines, records = self.lines, self.records
        return Rows(self.path, [lines[place] for place in places], [records[place] for place in places])

    def column(self, key: str) -> list[Any]:
        """A key's values, None where a row has none."""
        return [record.get(key) for record in self.records]

    def texts(self, key: str) -> list[str]:
        """A column of texts. Raises UserError: one is missing or not text."""
        return self._required(key, self.column(key), lambda value: isinstance(value, str), "text")

    def optional_texts(self, key: str, *, objects: bool = False) -> list[str]:
        """A column of texts that may be missing or null: then empty; ``objects`` may stand there as such."""
        values = ["" if value is None else value for value in self.column(key)]
        if objects:
            values = [json.dumps(value) if isinstance(value, dict) else value for value in values]
        return self._required(key, values, lambda value: isinstance(value, str), "text")

    def indices(self, key: str) -> list[int | None]:
        """A column of counts from 0, None where missing.
        Raises UserError: one is something else than a whole number from 0.
        """
        return self._required(key, self.column(key), is_index, "a whole number from 0")

    def _required(self, key: str, values: list[Any], fits: Callable[[Any], bool], wanted: str) -> list[Any]:
        place = next((place for place, value in enumerate(values) if not fits(value)), None)
        if place is None:
            return values
        if key not in self.records[place]:
            keys = ", ".join(self.records[place])[:120]
            raise self.error(place, f"no {key!r} in this row, which must have it ({wanted}); its keys are {keys}")
        found = "nothing" if values[place] is None else f"{type(values[place]).__name__} {str(values[place])[:40]!r}"
        raise self.error(place, f"{key!r} must be {wanted}, found {found}")

    def error(self, place: int, message: str) -> UserError:
        """An error that names file and line."""
        return UserError(f"{self.path}:{self.lines[place]}: {message}")


def is_index(value: Any) -> bool:
    """A count from 0 that tables can hold, or None."""
    return value is None or (type(value) is int and 0 <= value < _TOO_LARGE)


def read_rows(path: Path) -> Rows:
    """Read a JSONL file; a last line cut short by a crash is skipped. No rows where there is no file.

    Of a key that a row has twice the last value is taken.
    Raises UserError: the file cannot be read, or a line is not a JSON object or too long.
    """
    try:
        numbered = [(number, _record(line, path, number)) for number, line in numbered_lines(path)]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise UserError(f"{path}: not a file of rows (JSON nested too deeply)") from error
    return Rows(path, [number for number, _ in numbered], [record for _, record in numbered])


def _record(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """The line's object. Python's parser, several times as slow, reads NaN and the like, and words the errors."""
    try:
        return _DECODER.decode(line)
    except (ValueError, RecursionError):
        row = parse_row(line, path, number)
        return {_encodable(key): _encodable(value) for key, value in row.items()}


def _encodable(value: Any) -> Any:
    """JSON whose texts UTF-8 can hold: half a surrogate pair becomes its escape."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(content) for key, content in value.items()}
    return list(map(_encodable, value)) if isinstance(value, list) else value


def json_object(value: Any) -> dict[str, Any]:
    """A JSON object, given as such or as text (as upstream writes ``metadata``); an empty one for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


@lru_cache(maxsize=1 << 14)
def sample_place(filename: str) -> tuple[int, int] | None:
    """(prompt index, sample index) as the file name has them in upstream's layout; None in any other."""
    match = LAYOUT.search(filename)
    return (int(match[1]), int(match[2])) if match else None


def sample_numbers(rows: Rows, filenames: Sequence[str]) -> list[int | None]:
    """(N,) the rows' own sample indices, else those in the file names."""
    places = map(sample_place, filenames)
    recorded = rows.indices("sample_index")
    return [place[1] if own is None and place else own for own, place in zip(recorded, places, strict=True)]


def prompt_keys(indices: Sequence[int | None], filenames: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Which rows belong to one prompt.

    By the rows' own prompt index, else by the folder number in the file name, else by the prompt's text. A number
    that stands for more than one text (shards that each count from 0) does not identify a prompt, so the next way
    is taken.

    From (N,) prompt indices, file names and texts (the prompt's metadata, or the prompt itself) to (N,) keys:
    five-digit numbers, or the texts.
    """
    numbers = indices
    if not _identify(numbers, texts):
        places = [sample_place(filename) for filename in filenames]
        numbers = [place[0] if place else None for place in places]
        if not _identify(numbers, texts):
            return list(texts)
    names = {number: f"{number:05d}" for number in set(numbers)}
    return [names[number] for number in numbers]


def _identify(numbers: Sequence[int | None], texts: Sequence[str]) -> bool:
    """Whether every row has a number, and every number one text."""
    pairs = set(zip(numbers, texts, strict=True))
    return None not in numbers and len({number for number, _ in pairs}) == len(pairs)


def with_our_ids(rows: Rows, cards: Cards) -> Rows:
    """Reward rows of MIRO's own script under our metric ids, as the metrics' cards have them; any others as they are.

    ``eval/rewards/score_images.py`` (https://github.com/nicolas-dufour/miro at commit 547003a0) writes ``filename``,
    ``prompt`` and up to six scores. A row is one of its own if it has no other key, of which ours have more.
    Its ``hpsv2`` is v2.0, although MIRO's training data were scored with v2.1, and of images cropped to a square where
    the authors' package pads: a note says so.
    """
    ids = {card.upstream: card.metric for card in cards.values() if card.upstream}
    known = {"filename", "prompt", *ids}
    if not rows.records or not all("filename" in record and record.keys() <= known for record in rows.records):
        return rows
    records = [{ids.get(key, key): value for key, value in record.items()} for record in rows.records]
    return replace(rows, records=records)


def within_run(filenames: Sequence[str], folder: Path) -> list[str]:
    """File names relative to the run directory, as ours are, so that the stages of one run can be joined.

    Upstream writes whole paths, or paths from where it was started. A prefix that all names have before
    ``00012/samples/0003.png`` goes, unless the files are there under the names as they stand.
    """
    prefix = _prefix(filenames[0]) if filenames else ""
    if not prefix or any(_prefix(name) != prefix for name in filenames) or _is_file(folder, filenames[0]):
        return list(filenames)
    return [name[len(prefix) :] for name in filenames]


def _prefix(filename: str) -> str:
    match = LAYOUT.search(filename)
    return filename[: match.start(1)] if match else ""


def _is_file(folder: Path, filename: str) -> bool:
    path = Path(filename)
    try:
        return not path.is_absolute() and (folder / path).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
