"""What killed writers leave, and who takes it away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.run.directory import RunDirectory
from wire.files import LEFT_OVER, partial_name, sweep

_WRITER = """
import os, signal, sys
from pathlib import Path
from wire.files import replacing
with replacing(Path(sys.argv[1])) as partial:
    partial.write_bytes(bytes(100_000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def left(folder: Path, age: float = 2 * LEFT_OVER) -> Path:
    """A partial file in a folder, untouched for some seconds."""
    path = partial_name(folder / "x")
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_what_a_killed_writer_left_goes_after_an_hour_and_not_before(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _WRITER, tmp_path / "weights"], check=False)
    assert killed.returncode == -signal.SIGKILL
    (partial,) = tmp_path.iterdir()
    sweep([tmp_path])
    assert partial.exists()
    os.utime(partial, (time.time() - LEFT_OVER - 1,) * 2)
    sweep([tmp_path, tmp_path / "missing"])
    assert not partial.exists()


def test_nothing_else_is_swept(tmp_path: Path) -> None:
    """Not a user's file, nor a folder or a link of that name, nor what lies deeper or behind a link."""
    names = ("a.partial", ".0123.partial", ".0123456789abcdef.partial.png", "x.0123456789abcdef.partial")
    for name in names:
        left(tmp_path).rename(tmp_path / name)
    victim = left(tmp_path).rename(tmp_path / "victim")
    partial_name(victim).symlink_to(victim)
    partial_name(victim).mkdir()
    inner = tmp_path / "inner"
    inner.mkdir()
    left(inner)
    before = sorted(tmp_path.rglob("*"))
    sweep([tmp_path])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("place", ["", "work", "work/shards", "report", "00000", "00000/samples"])
def test_the_next_command_sweeps_the_folders_of_its_run(tmp_path: Path, place: str) -> None:
    folder, elsewhere = tmp_path / "run" / place, tmp_path / "elsewhere"
    folder.mkdir(parents=True)
    elsewhere.mkdir()
    (tmp_path / "run" / "00001").symlink_to(elsewhere)
    old, new, theirs = left(folder), left(folder, age=60), left(elsewhere)
    with RunDirectory(tmp_path / "run").locked():
        assert [path.exists() for path in (old, new, theirs)] == [False, True, True]
