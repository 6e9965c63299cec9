"""Faults of file systems: no room, read-only, no locks."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.faults.processes import Act
from bench.faults.stand import Outcome, Stand


@contextlib.contextmanager
def small_disk(stand: Stand, spare: int) -> Iterator[None]:
    """The run directory on a file system with ``spare`` bytes left."""
    kept = stand.run.with_name("kept")
    stand.run.rename(kept)
    stand.run.mkdir()
    size = sum((path.lstat().st_size + 4096) // 4096 * 4096 for path in kept.rglob("*")) + 65536 + spare
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(stand.run)], check=True)
    shutil.copytree(kept, stand.run, dirs_exist_ok=True)
    shutil.rmtree(kept)
    filler = stand.run / "filler"
    free = shutil.disk_usage(stand.run).free - spare
    filler.write_bytes(b"\0" * max(free, 0))
    yield
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,rw,size=256m", str(stand.run)], check=True)


def disk_full(spare: int) -> Act:
    """The disk fills up while the stage runs; afterwards there is room."""

    def act(stand: Stand) -> Outcome:
        with small_disk(stand, spare):
            return stand.go()

    return act


def read_only(stand: Stand) -> Outcome:
    """The file system has been remounted read-only."""
    with small_disk(stand, 1 << 20):
        subprocess.run(["mount", "-o", "remount,ro", str(stand.run)], check=True)
        outcome = stand.go()
        subprocess.run(["mount", "-o", "remount,rw", str(stand.run)], check=True)
        return outcome


def no_locks(stand: Stand) -> Outcome:
    """A network file system whose locks do not work: ``flock`` fails with ENOLCK."""
    return stand.go(LD_PRELOAD=str(_shim(stand)))


def _shim(stand: Stand) -> Path:
    source, library = stand.run.with_name("shim.c"), stand.run.with_name("shim.so")
    source.write_text("#include <errno.h>\nint flock(int f, int o) { errno = ENOLCK; return -1; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library
