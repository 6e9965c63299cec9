"""The files that make up a checkpoint are those that the run was planned with, or no image is made."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from generation.checkpoint_kinds import GENERATOR, CheckpointSource
from wire.errors import UserError
from wire.files import sha256_of_file

#: Of a file: inode, size, and times (ns) of the last change of its bytes and of its entry.
Stamp = tuple[int, int, int, int]
#: Large files are read side by side.
THREADS = 4


def stamp(file: Path) -> Stamp | None:
    """What tells one state of a file from another; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def stamps(source: CheckpointSource) -> dict[str, Stamp | None]:
    """Of all files of a checkpoint; nothing of a repository, whose commit tells all."""
    return {name: stamp(file) for name, file in source.files().items()}


@contextmanager
def planned_files(source: CheckpointSource, planned: Mapping[str, str]) -> Iterator[None]:
    """Around loading: the files have the sha256 that ``planned`` names, and stay what they are meanwhile.

    Without a plan whatever is there is taken.
    Raises UserError: a file was replaced, added or removed since; nothing was loaded if that was before.
    """
    if not planned:
        yield
        return
    files, before = source.files(), stamps(source)
    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(before, pool.map(lambda name: _sha256(files[name], before[name]), before), strict=True))
    # a generator may write beside its checkpoint; what lies in another's folder may be loaded
    for name in sorted(planned.keys() | (set() if source.kind == GENERATOR else found.keys())):
        digest, wanted = found.get(name, ""), planned.get(name, "")
        if digest != wanted:
            raise _replaced(source, f"{name} has sha256 {digest[:12]}..." if digest else f"{name} is gone", wanted)
    yield
    now = stamps(source)
    for name, wanted in planned.items():
        if now.get(name) != before[name]:
            raise _replaced(source, f"{name} was written while it was loaded", wanted)


def _replaced(source: CheckpointSource, what: str, planned: str) -> UserError:
    wanted = f"{planned[:12]}..." if planned else "no such file"
    return UserError(
        f"{source.path}: {what}, and the run was planned with {wanted}: put the planned one back, or choose another "
        "--out for this one"
    )


@functools.cache
def _sha256(file: Path, state: Stamp | None) -> str:
    """A file that has not changed since the worker's last job is not read again; empty where there is none."""
    return sha256_of_file(file) if state else ""
