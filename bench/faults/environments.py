"""Faults while an environment is installed, with a stand-in for uv that takes two seconds and writes a few files."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

from bench.faults.stand import MIRO_EVAL, Cell, Outcome, Stand

#: Installs into $UV_PROJECT_ENVIRONMENT, slowly; the interpreter it leaves answers the health check.
FAKE_UV = """#!/bin/sh
[ "$1" = --version ] && { echo "uv 0.0"; exit; }
mkdir -p "$UV_PROJECT_ENVIRONMENT/bin" || exit 2
for part in 1 2 3 4 5 6 7 8; do
    head -c 65536 /dev/zero > "$UV_PROJECT_ENVIRONMENT/part$part" || { echo "No space left on device"; exit 2; }
    sleep 0.2
done
printf '#!/bin/sh\\necho "{\\\\"torch\\\\": \\\\"0\\\\"}"\\n' > "$UV_PROJECT_ENVIRONMENT/bin/python"
chmod +x "$UV_PROJECT_ENVIRONMENT/bin/python"
"""
Act = Callable[["Setup"], Outcome]


class Setup(Stand):
    """``envs setup miro`` in a home of its own."""

    def command(self, stage: str | None = None) -> list[str]:
        """The command line."""
        return [MIRO_EVAL, "envs", "setup", "miro"]

    def start(self, prefix: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:  # type: ignore[override]
        """Start it."""
        tool = self.run.with_name("uv")
        tool.write_text(FAKE_UV)
        tool.chmod(0o755)
        return super().start(prefix, **{"UV": str(tool), "MIRO_EVAL_HOME": str(self.run), **environment})

    def forget(self) -> None:
        """Nothing is there yet."""
        shutil.rmtree(self.run, ignore_errors=True)
        self.run.mkdir(parents=True)


def _signalled(number: int, to_tool: bool) -> Act:
    def act(stand: Setup) -> Outcome:
        process = stand.start()
        deadline = time.monotonic() + 30
        while not list(stand.run.glob("envs/*/venv/part3")) and time.monotonic() < deadline:
            time.sleep(0.02)
        target = process.pid
        if to_tool:
            found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
            target = int(found.stdout.split()[0])
        with contextlib.suppress(ProcessLookupError):
            os.kill(target, number)
        return Outcome.of(process)

    return act


def _two_at_once(stand: Setup) -> Outcome:
    first, second = stand.start(), stand.start()
    outcomes = Outcome.of(first), Outcome.of(second)
    return max(outcomes, key=lambda outcome: outcome.status)


def _mounted(options: str) -> Act:
    def act(stand: Setup) -> Outcome:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(stand.run)], check=True)
        outcome = stand.go()
        subprocess.run(["umount", str(stand.run)], check=True)
        return outcome

    return act


def _unhealthy(stand: Setup) -> Outcome:
    process = stand.start(PATH="/nowhere")
    return Outcome.of(process)


def _half_made(stand: Setup) -> Outcome:
    _signalled(signal.SIGKILL, to_tool=False)(stand)
    for state in stand.run.glob("envs/*"):
        (state / "state.json.partial").write_text("{") if state.is_dir() else None
    return stand.go()


def _clock(stand: Setup) -> Outcome:
    _signalled(signal.SIGKILL, to_tool=False)(stand)
    ahead = time.time() + 2 * 365 * 86400
    for path in stand.run.rglob("*"):
        os.utime(path, (ahead, ahead))
    return stand.go()


def environment_cells() -> Iterator[Cell]:
    """The matrix's rows about ``envs setup``."""
    faults: dict[str, Act] = {
        "kill -9 of the orchestrator": _signalled(signal.SIGKILL, to_tool=False),
        "kill -9 of the installer": _signalled(signal.SIGKILL, to_tool=True),
        "SIGTERM": _signalled(signal.SIGTERM, to_tool=False),
        "SIGINT (Ctrl-C)": _signalled(signal.SIGINT, to_tool=False),
        "two set-ups at once": _two_at_once,
        "disk too small": _mounted("size=1m"),
        "file system read-only": _mounted("size=1m,ro"),
        "installer without its tools": _unhealthy,
        "a half-made environment and half a state file": _half_made,
        "clock set back two years": _clock,
    }
    for name, act in faults.items():
        yield Cell(name, "envs setup", act)  # type: ignore[arg-type]
