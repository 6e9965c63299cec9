"""What happens to the queue when the command that submits or the controller misbehaves, or a record lies."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.executors.submission import Submission, job_folders
from harness.run.directory import RunDirectory
from tests.real_environments import miro_eval, world
from tests.slurm.cluster import PARTITION, Cluster, wait_until
from tests.slurm.test_slurm import queue, wait_for_end

SHORT = ("--tiny-world", "--device", "cpu", "--steps", "2", "--limit", "32", "--samples", "1", "--metric", "aesthetic")
SLURM = ("--executor", "slurm", "--partition", PARTITION, "--shards", "2")
LATER = ("--slurm-arg", "begin=now+1hour")


def sweep(out: Path, *more: str) -> tuple[str | Path, ...]:
    return ("all", world().checkpoint, *SHORT, "--out", out, *more)


def comments(cluster: Cluster) -> list[str]:
    return cluster.command("squeue", "--noheader", "--array", "--states=PENDING,RUNNING", "--format=%k").split()


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, whose queue is empty before and after."""
    yield cluster
    cluster.command("scancel", "--user", str(os.getuid()))
    wait_for_end(cluster, seconds=30)


def misbehaving_sbatch(folder: Path, patch: pytest.MonkeyPatch, call: int, name: str, when: str) -> None:
    """At its call of that number ``sbatch`` sends a signal to whoever started it, before or after it submits."""
    real = shutil.which("sbatch")
    strike = f"kill -{name} $PPID"
    order = f'{strike}\nsleep 0.5\n{real} "$@"' if when == "before" else f'{real} "$@"\n{strike}'
    text = f"""#!/bin/sh
count=$(($(cat {folder}/count 2>/dev/null || echo 0) + 1))
echo $count > {folder}/count
if [ $count -ne {call} ]; then exec {real} "$@"; fi
{order}
"""
    (folder / "sbatch").write_text(text)
    (folder / "sbatch").chmod(0o755)
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 4])
def test_whatever_kills_the_command_while_it_submits_its_jobs_are_known(
    empty: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, when: str
) -> None:
    """SIGKILL at an array, the last job too: nothing is unknown or submitted twice, nothing begins beside it."""
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        (tmp_path / "bin").mkdir()
        misbehaving_sbatch(tmp_path / "bin", patch, call, "KILL", when)
        assert miro_eval(*sweep(run, *SLURM, *LATER)).returncode == -signal.SIGKILL
    tasks = 2 * min(call, 3) + call // 4
    wait_until(lambda: len(queue(empty, "PENDING")) == tasks, "what was under way is in the queue")
    for again in (sweep(run, *SLURM, *LATER), sweep(run)):
        answer = miro_eval(*again)
        assert answer.returncode == 2
        assert f"{tasks} of its jobs wait or run" in answer.stderr
        assert "submission was interrupted" in answer.stderr
        assert len(queue(empty, "PENDING")) == tasks
    assert f"ends the {tasks} tasks" in miro_eval("status", run).stderr
    assert miro_eval("cancel", run).stdout.startswith(f"cancelled {tasks} tasks")
    wait_for_end(empty, seconds=20)
    assert miro_eval("status", run).returncode == 2


@pytest.mark.parametrize("name", ["HUP", "TERM"])
def test_a_dropped_connection_takes_everything_back(
    empty: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "bin").mkdir()
    misbehaving_sbatch(tmp_path / "bin", monkeypatch, 2, name, "before")
    answer = miro_eval(*sweep(tmp_path / "run", *SLURM, *LATER))
    assert answer.returncode == 130, answer.stderr
    wait_for_end(empty, seconds=20)


@contextmanager
def silent_controller(cluster: Cluster) -> Iterator[None]:
    cluster.signal("slurmctld", signal.SIGSTOP)
    try:
        yield
    finally:
        cluster.signal("slurmctld", signal.SIGCONT)


def test_with_the_controller_away_nothing_begins_beside_queued_jobs(empty: Cluster, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert miro_eval(*sweep(run, *SLURM, *LATER)).returncode == 0
    with silent_controller(empty):
        local, status, cancel = miro_eval(*sweep(run)), miro_eval("status", run), miro_eval("cancel", run)
    assert (local.returncode, status.returncode, cancel.returncode) == (4, 0, 4)
    assert "its jobs may wait or run on cluster miroeval (Slurm does not answer" in local.stderr
    assert "Slurm cannot be asked" in status.stderr
    assert len(comments(empty)) == 7
    assert miro_eval("cancel", run).stdout.startswith("cancelled 7 tasks")


def test_a_record_s_numbers_alone_cancel_nothing(empty: Cluster, tmp_path: Path) -> None:
    """A true id of another job of mine, in a record with another token, or of another cluster."""
    run = tmp_path / "run"
    assert miro_eval(*sweep(run, *SLURM, *LATER)).returncode == 0
    path = run / "work" / "submission.json"
    record = json.loads(path.read_text())
    for change in ({"token": "0" * 32}, {"cluster": "elsewhere"}):
        path.write_text(json.dumps(record | change))
        miro_eval("cancel", run)
        assert len(comments(empty)) == 7
    assert len(set(comments(empty))) == 1


def test_a_merge_waits_for_a_command_that_holds_the_run(empty: Cluster, tmp_path: Path) -> None:
    """Then the run is what a run is: its commands are told, nothing failed, and its jobs' folder goes in the end."""
    run = tmp_path / "a run"
    assert miro_eval(*sweep(run, *SLURM)).returncode == 0
    submission = Submission.read(RunDirectory(run))
    assert submission is not None
    with RunDirectory(run).locked():
        wait_until(lambda: queue(empty, "RUNNING").keys() == {submission.merge}, "only the merge runs", seconds=120)
        wait_until(lambda: (run / "work" / "shards" / "merge.json").exists(), "it has begun")
        assert json.loads((run / "work" / "shards" / "merge.json").read_text())["state"] == "running"
        assert not (run / "report").exists()
        folder = job_folders(RunDirectory(run))
        assert folder.is_dir()
        assert not folder.is_relative_to(run)
    wait_for_end(empty, seconds=60)
    status = miro_eval("status", run)
    assert status.returncode == 0, status.stdout
    assert (run / "report" / "leaderboard.md").exists()
    told = miro_eval("repro", run).stdout
    assert f"miro-eval all {world().checkpoint} --tiny-world" in told
    assert "submitit" not in told
    # Whatever is submitted next removes it: a test beside this one may have done so.
    other = tmp_path / "another run"
    assert miro_eval(*sweep(other, *SLURM, *LATER)).returncode == 0
    assert not folder.exists()
    assert job_folders(RunDirectory(other)).is_dir()
