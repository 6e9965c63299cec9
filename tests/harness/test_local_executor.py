from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.errors import ExitCode, WorkerFailure
from harness.executors import local

#: A worker by the protocol: it says who it is, and ends as its second argument says.
WORKER = """
import json, os, signal, sys, pathlib
name, action, folder = sys.argv[1:]
print(json.dumps({"event": "started", "total": 1, "device": os.environ.get("CUDA_VISIBLE_DEVICES", "")}), flush=True)
marker = pathlib.Path(folder) / f"{name}.once"
if action == "killed-once" and not marker.exists():
    marker.touch(); os.kill(os.getpid(), signal.SIGKILL)
if action == "killed": os.kill(os.getpid(), signal.SIGKILL)
if action == "refuses":
    print(json.dumps({"event": "error", "message": "no weights"}), flush=True); sys.exit(4)
pathlib.Path(folder, f"{name}.done").touch()
print(json.dumps({"event": "finished", "rows": 1, "unscored": 0}), flush=True)
"""


def task(folder: Path, name: str, action: str) -> local.Task:
    command = [sys.executable, "-c", WORKER, name, action, str(folder)]
    return local.Task("geneval", command, folder / f"{name}.log", {"CUDA_VISIBLE_DEVICES": name})


def run(folder: Path, *actions: str) -> list[tuple[int, dict[str, object]]]:
    seen: list[tuple[int, dict[str, object]]] = []
    tasks = [task(folder, str(index), action) for index, action in enumerate(actions)]
    local.run(tasks, lambda index, event: seen.append((index, event)))
    return seen


def test_workers_run_side_by_side_each_on_its_gpu(tmp_path: Path) -> None:
    seen = run(tmp_path, "works", "works", "works")
    devices = {index: event["device"] for index, event in seen if event["event"] == "started"}
    assert devices == {0: "0", 1: "1", 2: "2"}
    assert len(list(tmp_path.glob("*.done"))) == 3


def test_a_killed_worker_is_started_once_more_in_another_s_place(tmp_path: Path) -> None:
    seen = run(tmp_path, "works", "killed-once")
    assert [event["device"] for index, event in seen if index == 1 and event["event"] == "started"] == ["1", "0"]
    assert len(list(tmp_path.glob("*.done"))) == 2


def test_a_worker_that_is_killed_again_fails_its_shard_alone(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="run the same command again to continue") as failure:
        run(tmp_path, "killed", "works")
    assert failure.value.exit_code == ExitCode.BUG
    assert "killed by SIGKILL" in failure.value.details
    assert (tmp_path / "1.done").exists()


def test_a_worker_s_own_failure_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match=r"^no weights$") as failure:
        run(tmp_path, "refuses", "works")
    assert failure.value.exit_code == ExitCode.ENVIRONMENT_FAILURE
    assert (tmp_path / "0.log").read_text().count("$ ") == 1


def test_events_are_json_lines_and_everything_else_is_the_log(tmp_path: Path) -> None:
    script = "import sys, json; print('noise', file=sys.stderr); print(json.dumps({'event': 'finished'}))"
    seen: list[dict[str, object]] = []
    done = local.Task("x", [sys.executable, "-c", script], tmp_path / "log", {})
    local.run([done], lambda _index, event: seen.append(event))
    assert seen == [{"event": "finished"}]
    assert (tmp_path / "log").read_text().splitlines()[-1] == "noise"
