"""Killed at any instant, the next run ends with the bytes of an uninterrupted one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.test_demo import content
from tests.real_environments import MIRO_EVAL, miro_eval, world

LIMIT = ("--limit", "8", "--samples", "2")
STAGES = ("generate", "geneval", "rewards")
#: Rows that a stage starts from.
ROW_FILES = {"generate": "images.jsonl", "geneval": "results.jsonl", "rewards": "rewards.jsonl"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world()
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    answer = miro_eval("demo", *LIMIT, "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def forget(run: Path, stage: str) -> None:
    """Bring a finished run back to the moment before ``stage`` began."""
    later = STAGES[STAGES.index(stage) :]
    manifest = json.loads((run / "run.json").read_text())
    for name in later:
        (run / ROW_FILES[name]).unlink()
        del manifest["stages"][name]
    (run / "run.json").write_text(json.dumps(manifest))
    if stage == "generate":
        for folder in run.glob("[0-9]*"):
            shutil.rmtree(folder)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def rows_so_far(run: Path, stage: str) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (run / "work").glob(f"{stage}-*.rows.jsonl"))


def kill_during(run: Path, stage: str, victim: str, chance: random.Random) -> None:
    """Start the demo, wait for a random moment of the stage, and send SIGKILL to the orchestrator or its worker."""
    process = subprocess.Popen(
        [str(MIRO_EVAL), "demo", *LIMIT, "--out", str(run)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    rows, delay = chance.choice((0, 0, 1, 4, 9)), chance.uniform(0, 1.5)
    log = run / "logs" / f"{stage}.log"
    before = log.stat().st_size if log.exists() else 0
    while process.poll() is None and not (log.exists() and log.stat().st_size > before):
        time.sleep(0.01)
    while process.poll() is None and rows_so_far(run, stage) < rows:
        time.sleep(0.01)
    time.sleep(delay)
    workers = children(process.pid) if process.poll() is None else []
    target = workers[0] if victim == "worker" and workers else process.pid
    if process.poll() is None:
        os.kill(target, signal.SIGKILL)
    process.wait(timeout=60)
    for worker in workers:
        wait_for_end(worker)


def is_running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pid: int) -> None:
    """An orphaned worker ends by itself, at once."""
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline, "a worker outlived its orchestrator"
        time.sleep(0.05)


@pytest.mark.parametrize("victim", ["orchestrator", "worker"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_resumes_with_the_same_bytes(undisturbed: Path, tmp_path: Path, stage: str, victim: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run)
    forget(run, stage)
    chance = random.Random(f"{stage} {victim}")
    for _ in range(2):
        kill_during(run, stage, victim, chance)
    answer = miro_eval("demo", *LIMIT, "--out", run)
    assert answer.returncode == 0, answer.stderr
    assert content(run) == content(undisturbed)
    assert not list((run / "work").glob("*.rows.jsonl"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_leaves_a_resumable_run(undisturbed: Path, tmp_path: Path, number: signal.Signals) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run)
    forget(run, "generate")
    command = [str(MIRO_EVAL), "demo", *LIMIT, "--out", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while rows_so_far(run, "generate") < 4:
        assert process.poll() is None
        time.sleep(0.01)
    workers = children(process.pid)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to continue" in said
    assert "Traceback" not in said
    for worker in workers:
        wait_for_end(worker)
    assert rows_so_far(run, "generate") >= 4
    assert miro_eval("demo", *LIMIT, "--out", run).returncode == 0
    assert content(run) == content(undisturbed)
