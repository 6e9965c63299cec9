"""Files of rows, JSON lines: appended to by one process at a time, read without trust.

Standard library only and Python >= 3.10: a part of ``protocol.py``, which is imported on both sides.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from wire.errors import UserError
from wire.untrusted import MAX_LINE, require_file, unique_keys

__all__ = ["MAX_LINE", "Row", "RowWriter", "numbered_lines", "parse_row", "read_rows", "unique_keys"]

Row = dict[str, Any]


def read_rows(path: Path, seen: Callable[[bytes], object] = len) -> Iterator[Row]:
    """Yield the rows of a JSONL file, none where there is no file; a last line cut short by a crash is skipped.

    Each line is given to ``seen`` as it stands in the file.

    Raises UserError: any other line is not a JSON object, names a key twice, or is longer than :data:`MAX_LINE`; the
    message names file and line.
    """
    return (parse_row(line, path, number) for number, line in numbered_lines(path, seen))


def numbered_lines(path: Path, seen: Callable[[bytes], object] = len) -> Iterator[tuple[int, bytes]]:
    """Yield the filled lines of a JSONL file, counted from 1; none where there is no file; see :func:`read_rows`.
    Raises UserError: not a file, or a line is longer than :data:`MAX_LINE`.
    """
    if not path.exists():
        return
    require_file(path)
    with path.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE + 1), b""), start=1):
            if len(line) > MAX_LINE:
                raise UserError(f"{path}:{number}: a line of more than {MAX_LINE >> 20} MB: not a file of rows")
            seen(line)
            if not line.endswith(b"\n") and not _is_json(line):
                return
            if line.strip():
                yield number, line


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True


def parse_row(line: bytes, path: Path, number: int) -> Row:
    """A line's JSON object; ``path`` and ``number`` are for messages. Raises UserError: as of :func:`read_rows`."""
    try:
        row = json.loads(line.decode("utf-8-sig"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}:{number}: not valid JSON ({error})") from error
    if not isinstance(row, dict):
        raise UserError(f"{path}:{number}: expected a JSON object, found {type(row).__name__}")
    return row


class RowWriter:
    """Appends rows to a JSONL file, a batch at a time; each batch reaches the disk before the next starts.

    On opening, a last line without its newline (a crash in the middle of a write) is cut off. The file is locked:
    a worker that outlives its orchestrator for a moment cannot mix its rows with its successor's.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)  # but not the run's own folder: one that has gone is not made anew
        self._file: IO[bytes] = path.open("ab+")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole != len(content):
            self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows and flush. Non-finite numbers are refused: an error is *unscored*, never NaN."""
        text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
        self._file.write(text.encode("utf-8"))
        self._file.flush()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
