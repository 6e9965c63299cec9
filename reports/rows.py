"""What GenEval rows and reward rows have in common: where a row stands, its fields, which prompt it belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.protocol import read_rows

#: Upstream's layout, ``00012/samples/0003.png``: line of the suite and number of the sample. Some tools pad the
#: sample to five digits or prefix folders of their own.
_LAYOUT = re.compile(r"(?:^|[/\\])(\d+)[/\\]samples[/\\](\d+)\.\w+$")


@dataclass(frozen=True)
class SourceRow:
    """One row of a JSONL file, and where it stands.

    Attributes:
        path: the file.
        ordinal: which row of the file, from 1; blank lines do not count.
        values: the row's keys.
    """

    path: Path
    ordinal: int
    values: dict[str, Any]

    def text(self, key: str) -> str:
        """A text field.

        Raises:
            UserError: it is missing or not text.
        """
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.error(f"{key!r} must be text, found {_described(value)}")
        return value

    def optional_text(self, key: str) -> str:
        """A text field that may be missing or null: then empty."""
        value = self.values.get(key)
        if isinstance(value, str):
            return value
        return "" if value is None else self.text(key)

    def index(self, key: str) -> int | None:
        """A count from 0; None where missing.

        Raises:
            UserError: it is something else than a whole number from 0.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(f"{key!r} must be a whole number from 0, found {_described(value)}")
        return value

    def error(self, message: str) -> UserError:
        """An error that names file and line."""
        return UserError(f"{self.path}:{_line_number(self.path, self.ordinal)}: {message}")


def source_rows(path: Path) -> Iterator[SourceRow]:
    """The rows of a JSONL file; a last line cut short by a crash is skipped.

    Raises:
        UserError: the file cannot be read, or a line is not a JSON object.
    """
    try:
        for ordinal, values in enumerate(_rows_at_once(path) or read_rows(path), start=1):
            yield SourceRow(path, ordinal, values)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise UserError(f"{path}: not a file of rows (JSON nested too deeply)") from error


def _rows_at_once(path: Path) -> list[dict[str, Any]] | None:
    """The rows of a file without fault, parsed in one go, in half the time; None for a file to be looked at by line."""
    if not path.exists():
        return None
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    try:
        rows = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        return None
    whole = len(rows) == len(lines) and all(isinstance(row, dict) for row in rows)
    return rows if whole else None


@lru_cache(maxsize=1 << 14)
def sample_place(filename: str) -> tuple[int, int] | None:
    """(prompt index, sample index) as the file name has them in upstream's layout; None in any other."""
    match = _LAYOUT.search(filename)
    return (int(match[1]), int(match[2])) if match else None


def prompt_keys(indices: Sequence[int | None], filenames: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Which rows belong to one prompt.

    By the rows' own prompt index, else by the folder number in the file name, else by the prompt's text. A number
    that stands for more than one text (shards that each count from 0) does not identify a prompt, so the next way
    is taken.

    Args:
        indices: (N,) the rows' ``prompt_index``.
        filenames: (N,) image file names.
        texts: (N,) the prompt's metadata, or the prompt itself.

    Returns:
        (N,) keys: five-digit numbers, or the texts.
    """
    places = [sample_place(filename) for filename in filenames]
    folders = [place[0] if place else None for place in places]
    for numbers in (indices, folders):
        if _identify(numbers, texts):
            return [f"{number:05d}" for number in numbers]
    return list(texts)


def _identify(numbers: Sequence[int | None], texts: Sequence[str]) -> bool:
    text_of: dict[int, str] = {}
    return all(
        number is not None and text_of.setdefault(number, text) == text
        for number, text in zip(numbers, texts, strict=True)
    )


def _line_number(path: Path, ordinal: int) -> int:
    with path.open("rb") as lines:
        filled = (number for number, line in enumerate(lines, start=1) if line.strip())
        return next((number for place, number in enumerate(filled, start=1) if place == ordinal), ordinal)


def _described(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
