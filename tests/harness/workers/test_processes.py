from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.workers.processes import last_lines, run_logged, running
from wire.errors import EnvironmentFailure


def test_a_failing_program_shows_command_status_and_last_lines(tmp_path: Path) -> None:
    script = "import sys; [print('line', i) for i in range(40)]; sys.exit(7)"
    with pytest.raises(EnvironmentFailure) as error:
        run_logged([sys.executable, "-c", script], tmp_path / "log", failure="it failed")
    lines = str(error.value).splitlines()
    assert lines[0] == "it failed"
    assert "exit status 7" in lines[2]
    assert lines[-1] == "  | line 39"
    assert len(lines) == 4 + 15


def test_a_program_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="it failed: no-such-program cannot be started"):
        run_logged(["no-such-program"], tmp_path / "log", failure="it failed")


def test_lines_are_seen_as_they_come_and_logged(tmp_path: Path) -> None:
    seen: list[str] = []
    script = "import os, sys; print(os.environ['WORD']); print('two', file=sys.stderr)"
    command = [sys.executable, "-u", "-c", script]
    run_logged(command, tmp_path / "a" / "log", failure="", environment={"WORD": "one"}, on_line=seen.append)
    assert seen == ["one\n", "two\n"]
    assert last_lines(tmp_path / "a" / "log", 2) == ["one", "two"]


def test_leaving_the_block_ends_the_program_and_its_children() -> None:
    script = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    child = 0
    with contextlib.suppress(KeyboardInterrupt), running(process):
        assert process.stdout is not None
        child = int(process.stdout.readline())
        raise KeyboardInterrupt
    assert process.returncode is not None
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "\tZ" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_program_is_told_by_its_signal(tmp_path: Path) -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(EnvironmentFailure, match="killed by SIGKILL"):
        run_logged([sys.executable, "-c", script], tmp_path / "log", failure="it failed")
