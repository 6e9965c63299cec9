"""Small file operations that every part relies on. Standard library only."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

#: Seconds after which a partial file that nobody has written to is left over: its writer was killed.
LEFT_OVER = 3600.0
#: Bytes read at a time for hashing: large enough to keep a disk busy, small beside any model.
_CHUNK = 1 << 22
_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.partial")


def partial_name(path: Path) -> Path:
    """A new name beside a file, under which it is written before it takes its place: no other writer has the same one.

    Random, so that nothing can lie in wait under it; hidden, and short whatever the file is called.
    """
    return path.with_name(f".{secrets.token_hex(8)}.partial")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a :func:`partial_name`; what is written there takes the file's place, or goes if the block fails."""
    partial = partial_name(path)
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def sweep(folders: Iterable[Path]) -> None:
    """Remove what killed writers left in these folders: plain files under a :func:`partial_name`, an hour old.

    Nothing below the folders, and nothing behind a link, is looked at; what cannot be removed stays.
    """
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                ours = _PARTIAL.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
                if ours and time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFT_OVER:
                    Path(entry).unlink()


def write_atomically(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all, even if the machine stops in the middle."""
    with replacing(path) as partial, partial.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a whole JSONL file atomically."""
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def sha256_of_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(record: Any) -> str:
    """First 16 hex digits of the sha256 of a JSON-able value, independent of key order."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def natural_order(path: Path | str) -> list[tuple[int, str]]:
    """Sort key that puts ``step=9`` before ``step=10``."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]
