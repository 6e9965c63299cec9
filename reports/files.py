"""Writing result files: whole or not at all, with the same bytes for the same content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import write_atomically


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text, and make its folder if need be; readers see the old file or the new one, never a part.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encodable)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); name another folder") from error
    return path


def write_json(path: Path, record: dict[str, Any]) -> Path:
    """Write a JSON file that a person can read and ``diff``; non-finite numbers are refused."""
    return write_text(path, json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2) + "\n")
