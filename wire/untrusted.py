"""What is checked of files that somebody else may have made: a run directory from the internet, a shared folder.

Standard library only and Python >= 3.10: imported on both sides of the process wall.
"""

from __future__ import annotations

import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

from wire.errors import EnvironmentFailure, UserError

#: Bytes of the longest row, or document, that is read: a hundred times what an image full of boxes needs. A longer one
#: is damage or malice, and is refused before it fills the memory.
MAX_LINE = 16 << 20
#: Levels of the deepest document, a tenth of what Python's own recursion bears.
MAX_DEPTH = 64
#: The largest number of a document: sums and squares of such are still finite.
MAX_NUMBER = 1e100
#: Folders of a run that we write into.
_OURS = ("", "work", "work/shards", "logs", "report")


def refuse_links_out(run: Path, folder: Path | None = None) -> None:
    """Refuse a run in which a link would have us write to a place outside of it, or a pipe or device is in our way.

    Images and prompt folders may be links, as long as they are only read. ``folder`` is a prompt folder that is about
    to be written; None looks at everything else that we write.

    Raises UserError: names the link and where it leads, or what is neither file nor folder.
    """
    for path in _written(run) if folder is None else (folder, folder / "samples"):
        if path.is_symlink() and not path.resolve().is_relative_to(run.resolve()):
            raise UserError(
                f"{path}: a link to {path.readlink()}, outside of the run: remove it, nothing is written there"
            )
        if path.exists() and not path.is_dir():
            require_file(path)


def _written(run: Path) -> list[Path]:
    folders = [run / name for name in _OURS]
    inside = [Path(entry) for folder in folders if folder.is_dir() for entry in os.scandir(folder)]
    return [path for path in inside if not (path.parent == run and path.name.isdigit())]


def require_file(path: Path) -> None:
    """Refuse what is not a file, nor a link to one: reading a pipe or a device may never end.
    Raises UserError: it is none.
    """
    if not path.is_file():
        raise UserError(f"{path}: not a file (a broken link, a folder, a pipe or a device)")


def refuse_tar(path: Path) -> None:
    """Refuse weights in the form that torch wrote before 2017: reading it runs code, even with ``weights_only``.

    So in every torch before 2.6 (CVE-2025-32434); the GenEval and reward environments have 2.4 and 2.5.

    Raises EnvironmentFailure: it is a tar archive.
    """
    if path.is_file() and tarfile.is_tarfile(path):
        raise EnvironmentFailure(f"{path}: a tar archive, in which no weights are published and code can hide: refused")


def read_bytes(path: Path, limit: int = MAX_LINE) -> bytes:
    """The bytes of a file that holds one line, or one document.
    Raises FileNotFoundError: there is none; UserError: not a file, or one of more than ``limit`` bytes.
    """
    if path.exists():
        require_file(path)
    # Some files of the kernel's call themselves plain and wait for content: those are not waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            require_file(path)
        content = file.read(limit + 1) or b""
    if len(content) > limit:
        raise UserError(f"{path}: more than {limit >> 20} MB: not what it should be")
    return content


def read_json(path: Path, limit: int = MAX_LINE) -> Any:
    """What a JSON file holds: the one way to read documents of ours, which a run from elsewhere brings along.
    Raises FileNotFoundError, UserError: see :func:`read_bytes`; ValueError: see :func:`parse_json`.
    """
    return parse_json(read_bytes(path, limit))


def parse_json(content: bytes | str) -> Any:
    """A JSON document within limits; a mark of the byte order in front, as Windows writes it, is passed over.
    Raises ValueError: not UTF-8, not JSON; a key twice; nested deeper than :data:`MAX_DEPTH`; a number that is not
    finite or beyond :data:`MAX_NUMBER`; halves of characters.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=unique_keys)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in _within(one)]
        if not level:
            return value
    raise ValueError("nested too deep")


def _within(value: Any) -> list[Any]:
    """The values in a container, none in anything else; raises as :func:`parse_json`."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        if not is_text(value):
            raise ValueError("holds halves of characters (lone surrogates), which no file can keep")
    elif isinstance(value, (int, float)) and not abs(value) <= MAX_NUMBER:
        raise ValueError("a number that is not finite, or too large")
    return []


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's keys and values, for ``json.loads``; two readers may take either of two values under one key.
    Raises ValueError: a key appears twice.
    """
    record = dict(pairs)
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)[:40]!r} appears twice")
    return record


def is_text(value: Any) -> bool:
    """Whether all strings of a JSON value can be written to a file; JSON can hold halves of characters."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
