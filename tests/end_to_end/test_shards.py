"""Shares of a run, on one GPU or several, end with the bytes of a run that was not cut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.test_demo import content
from tests.end_to_end.test_interruption import children
from tests.end_to_end.test_many_checkpoints import checkpoint
from tests.real_environments import MIRO_EVAL, miro_eval, world

SWEEP = ("--tiny-world", "--device", "cpu", "--limit", "10", "--samples", "2", "--steps", "20", "--metric", "aesthetic")
#: Small batches, so that every shard has some.
BATCHES = ("--batch-size", "2", "--reward-batch-size", "4")
STAGES = ("generate", "geneval", "rewards")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one") / "run"
    answer = miro_eval("all", world().checkpoint, *SWEEP, *BATCHES, "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def workers(run: Path, stage: str) -> int:
    """How many worker processes a stage has had."""
    return sum(path.read_text().count("\n$ ") + path.read_text().startswith("$ ") for path in logs(run, stage))


def logs(run: Path, stage: str) -> list[Path]:
    return sorted((run / "logs").glob(f"{stage}*.log"))


def test_two_gpus_give_the_bytes_of_one(one: Path, tmp_path: Path) -> None:
    two = tmp_path / "two"
    answer = miro_eval("all", world().checkpoint, *SWEEP, *BATCHES, "--out", two, "--gpus", "0,1")
    assert answer.returncode == 0, answer.stderr
    assert content(two) == content(one)
    for stage in STAGES:
        assert [path.name for path in logs(two, stage)] == [f"{stage}-{shard}of2.log" for shard in (0, 1)]
        assert workers(two, stage) <= 2
        shares = [json.loads((two / "work" / f"{stage}-{shard}of2.job.json").read_text()) for shard in (0, 1)]
        names = [{item["filename"] for item in share["items"]} for share in shares]
        assert names[0] == names[1], "batches are cut from the whole list"
    assert "generate  2 finished; 20 of 20 rows" in miro_eval("status", two).stdout


def test_one_worker_a_stage_takes_share_after_share(one: Path, tmp_path: Path) -> None:
    out = tmp_path / "three"
    command = ("all", world().checkpoint, *SWEEP, *BATCHES, "--out", out, "--shards", "3")
    answer = miro_eval(*command)
    assert answer.returncode == 0, answer.stderr
    assert content(out) == content(one)
    own, theirs = (json.loads((path / "run.json").read_text())["stages"] for path in (out, one))
    assert own.keys() == theirs.keys()
    for stage in STAGES:
        assert workers(out, stage) == workers(one, stage) == 1
        assert logs(out, stage)[0].read_text().count("next job: ") == 2
        assert own[stage] | {"seconds": 0} == theirs[stage] | {"seconds": 0}
    assert miro_eval(*command).stderr.count("nothing to do") == len(STAGES)


def test_a_share_is_judged_while_another_is_made_by_a_worker_that_is_then_killed(one: Path, tmp_path: Path) -> None:
    run = tmp_path / "overlapping"
    command = ["all", world().checkpoint, *SWEEP, *BATCHES, "--out", run, "--gpus", "0,1", "--shards", "3"]
    process = subprocess.Popen([MIRO_EVAL, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(process, lambda: rows(run, "generate", "2of3"))
        (first,) = (path.stem for path in logs(run, "generate") if "generate-2of3.job.json" in path.read_text())
        (worker,) = (pid for pid in children(process.pid) if f"{first}.job.json" in command_line(pid))
        os.kill(worker, signal.SIGSTOP)
        wait_for(process, lambda: rows(run, "geneval", "?of3"))
        assert len(list(run.glob("*/samples/*.png"))) < 20, "a verdict is there before the last image"
        os.kill(worker, signal.SIGKILL)
        said = process.communicate(timeout=300)[1]
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert content(run) == content(one)
    assert json.loads((run / "work" / "shards" / "generate-2of3.json").read_text())["attempts"] == 2
    assert workers(run, "generate") == 3


def rows(run: Path, stage: str, share: str) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (run / "work").glob(f"{stage}-*-{share}.rows.jsonl"))


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def wait_for(process: subprocess.Popen[str], happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + 200
    while not happens():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_several_runs_in_shards_end_with_the_bytes_that_they_have_alone(one: Path, tmp_path: Path) -> None:
    models = [checkpoint(tmp_path / name) for name in ("a", "b", "c")]
    together = ("all", *models, *SWEEP, *BATCHES, "--out", tmp_path / "out", "--gpus", "0,1", "--shards", "2")
    answer = miro_eval(*together)
    assert answer.returncode == 0, answer.stderr
    for name in ("a", "b", "c"):
        assert content(tmp_path / "out" / name) == content(one)
    for stage in ("geneval", "rewards"):
        assert sum(workers(tmp_path / "out" / name, stage) for name in ("a", "b", "c")) <= 2, "one for each GPU"
    assert miro_eval(*together).stderr.count("nothing to do") == 3 * len(STAGES)
