"""Tables over the rows of all runs as CSV, put together from parts that are written run by run, side by side."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from reports.files import writing
from wire.files import partial_name

if TYPE_CHECKING:
    import pandas as pd

#: Columns of whole numbers, which pandas keeps as floats where some are missing.
WHOLE = frozenset({"sample_index", "images", "judged", "correct"})
_TO_BE_QUOTED = ('"', ",", "\n", "\r")
#: How pandas' own words for "nothing here" read.
_MISSING = frozenset({"nan", "<NA>", "None"})


@dataclass(frozen=True)
class Part:
    """One run's rows of a table: a CSV file without a header, and its columns."""

    path: Path
    columns: tuple[str, ...]


def write_part(frame: pd.DataFrame, path: Path) -> Part:
    """Write a run's rows as CSV without a header."""
    lines = map(",".join, zip(*(_cells(frame[column]) for column in frame.columns), strict=True))
    path.write_bytes("\n".join([*lines, ""]).encode("utf-8", "backslashreplace"))
    return Part(path, tuple(map(str, frame.columns)))


def join_parts(parts: Sequence[Part], path: Path, leading: Sequence[str], last: Sequence[str] = ()) -> Path:
    """Make one CSV file of the parts of all runs; it appears whole or not at all.

    Args:
        parts: in the order wanted.
        path: its folder is made if need be.
        leading, last: the first and the last columns; those that only some runs have stand between them, by name.

    Raises:
        MiroEvalError: see :func:`reports.files.writing`.
    """
    columns = joined_columns(parts, leading, last)
    partial = partial_name(path)
    with writing(path, partial):
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as joined:
            joined.write(_csv_line(columns))
            for part in parts:
                _append(part, columns, joined)
        os.replace(partial, path)
    return path


def joined_columns(parts: Sequence[Part], leading: Sequence[str], last: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns of :func:`join_parts`."""
    further = sorted({name for part in parts for name in part.columns} - {*leading, *last})
    return (*leading, *further, *last)


def _append(part: Part, columns: tuple[str, ...], joined: io.BufferedWriter) -> None:
    if part.columns == columns:
        with part.path.open("rb") as content:
            shutil.copyfileobj(content, joined, 1 << 20)
        return
    place = {name: number for number, name in enumerate(part.columns)}
    with part.path.open(encoding="utf-8", newline="") as content:
        for row in csv.reader(content):
            joined.write(_csv_line([row[place[name]] if name in place else "" for name in columns]))


def _csv_line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8")


def _cells(column: pd.Series[Any]) -> list[str]:
    """Cells as written: empty where missing, floats in the fewest digits that read back."""
    if column.dtype == "float64" and column.name not in WHOLE:
        numbers = msgspec.json.encode(column.tolist()).decode()
        return numbers[1:-1].replace("null", "").split(",")
    values = column.tolist()
    if set(map(type, values)) == {str}:
        text = "".join(values)
        if not any(sign in text for sign in _TO_BE_QUOTED):
            return values
    written = {value: _cell(value) for value in set(values)}
    return [written[value] for value in values]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"' if any(sign in value for sign in _TO_BE_QUOTED) else value
    text = str(value)
    return "" if text in _MISSING else text.removesuffix(".0")
