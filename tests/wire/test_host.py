"""What a job may use, by stand-ins for the kernel's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wire import host

GB = 10**9


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host of 64 processors and 200 GB; the job's control group is ``job/step`` under the folder returned."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    groups = tmp_path / "cgroup"
    (groups / "job" / "step").mkdir(parents=True)
    (tmp_path / "own").write_text("0::/job/step\n")
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {200 * GB // 1024} kB\n")
    monkeypatch.setattr(host, "CGROUPS", groups)
    monkeypatch.setattr(host, "OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(host, "MEMINFO", tmp_path / "meminfo")
    return groups


def test_without_limits_it_is_the_machine() -> None:
    assert host.processors() == 64
    assert host.memory() == pytest.approx(200 * GB, abs=1024)


def test_affinity_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5})
    assert host.processors() == 2


@pytest.mark.parametrize("level", ["", "job", "job/step"])
def test_the_tightest_group_counts_wherever_its_limit_is_set(machine: Path, level: str) -> None:
    (machine / level / "cpu.max").write_text("400000 100000\n")
    (machine / "job" / "memory.max").write_text("max\n")
    (machine / "job" / "memory.current").write_text("5\n")
    (machine / level / "memory.max").write_text(f"{8 * GB}\n")
    (machine / level / "memory.current").write_text(f"{3 * GB}\n")
    assert (host.processors(), host.memory()) == (4, 5 * GB)


def test_half_a_processor_is_one(machine: Path) -> None:
    (machine / "cpu.max").write_text("50000 100000\n")
    assert host.processors() == 1


def test_the_first_version_s_files_count_too(machine: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": 300_000, "cpu/cpu.cfs_period_us": 100_000}
    files |= {"memory/memory.limit_in_bytes": 4 * GB, "memory/memory.usage_in_bytes": GB}
    for name, value in files.items():
        (machine / name).parent.mkdir(exist_ok=True)
        (machine / name).write_text(str(value))
    assert (host.processors(), host.memory()) == (3, 3 * GB)
    (machine / "cpu" / "cpu.cfs_quota_us").write_text("-1")
    assert host.processors() == 64


def test_compilers_are_as_many_as_processors_and_memory_allow(machine: Path) -> None:
    assert host.compilers(0.6) == 64
    (machine / "memory.max").write_text(f"{4 * GB}")
    (machine / "memory.current").write_text("0")
    assert (host.compilers(0.6), host.compilers(1.3), host.compilers(40)) == (6, 3, 1)
