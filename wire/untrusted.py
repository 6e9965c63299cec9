"""What is checked of files that somebody else may have made: a run directory from the internet, a shared folder."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

from wire.errors import EnvironmentFailure, UserError
from wire.row_files import MAX_LINE

#: Folders of a run that we write into.
_OURS = ("", "work", "work/shards", "logs", "report")


def refuse_links_out(run: Path, folder: Path | None = None) -> None:
    """Refuse a run in which a link would have us write to a place outside of it.

    Images and prompt folders may be links, as long as they are only read. ``folder`` is a prompt folder that is about
    to be written; None looks at everything else that we write.

    Raises:
        UserError: names the link, and where it leads.
    """
    for path in _written(run) if folder is None else (folder, folder / "samples", *_partial_files(folder / "samples")):
        if path.is_symlink() and not path.resolve().is_relative_to(run.resolve()):
            raise UserError(
                f"{path}: a link to {path.readlink()}, outside of the run: remove it, nothing is written there"
            )


def _written(run: Path) -> list[Path]:
    folders = [run / name for name in _OURS]
    inside = [Path(entry) for folder in folders if folder.is_dir() for entry in os.scandir(folder)]
    return [path for path in inside if not (path.parent == run and path.name.isdigit())]


def _partial_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix == ".partial"] if folder.is_dir() else []


def require_file(path: Path) -> None:
    """Refuse what is not a file, nor a link to one: reading a pipe or a device may never end.

    Raises:
        UserError: it is none.
    """
    if not path.is_file():
        raise UserError(f"{path}: not a file (a broken link, a folder or a device)")


def refuse_tar(path: Path) -> None:
    """Refuse weights in the form that torch wrote before 2017: reading it runs code, even with ``weights_only``.

    So in every torch before 2.6 (CVE-2025-32434); the GenEval and reward environments have 2.4 and 2.5.

    Raises:
        EnvironmentFailure: it is a tar archive.
    """
    if path.is_file() and tarfile.is_tarfile(path):
        raise EnvironmentFailure(f"{path}: a tar archive, in which no weights are published and code can hide: refused")


def read_small(path: Path) -> str:
    """The text of a file that holds one line, or one document.

    Raises:
        FileNotFoundError: there is none.
        UserError: not a file, or one of more than :data:`wire.row_files.MAX_LINE` bytes.
        ValueError: not UTF-8.
    """
    if path.exists():
        require_file(path)
    with path.open("rb") as file:
        content = file.read(MAX_LINE + 1)
    if len(content) > MAX_LINE:
        raise UserError(f"{path}: more than {MAX_LINE >> 20} MB: not what it should be")
    return content.decode("utf-8")


def is_text(value: Any) -> bool:
    """Whether all strings of a JSON value can be written to a file; JSON can hold halves of characters."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
