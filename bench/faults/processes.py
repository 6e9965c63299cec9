"""Faults of processes: signals, workers that misbehave, what is taken away from under them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bench.faults.stand import ENVIRONMENTS, Outcome, Stand, kill_group

Act = Callable[[Stand], Outcome]
INJECT = Path(__file__).with_name("inject.py")


def signalled(number: int, to_worker: bool, rows: int = 0) -> Act:
    """Send a signal to the orchestrator or its worker, once the worker has written some rows."""

    def act(stand: Stand) -> Outcome:
        process = stand.start()
        worker = stand.wait_for_worker(process, rows)
        if not rows:
            time.sleep(1.0)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker if to_worker else process.pid, number)
        return Outcome.of(process)

    return act


def stopped_worker(stand: Stand) -> Outcome:
    """The worker stands still; nobody tells the orchestrator."""
    process = stand.start(MIRO_EVAL_WORKER_TIMEOUT="4")
    worker = stand.wait_for_worker(process)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGSTOP)
    return Outcome.of(process)


def injected(fault: str) -> Act:
    """Run with an interpreter that misbehaves; see ``inject.py``."""

    def act(stand: Stand) -> Outcome:
        home = _home_with_links(stand)
        python = home / "envs" / _environment(stand).name / "venv" / "bin" / "python"
        python.unlink()
        real = _environment(stand) / "venv" / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{real}" "{INJECT}" {fault} "$@"\n')
        python.chmod(0o755)
        return stand.go(MIRO_EVAL_HOME=str(home))

    return act


def _environment(stand: Stand) -> Path:
    from harness.environments.manager import locate
    from harness.environments.spec import ENVIRONMENTS as SPECS

    return locate(SPECS[ENVIRONMENTS[stand.stage]], "uv").directory


def _home_with_links(stand: Stand) -> Path:
    """A home of its own whose environments are the real ones, down to the interpreter's link."""
    from wire.paths import home

    made = stand.run.with_name(stand.run.name + "-home")
    for source in (home() / "envs").glob("*-uv-*"):
        if source.is_dir() and (source / "state.json").exists():
            target = made / "envs" / source.name
            (target / "venv" / "bin").mkdir(parents=True)
            shutil.copy(source / "state.json", target / "state.json")
            (target / "venv" / "bin" / "python").symlink_to(source / "venv" / "bin" / "python")
    (made / "tiny-world").symlink_to(home() / "tiny-world")
    return made


def environment_deleted(stand: Stand) -> Outcome:
    """The environment goes while its worker loads."""
    home = _home_with_links(stand)
    process = stand.start(MIRO_EVAL_HOME=str(home))
    stand.wait_for_worker(process)
    shutil.rmtree(home / "envs")
    return Outcome.of(process)


def run_replaced(stand: Stand) -> Outcome:
    """The run directory is moved away while its worker loads, and an empty one put in its place."""
    process = stand.start()
    stand.wait_for_worker(process)
    stand.run.rename(stand.run.with_name("moved"))
    stand.run.mkdir()
    return Outcome.of(process)


def moved_back(stand: Stand) -> None:
    """What a user would do."""
    shutil.rmtree(stand.run)
    stand.run.with_name("moved").rename(stand.run)


def two_runs(stand: Stand) -> Outcome:
    """A second run on the same directory; the first one is not disturbed."""
    first = stand.start()
    stand.wait_for_worker(first)
    second = stand.go()
    require_done(Outcome.of(first))
    return second


def require_done(outcome: Outcome) -> None:
    """An undisturbed stage has come to its end, or the cell means nothing."""
    if outcome.status != 0:
        raise RuntimeError(f"an undisturbed stage ended with {outcome}")


def clock_set_back(stand: Stand) -> Outcome:
    """Killed; then every file of the run lies two years ahead of the clock."""
    signalled(signal.SIGKILL, to_worker=False, rows=1)(stand)
    ahead = time.time() + 2 * 365 * 86400
    for path in stand.run.rglob("*"):
        os.utime(path, (ahead, ahead))
    return stand.go()


def half_a_row(stand: Stand) -> Outcome:
    """Killed; then the last row of the unfinished file is cut in the middle."""
    outcome = signalled(signal.SIGKILL, to_worker=False, rows=1)(stand)
    time.sleep(0.5)
    for path in (stand.run / "work").glob(f"{stand.stage}-*.rows.jsonl"):
        path.write_bytes(path.read_bytes()[:-20])
    return outcome


def late_signal(number: int) -> Act:
    """A signal to ``report`` while it works."""

    def act(stand: Stand) -> Outcome:
        process = stand.start()
        time.sleep(1.2)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        outcome = Outcome.of(process)
        kill_group(process)
        return outcome

    return act
