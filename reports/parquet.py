"""``scores.parquet``: the rows of ``scores.csv`` with their types, for tools that read columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from reports.merge import IMAGE_COLUMNS

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

#: Bytes of CSV that are looked at together, which bounds the memory.
BLOCK = 16 << 20


def write_parquet(source: Path, path: Path) -> Path:
    """Write a file of :func:`reports.row_tables.join_parts` as Parquet; it appears whole or not at all.

    ``correct`` is a boolean and ``sample_index`` a whole number, null where unscored or unknown; rewards are 64-bit
    floats, null where unscored; everything else is text, never null.

    Args:
        source: ``scores.csv``.
        path: in a folder that is there.

    Raises:
        UserError: it cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    partial = path.with_name(path.name + ".partial")
    try:
        blocks = _blocks(source)
        first = next(blocks)
        with parquet.ParquetWriter(partial, first.schema, compression="zstd") as writer:
            writer.write_batch(first)
            for block in blocks:
                writer.write_batch(block)
        partial.replace(path)
    except (OSError, pyarrow.ArrowException) as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written ({error}); name another folder") from error
    return path


def _blocks(source: Path) -> Iterator[pyarrow.RecordBatch]:
    from pyarrow import csv

    with source.open(encoding="utf-8") as lines:
        columns = next(lines).rstrip("\n").split(",")
    yield from csv.open_csv(
        source,
        read_options=csv.ReadOptions(block_size=BLOCK),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={name: _type(name) for name in columns},
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
