"""``scores.parquet``: the rows of ``scores.csv`` with their types, for tools that read columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.files import writing
from reports.leaderboard.merge import IMAGE_COLUMNS
from reports.leaderboard.row_tables import Part
from wire.files import partial_name

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

#: Runs that are read together, side by side, and written as one row group: bounds the memory.
RUNS_TOGETHER = 50


def write_parquet(parts: Sequence[Part], columns: Sequence[str], path: Path) -> Path:
    """Write the parts of all runs as one Parquet file; it appears whole or not at all.

    ``correct`` is a boolean and ``sample_index`` a whole number, null where unscored or unknown; rewards are 64-bit
    floats, null where unscored; everything else is text, never null.

    Args:
        parts: in the order wanted.
        columns: of all of them, in the order wanted.
        path: in a folder that is there.

    Raises:
        MiroEvalError: see :func:`reports.files.writing`.
    """
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, _type(name)) for name in columns])
    partial = partial_name(path)
    with writing(path, partial, pyarrow.ArrowException):
        with (
            ThreadPoolExecutor(os.cpu_count()) as threads,
            parquet.ParquetWriter(partial, schema, compression="zstd") as writer,
        ):
            for first in range(0, len(parts), RUNS_TOGETHER):
                chosen = parts[first : first + RUNS_TOGETHER]
                writer.write_table(pyarrow.concat_tables(threads.map(lambda part: _table(part, schema), chosen)))
        partial.replace(path)
    return path


def _table(part: Part, schema: pyarrow.Schema) -> pyarrow.Table:
    from pyarrow import csv

    return csv.read_csv(
        part.path,
        read_options=csv.ReadOptions(column_names=list(part.columns), use_threads=False, block_size=1 << 26),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            include_missing_columns=True,
            null_values=[""],
            true_values=["True"],
            false_values=["False"],
            strings_can_be_null=False,
        ),
    )


def _type(column: str) -> Any:
    import pyarrow

    known = {"correct": pyarrow.bool_(), "sample_index": pyarrow.int32()}
    text = column in {*IMAGE_COLUMNS, "unscored_rewards"}
    return known.get(column, pyarrow.string() if text else pyarrow.float64())
