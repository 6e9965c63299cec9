"""What of the machine this process may use: a job is often given less than there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
MEMINFO = Path("/proc/meminfo")


def processors() -> int:
    """At least 1: the processors that this process may run on, or fewer where its control groups pay for fewer."""
    return max(1, int(min([len(os.sched_getaffinity(0)), *_quotas()])))


def memory() -> int:
    """Bytes that may still be taken: those available, within the limits of the control groups."""
    lines = MEMINFO.read_text(encoding="ascii").splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    return max(0, min([available, *_left_of_limits()]))


def compilers(gigabytes_each: float) -> int:
    """How many compilers may run side by side: one a processor, each with its memory."""
    return max(1, min(processors(), int(memory() / (gigabytes_each * 1e9))))


def _quotas() -> Iterator[float]:
    """Processors' worth of time, of each control group that has a limit (version 2: ``max`` is none; 1: -1)."""
    for folder in _groups():
        quota = _words(folder / "cpu.max") or [
            *_words(folder / "cpu" / "cpu.cfs_quota_us"),
            *_words(folder / "cpu" / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and quota[0] not in ("max", "-1"):
            yield int(quota[0]) / int(quota[1])


def _left_of_limits() -> Iterator[int]:
    for folder in _groups():
        for limit_file, used_file in (
            ("memory.max", "memory.current"),
            ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
        ):
            limit, used = _words(folder / limit_file), _words(folder / used_file)
            if limit and used and limit[0] != "max":
                yield int(limit[0]) - int(used[0])


def _groups() -> Iterator[Path]:
    """This process's control group and those around it; in a container its root is the only one to be seen."""
    own = next((line[3:] for line in _lines(OWN_CGROUP) if line.startswith("0::")), "/").strip("/")
    parts = [part for part in own.split("/") if part and part != ".."]
    yield from (CGROUPS.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    """A small text file's lines; none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
