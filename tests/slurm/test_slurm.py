"""A run on a real Slurm: killed tasks, a lost node and all, it ends with the bytes of a run on this machine."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.end_to_end.test_demo import content
from tests.end_to_end.test_many_checkpoints import checkpoint
from tests.real_environments import miro_eval, world
from tests.slurm.cluster import NODES, PARTITION, Cluster, wait_until

TASKS = 8
SWEEP = ("--tiny-world", "--device", "cpu", "--steps", "2", "--limit", "16", "--samples", "2", "--batch-size", "2")
#: Stages after the first; one small metric is enough to have cells.
JUDGED = (*SWEEP, "--metric", "aesthetic")
SLURM = ("--executor", "slurm", "--partition", PARTITION)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sweep by one worker after the other, on this machine."""
    out = tmp_path_factory.mktemp("alone") / "run"
    answer = miro_eval("all", world().checkpoint, *JUDGED, "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def queue(cluster: Cluster, *states: str) -> dict[str, str]:
    """Tasks of the queue in these states, with their nodes."""
    lines = cluster.command("squeue", "--noheader", "--array", f"--states={','.join(states)}", "--format=%i|%N")
    return dict(line.strip().split("|") for line in lines.splitlines())


def wait_for_end(cluster: Cluster, seconds: float = 300) -> None:
    wait_until(lambda: not queue(cluster, "PENDING", "RUNNING", "COMPLETING"), "the queue is empty", seconds)


def states(run: Path, stage: str) -> list[dict[str, object]]:
    found = sorted((run / "work" / "shards").glob(f"{stage}-*.json"))
    return [json.loads(path.read_text()) for path in found]


def workers(run: Path) -> int:
    """How many tasks have got as far as to start their worker."""
    return len(list((run / "logs").glob("generate-*.log")))


def lose_a_node_and_wake_its_tasks(cluster: Cluster, node: str) -> set[str]:
    """The node dies, Slurm notices and puts its tasks back into the queue; returns their ids.

    Slurm lets tasks that it put back wait for two minutes; the test does not.
    """
    lost = {task for task, where in queue(cluster, "RUNNING").items() if where == node}
    assert lost
    cluster.lose_node(node)
    cluster.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=power")
    wait_until(lambda: lost <= queue(cluster, "PENDING").keys(), "the lost tasks are back in the queue")
    for task in lost:
        cluster.command("scontrol", "update", f"JobId={task}", "StartTime=now")
    return lost


@dataclass
class Story:
    """A generation by eight tasks, of which one was cancelled and some were on a node that died; then the rest of it.

    Attributes:
        run: the directory as it is in the end.
        status: what ``status`` said when the first eight had ended.
        images: times of the images that were there then.
        merged: whether the run had its finished file then.
        submitted: what the second submission said.
        local: an attempt to go on without Slurm while it was in the queue.
    """

    run: Path
    status: CompletedProcess[str]
    images: dict[Path, int]
    merged: bool
    submitted: CompletedProcess[str]
    local: CompletedProcess[str]


@pytest.fixture(scope="module")
def story(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Story:
    run = tmp_path_factory.mktemp("slurm") / "run"
    command = ("generate", world().checkpoint, *SWEEP, "--out", run)
    answer = miro_eval(*command, *SLURM, "--shards", str(TASKS))
    assert answer.returncode == 0, answer.stderr
    assert f"generate: {TASKS} of {TASKS} shards" in answer.stderr
    disturb(cluster, run)
    status, images = miro_eval("status", run), times(run)
    merged = (run / "images.jsonl").exists()
    submitted, local = miro_eval(*command, *SLURM, "--shards", str(TASKS)), miro_eval(*command)
    wait_for_end(cluster)
    return Story(run, status, images, merged, submitted, local)


def disturb(cluster: Cluster, run: Path) -> None:
    """Cancel a task and lose a node, once every task has its worker; then let them come to their end."""
    wait_until(lambda: workers(run) == TASKS, "all tasks have begun", seconds=60)
    running = queue(cluster, "RUNNING")
    assert len(running) == TASKS
    cluster.command("scancel", next(task for task, node in sorted(running.items()) if node == NODES[0]))
    lost = lose_a_node_and_wake_its_tasks(cluster, NODES[1])
    wait_for_end(cluster)
    cluster.start_node(NODES[1])
    attempts = [state["attempts"] for state in states(run, "generate")]
    assert attempts.count(2) == len(lost)


def times(run: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in run.glob("*/samples/*.png")}


def test_a_partial_failure_fails_its_shard_alone_and_status_says_so(story: Story) -> None:
    told = story.status.stdout
    assert story.status.returncode == 5
    assert f"generate  {TASKS - 1} finished, 1 failed; 28 of 32 rows" in told
    assert "generate shard 0 of 8" in told
    assert "(Slurm: cancelled)" in told
    assert f"  log: {story.run / 'logs' / 'generate-0of8.log'}" in told
    assert "  | $ " in told
    assert "generate: 1 of 8 shards did not finish" in told
    assert not story.merged


def test_only_what_is_missing_is_submitted_again(story: Story) -> None:
    assert story.submitted.returncode == 0, story.submitted.stderr
    assert f"generate: 1 of {TASKS} shards" in story.submitted.stderr
    assert {path: time for path, time in times(story.run).items() if path in story.images} == story.images
    assert miro_eval("status", story.run).returncode == 0


def test_a_run_in_the_queue_is_left_to_slurm(story: Story) -> None:
    assert story.local.returncode == 2
    assert "miro-eval jobs cancel" in story.local.stderr


def test_eight_tasks_end_with_the_bytes_of_one_worker(story: Story, alone: Path) -> None:
    judged = {"results.jsonl", "rewards.jsonl"}
    assert content(story.run) == {name: digest for name, digest in content(alone).items() if name not in judged}
    records = [json.loads((path / "run.json").read_text())["stages"]["generate"] for path in (story.run, alone)]
    for record in records:
        del record["seconds"]
    assert records[0] == records[1]


def test_shards_are_judged_and_scored_when_their_own_images_are_made(
    cluster: Cluster, story: Story, alone: Path, tmp_path: Path
) -> None:
    """Half of the images are there, the others are made first: both halves end with the bytes of one worker."""
    run = tmp_path / "run"
    shutil.copytree(story.run, run)
    for image in sorted(run.glob("*/samples/*.png"))[16:]:
        image.unlink()
    command = ("all", world().checkpoint, *JUDGED, "--out", run, *SLURM, "--shards", "2")
    answer = miro_eval(*command)
    assert answer.returncode == 0, answer.stderr
    assert "generate: 1 of 2 shards, geneval: 2 of 2 shards, rewards: 2 of 2 shards" in answer.stderr
    wait_for_end(cluster)
    status = miro_eval("status", run)
    assert status.returncode == 0, status.stdout
    assert content(run) == content(alone)
    for name in ("leaderboard.md", "leaderboard.csv", "scores.csv"):
        assert (run / "report" / name).exists()
    stages = json.loads((run / "run.json").read_text())["stages"]
    assert all(stages[stage]["finished"] for stage in ("generate", "geneval", "rewards"))
    assert all(stages[stage]["provenance"]["weights"] for stage in ("generate", "geneval", "rewards"))
    assert miro_eval(*command).stderr.count("nothing to do") == 3


def test_several_checkpoints_in_shards_all_come_to_their_end(cluster: Cluster, alone: Path, tmp_path: Path) -> None:
    models, out = [checkpoint(tmp_path / name) for name in ("a", "b")], tmp_path / "out"
    answer = miro_eval("all", *models, *JUDGED, "--out", out, *SLURM, "--shards", "2")
    assert answer.returncode == 0, answer.stderr
    wait_for_end(cluster)
    for name in ("a", "b"):
        status = miro_eval("status", out / name)
        assert status.returncode == 0, status.stdout
        assert content(out / name) == content(alone)


def test_cancel_takes_everything_out_of_the_queue(cluster: Cluster, tmp_path: Path) -> None:
    out = tmp_path / "run"
    later = ("--slurm-arg", "begin=now+1hour")
    answer = miro_eval("all", world().checkpoint, *JUDGED, "--out", out, *SLURM, "--shards", "2", *later)
    assert answer.returncode == 0, answer.stderr
    told = "2 waiting; waiting: BeginTime"  # Slurm gives the reason when its scheduler has come by
    wait_until(lambda: told in miro_eval("status", out).stdout, "status tells why the tasks wait")
    answer = miro_eval("cancel", out)
    assert answer.stdout.startswith("cancelled 7 tasks")
    wait_for_end(cluster, seconds=20)
    assert "never started: cancelled" in miro_eval("status", out).stdout
    assert miro_eval("cancel", out).stdout.startswith("nothing to cancel")


def test_what_slurm_refuses_is_told_in_a_line_and_leaves_nothing_behind(cluster: Cluster, tmp_path: Path) -> None:
    out = tmp_path / "run"
    wrong = ("--executor", "slurm", "--partition", "no-such")
    answer = miro_eval("all", world().checkpoint, *JUDGED, "--out", out, *wrong, "--shards", "2")
    assert answer.returncode == 4
    assert "Slurm refused a job" in answer.stderr
    assert "partition" in answer.stderr
    assert not queue(cluster, "PENDING", "RUNNING")
    assert miro_eval("status", out).returncode == 2
