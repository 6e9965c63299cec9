"""Files that make room for others of their name: kept beside them, marked with what they are."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

from wire.files import replacing, sha256_of_file


def kept_path(path: Path, mark: str) -> Path:
    """Where a file's bytes are kept: ``results.previous.<mark>.jsonl``."""
    return path.with_suffix(f".previous.{mark}{path.suffix}")


def keep(path: Path, mark: str) -> Path:
    """Keep a file's bytes under their mark, the file itself staying where it is; returns where they are kept.

    Other bytes that were kept under that mark go to a name with a number; nothing that was kept is overwritten.
    """
    kept = kept_path(path, mark)
    if kept.exists() and sha256_of_file(kept) != sha256_of_file(path):
        numbered = (kept_path(path, f"{mark}-{number}") for number in itertools.count(2))
        os.replace(kept, next(name for name in numbered if not name.exists()))
    if not kept.exists():
        try:
            os.link(path, kept, follow_symlinks=True)
        except OSError:  # a file system without links, or a link to nowhere in its place
            with replacing(kept) as partial:
                shutil.copy(path, partial)
    return kept
