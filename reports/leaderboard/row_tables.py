"""Tables over the rows of all runs as CSV and Parquet, put together from parts that are written run by run."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from reports.files import writing
from reports.leaderboard.merge import IMAGE_COLUMNS, LAST
from wire.files import replacing
from wire.host import processors

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow  # type: ignore[import-untyped]

#: Columns of whole numbers, which pandas keeps as floats where some are missing.
WHOLE = frozenset({"sample_index", "images", "judged", "correct"})
#: Runs that are read together, side by side, and written as one row group of Parquet: bounds the memory.
RUNS_TOGETHER = 50
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


def joined_columns(parts: Sequence[Part], leading: Sequence[str], last: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns of all parts: the first, those that only some runs have by name, the last."""
    further = sorted({name for part in parts for name in part.columns} - {*leading, *last})
    return (*leading, *further, *last)


def join_parts(parts: Sequence[Part], path: Path, leading: Sequence[str], last: Sequence[str] = ()) -> Path:
    """Make one CSV file of the parts of all runs, in the order given; it appears whole or not at all.
    Raises MiroEvalError: see :func:`reports.files.writing`.
    """
    columns = joined_columns(parts, leading, last)
    with writing(path), replacing(path) as partial, partial.open("wb") as joined:
        joined.write(_csv_line(columns))
        for part in parts:
            _append(part, columns, joined)
    return path


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


def write_parquet(parts: Sequence[Part], columns: Sequence[str], path: Path) -> Path:
    """Write the parts of all runs as one Parquet file, in the order given; it appears whole or not at all.

    ``correct`` is a boolean and ``sample_index`` a whole number, null where unscored or unknown; rewards are 64-bit
    floats, null where unscored; everything else is text, never null.
    Raises MiroEvalError: see :func:`reports.files.writing`.
    """
    import pyarrow
    from pyarrow import parquet

    types = dict.fromkeys(columns, pyarrow.float64()) | dict.fromkeys((*IMAGE_COLUMNS, *LAST), pyarrow.string())
    types |= {"correct": pyarrow.bool_(), "sample_index": pyarrow.int32()}
    schema = pyarrow.schema([(name, types[name]) for name in columns])
    with (
        writing(path, pyarrow.ArrowException),
        replacing(path) as partial,
        ThreadPoolExecutor(processors()) as threads,
        parquet.ParquetWriter(partial, schema, compression="zstd") as writer,
    ):
        for first in range(0, len(parts), RUNS_TOGETHER):
            chosen = parts[first : first + RUNS_TOGETHER]
            writer.write_table(pyarrow.concat_tables(threads.map(lambda part: _read_part(part, schema), chosen)))
    return path


def _read_part(part: Part, schema: pyarrow.Schema) -> pyarrow.Table:
    from pyarrow import csv as arrow_csv

    return arrow_csv.read_csv(
        part.path,
        read_options=arrow_csv.ReadOptions(column_names=list(part.columns), use_threads=False, block_size=1 << 26),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            include_missing_columns=True,
            null_values=[""],
            true_values=["True"],
            false_values=["False"],
            strings_can_be_null=False,
        ),
    )
