"""Bundles made by hand, so that they can be made wrongly too."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Member = tuple[tarfile.TarInfo, bytes]


def nothing(_done: int, _total: int, _label: str) -> None:
    pass


def member(name: str, content: bytes = b"", **changes: Any) -> Member:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for key, value in changes.items():
        setattr(header, key, value)
    return header, content


def index(files: Iterable[dict[str, Any]] = (), links: Iterable[dict[str, Any]] = (), schema: object = 2) -> Member:
    return member("bundle.json", json.dumps({"schema": schema, "files": list(files), "links": list(links)}).encode())


def listed(place: str, content: bytes = b"x") -> dict[str, Any]:
    return {"place": place, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_tar(path: Path, members: Iterable[Member]) -> Path:
    with tarfile.open(path, "w") as archive:
        for header, content in members:
            archive.addfile(header, io.BytesIO(content))
    return path


def write_bundle(path: Path, files: dict[str, bytes], links: Iterable[dict[str, Any]], schema: object = 2) -> Path:
    """Its list tells the truth about its files."""
    known = [listed(place, content) for place, content in files.items()]
    return write_tar(path, [index(known, links, schema), *(member(name, content) for name, content in files.items())])


def left_in(folder: Path, *but: Path) -> list[Path]:
    """Files and links below a folder; what verifying remembers of files does not count."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return [path for path in found if path not in but and not path.name.startswith("ledger.")]
