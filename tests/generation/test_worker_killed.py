"""A worker killed in the middle, again and again, ends with the bytes of one that was left alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("miro", reason="runs in the generation environment")

from tests.generation.conftest import World
from tests.generation.jobs import items_of, make_job, run_here, start_process

ITEMS = items_of(range(24))
PARAMETERS = {"batch_size": 2, "steps": 8}


def test_killed_at_two_moments(world: World, tmp_path: Path) -> None:
    checkpoint = str(world.checkpoint)
    alone = run_here(make_job(tmp_path / "alone", ITEMS, checkpoint=checkpoint, **PARAMETERS))
    folder = tmp_path / "killed"
    for lines in (1, 15):
        _kill_after(folder, lines, checkpoint)
    resumed = run_here(make_job(folder, ITEMS, checkpoint=checkpoint, **PARAMETERS))
    assert 0 < resumed.event("started")["total"] < len(ITEMS)
    assert (folder / "rows.jsonl").read_bytes() == (tmp_path / "alone" / "rows.jsonl").read_bytes()
    assert resumed.images == alone.images


def _kill_after(folder: Path, lines: int, checkpoint: str) -> None:
    """Start a worker and kill it as soon as the file has that many rows, while it works on the next."""
    process = start_process(make_job(folder, ITEMS, checkpoint=checkpoint, **PARAMETERS))
    deadline = time.monotonic() + 120
    while _rows(folder) < lines and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert lines <= _rows(folder) < len(ITEMS)


def _rows(folder: Path) -> int:
    path = folder / "rows.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0
