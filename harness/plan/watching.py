"""Find the checkpoints that a training run writes, as it writes them."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from wire.errors import UserError
from wire.files import natural_order

#: Seconds between two looks into the folder; short against any training run's interval between checkpoints.
INTERVAL = 5.0
#: Rewritten again and again by the training run: its images would be of several models.
_MOVING = ("last", "latest")
_Stamp = tuple[int, int]


def settled_checkpoints(
    folder: Path, settle: float, wait: Callable[[float], None] = time.sleep
) -> Iterator[list[Path]]:
    """Yield, again and again, the checkpoints that have become whole since the last time; never ends by itself.

    A checkpoint counts as whole when it is a complete archive whose size and time have not changed for ``settle``
    seconds: a file that is being written has no directory at its end, and one that was renamed into place settles at
    once. ``last.ckpt`` and its like are passed over.
    ``folder``: looked through with all its subfolders, in which runs of ours lie as well.
    ``wait``: what to do between two looks.
    Raises UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"--watch {folder}: no such folder")
    seen: dict[Path, tuple[_Stamp, float]] = {}
    given: dict[Path, _Stamp] = {}
    while True:
        found = [path for path in folder.rglob("*.ckpt") if not path.stem.lower().startswith(_MOVING)]
        whole = [path for path in sorted(found, key=natural_order) if _has_settled(path, settle, seen, given)]
        if whole:
            yield whole
        wait(min(INTERVAL, max(settle, 0.05)))


def _has_settled(path: Path, settle: float, seen: dict[Path, tuple[_Stamp, float]], given: dict[Path, _Stamp]) -> bool:
    """Whether a file is to be given now; both records are kept up to date."""
    try:
        status = path.stat()
    except OSError:  # renamed or deleted since it was listed
        return False
    stamp, now = (status.st_size, status.st_mtime_ns), time.monotonic()
    if seen.get(path, (None, 0.0))[0] != stamp:
        seen[path] = (stamp, now)
    settled = now - seen[path][1] >= settle and given.get(path) != stamp and zipfile.is_zipfile(path)
    if settled:
        given[path] = stamp
    return settled
