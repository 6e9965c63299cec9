"""Writing result files: whole or not at all, with the same bytes for the same content."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wire.errors import DISK_FAULTS, EnvironmentFailure, UserError
from wire.files import write_atomically


@contextlib.contextmanager
def writing(place: Path, also: type[Exception] = OSError) -> Iterator[None]:
    """Make the folder of ``place``, and say in one line why it could not be written.
    ``also``: what a library raises besides OSError.
    Raises UserError: the folder cannot be made or written to; EnvironmentFailure: its disk is full, read-only or
    broken.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, also) as error:
        told = f"{place}: cannot be written ({getattr(error, 'strerror', None) or error})"
        if getattr(error, "errno", None) in DISK_FAULTS:
            raise EnvironmentFailure(f"{told}; free some space, or name a folder on another disk") from error
        raise UserError(f"{told}; name another folder") from error


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text; readers see the old file or the new one, never a part.
    Raises MiroEvalError: see :func:`writing`.
    """
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    with writing(path):
        write_atomically(path, encodable)
    return path


def write_json(path: Path, record: dict[str, Any]) -> Path:
    """Write a JSON file that a person can read and ``diff``; non-finite numbers are refused."""
    return write_text(path, json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """A CSV file, its header first; numbers in the fewest digits that read back, None as an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
