"""What a command has read of files, so that it opens each once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from wire.files import sha256_of_file
from wire.protocol import read_rows
from wire.untrusted import read_bytes

T = TypeVar("T")


class Contents:
    """Values by the file they were read from, read anew when the file's size, time or inode has changed."""

    def __init__(self) -> None:
        self._values: dict[tuple[object, Path], tuple[object, Any]] = {}

    def of(self, path: Path, read: Callable[[Path], T]) -> T:
        """What ``read`` makes of the file; raises what it raises where there is none."""
        stamp = _stamp(path)
        known, value = self._values.get((read, path), (None, None))
        if stamp is None or known != stamp:
            value = read(path)
            self._values[read, path] = stamp, value
        found: T = value
        return found

    def sha256(self, path: Path) -> str:
        """Hex digest of the file's bytes."""
        return self.of(path, sha256_of_file)

    def text(self, path: Path) -> str:
        """A small file's text, whose hash is known from then on."""
        stamp, content = _stamp(path), read_bytes(path)
        self._values[sha256_of_file, path] = stamp, hashlib.sha256(content).hexdigest()
        return content.decode("utf-8")

    def rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """The rows of a JSONL file, see :func:`wire.row_files.read_rows`; read to the end, its hash is known."""
        stamp, digest = _stamp(path), hashlib.sha256()
        yield from read_rows(path, digest.update)
        self._values[sha256_of_file, path] = stamp, digest.hexdigest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
