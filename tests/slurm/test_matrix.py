"""What a cluster does to a run: nodes drained, without the environments, a disk that goes away, a second cluster.

After each, the next command ends with the bytes of an undisturbed run. ``python -m bench.faults.slurm`` has the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.end_to_end.test_demo import content
from tests.real_environments import miro_eval, world
from tests.slurm.cluster import NODES, PARTITION, Cluster, running_cluster, wait_until
from tests.slurm.test_slurm import queue, states, wait_for_end, workers
from wire.paths import home

SWEEP = ("--tiny-world", "--device", "cpu", "--steps", "2", "--limit", "4", "--samples", "1", "--batch-size", "1")
SLURM = ("--executor", "slurm", "--partition", PARTITION, "--shards", "2")


def generate(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return miro_eval("generate", world().checkpoint, *SWEEP, "--out", out, *more)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every image and row of the same run on this machine."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    answer = generate(out)
    assert answer.returncode == 0, answer.stderr
    return content(out)


def begin(cluster: Cluster, run: Path, *more: str) -> set[str]:
    """Submit, and wait until both tasks have their worker; returns their ids."""
    answer = generate(run, *SLURM, *more)
    assert answer.returncode == 0, answer.stderr
    wait_until(lambda: workers(run) == 2, "both tasks have begun", seconds=60)
    return set(queue(cluster, "RUNNING"))


def test_tasks_wait_for_drained_nodes_and_go_on_when_the_system_requeues_them(
    cluster: Cluster, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    run = tmp_path / "run"
    for node in NODES:
        cluster.command("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=kernel")
    assert generate(run, *SLURM).returncode == 0
    said = "2 waiting; waiting: Nodes required for job are DOWN, DRAINED"  # at first Slurm says ReqNodeNotAvail
    try:
        wait_until(lambda: said in miro_eval("status", run).stdout, "status tells why the tasks wait")
        assert miro_eval("status", run).returncode == 0
    finally:
        for node in NODES:
            cluster.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
    wait_until(lambda: workers(run) == 2, "both tasks have begun", seconds=60)
    time.sleep(1)
    requeued = set(queue(cluster, "RUNNING"))
    assert len(requeued) == 2
    for task in requeued:
        cluster.command("scontrol", "requeue", task)
    wait_until(lambda: requeued <= queue(cluster, "PENDING").keys(), "the tasks are back in the queue")
    wait_until(cluster.all_idle, "what they had begun has ended")
    # Slurm lets them wait for two minutes, so that no late word of the first start ends the second. The test does not.
    time.sleep(3)
    for task in requeued:
        cluster.command("scontrol", "update", f"JobId={task}", "StartTime=now")
    wait_for_end(cluster, seconds=120)
    assert [state["attempts"] for state in states(run, "generate")] == [2, 2]
    status = miro_eval("status", run)
    assert status.returncode == 0, status.stdout
    assert content(run) == undisturbed


@pytest.mark.skipif(os.getuid() != 0, reason="only root can hide a folder from a node")
def test_a_node_without_the_environments_fails_its_tasks_and_says_so(
    cluster: Cluster, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    """Excluding the node is what helps; nothing of it is believed, nothing else is lost."""
    run = tmp_path / "run"
    cluster.lose_node(NODES[0])
    cluster.start_node(NODES[0], without=home())
    wait_until(cluster.all_idle, "the node is back")
    try:
        assert generate(run, *SLURM, "--slurm-arg", f"nodelist={NODES[0]}").returncode == 0
        wait_for_end(cluster, seconds=120)
    finally:
        cluster.lose_node(NODES[0])
        cluster.start_node(NODES[0])
    status = miro_eval("status", run)
    assert status.returncode == 5
    assert "generate  2 failed" in status.stdout
    assert status.stdout.count("failed: environment miro is not on ") == 2
    assert f"{home()}/envs" in status.stdout
    assert "cannot be written (Read-only file system): set MIRO_EVAL_HOME to a folder" in status.stdout
    again = generate(run, *SLURM, "--slurm-arg", f"exclude={NODES[0]}")
    assert "generate: 2 of 2 shards" in again.stderr
    wait_for_end(cluster, seconds=120)
    assert content(run) == undisturbed


def test_a_shared_folder_that_goes_away_takes_the_tasks_with_it_and_nothing_is_written_in_its_place(
    cluster: Cluster, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    """A moved folder stands for a disk that is unmounted; it comes back as it was, and the run goes on."""
    shared, away = tmp_path / "shared", tmp_path / "away"
    run = shared / "run"
    begin(cluster, run)
    shared.rename(away)
    for verb in ("status", "cancel"):
        answer = miro_eval(verb, run)
        assert answer.returncode == 2
        assert f"{run}" in answer.stderr
    wait_for_end(cluster, seconds=120)
    assert not shared.exists()
    away.rename(shared)
    assert miro_eval("status", run).returncode == 5
    answer = generate(run)
    assert answer.returncode == 0, answer.stderr
    assert content(run) == undisturbed


def test_of_two_clusters_with_the_same_job_ids_each_keeps_its_jobs(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, str]
) -> None:
    later, runs = ("--slurm-arg", "begin=now+1hour"), (tmp_path / "here", tmp_path / "there")
    assert generate(runs[0], *SLURM, *later).returncode == 0
    ids = set(queue(cluster, "PENDING"))
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    first = min(int(job.partition("_")[0]) for job in ids)
    with running_cluster(folder, name="elsewhere", first_job=first) as other, monkeypatch.context() as patch:
        patch.setenv("SLURM_CONF", other.variables["SLURM_CONF"])
        assert generate(runs[1], *SLURM, *later).returncode == 0
        assert set(queue(other, "PENDING")) == ids
        status = miro_eval("status", runs[0])
        assert status.returncode == 0
        assert "on cluster miroeval, and Slurm's commands here ask elsewhere" in status.stderr
        assert miro_eval("cancel", runs[0]).returncode == generate(runs[0]).returncode == 4
        patch.undo()
        assert miro_eval("cancel", runs[1]).returncode == 4
        assert set(queue(cluster, "PENDING")) == set(queue(other, "PENDING")) == ids
        assert miro_eval("cancel", runs[0]).stdout.startswith("cancelled 3 tasks")
        assert set(queue(other, "PENDING")) == ids
        assert not queue(cluster, "PENDING")
    shutil.rmtree(folder, ignore_errors=True)
    assert generate(runs[0]).returncode == 0
    assert content(runs[0]) == undisturbed
