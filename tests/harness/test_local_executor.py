from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.workers import staged
from harness.workers.watch import Patience, Watch
from wire.errors import ExitCode, UserError, WorkerFailure

#: A worker by the protocol: it says who it is, and ends as its second argument says.
WORKER = """
import json, os, signal, sys, pathlib
name, action, folder = sys.argv[1:]
print(json.dumps({"event": "started", "total": 1, "device": os.environ.get("CUDA_VISIBLE_DEVICES", "")}), flush=True)
marker = pathlib.Path(folder) / f"{name}.once"
if action == "killed-once" and not marker.exists():
    marker.touch(); os.kill(os.getpid(), signal.SIGKILL)
if action == "leaves": sys.exit(0)
if action == "chatters":
    print("a library speaks\\n[1]\\nnull\\n" + '{"event": "progress", "done": "x"}', flush=True)
if action == "stops": os.kill(os.getpid(), signal.SIGSTOP)
if action == "stops-once" and not marker.exists():
    marker.touch(); os.kill(os.getpid(), signal.SIGSTOP)
if action == "idles":
    import time
    while True: print('{"event": "alive"}', flush=True); time.sleep(0.05)
if action == "killed": os.kill(os.getpid(), signal.SIGKILL)
if action == "cannot import": sys.exit(1)
if action == "refuses":
    print(json.dumps({"event": "error", "message": "no weights"}), flush=True); sys.exit(4)
pathlib.Path(folder, f"{name}.done").touch()
print(json.dumps({"event": "finished", "rows": 1, "unscored": 0}), flush=True)
"""


def task(folder: Path, name: str, action: str) -> staged.Task:
    command = [sys.executable, "-c", WORKER, name, action, str(folder)]
    return staged.Task("geneval", command, folder / f"{name}.log", {"CUDA_VISIBLE_DEVICES": name})


def run(folder: Path, *actions: str) -> list[tuple[int, dict[str, object]]]:
    seen: list[tuple[int, dict[str, object]]] = []
    tasks = [task(folder, str(index), action) for index, action in enumerate(actions)]
    staged.run(tasks, lambda index, event: seen.append((index, event)))
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


def test_a_worker_that_cannot_even_begin_is_no_failed_gate(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="stopped unexpectedly") as failure:
        run(tmp_path, "cannot import")
    assert failure.value.exit_code == ExitCode.BUG


def test_a_worker_s_own_failure_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match=r"^no weights$") as failure:
        run(tmp_path, "refuses", "works")
    assert failure.value.exit_code == ExitCode.ENVIRONMENT_FAILURE
    assert (tmp_path / "0.log").read_text().count("$ ") == 1


def test_events_are_json_lines_and_everything_else_is_the_log(tmp_path: Path) -> None:
    script = "import sys, json; print('noise', file=sys.stderr); print(json.dumps({'event': 'finished'}))"
    seen: list[dict[str, object]] = []
    done = staged.Task("x", [sys.executable, "-c", script], tmp_path / "log", {})
    staged.run([done], lambda _index, event: seen.append(event))
    assert seen == [{"event": "finished"}]
    assert (tmp_path / "log").read_text().splitlines()[-1] == "noise"


def test_a_worker_that_stands_still_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRO_EVAL_WORKER_TIMEOUT", "1")
    with pytest.raises(WorkerFailure, match=r"stage geneval hung \(gave no sign of life for 1 s\)") as failure:
        run(tmp_path, "stops")
    assert failure.value.exit_code == ExitCode.ENVIRONMENT_FAILURE
    assert "killed by SIGKILL" in failure.value.details


def test_a_worker_that_hangs_once_is_started_again_in_another_s_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRO_EVAL_WORKER_TIMEOUT", "1")
    run(tmp_path, "works", "stops-once")
    assert len(list(tmp_path.glob("*.done"))) == 2


def test_a_worker_that_lives_and_does_nothing_is_ended_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRO_EVAL_STALL_TIMEOUT", "1")
    with pytest.raises(WorkerFailure, match="made no progress for 1 s"):
        run(tmp_path, "idles")


def test_a_worker_that_leaves_without_a_word_has_not_finished(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="stopped unexpectedly") as failure:
        run(tmp_path, "leaves", "works")
    assert failure.value.exit_code == ExitCode.BUG
    assert (tmp_path / "1.done").exists()


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path) -> None:
    assert [event["event"] for _, event in run(tmp_path, "chatters")] == ["started", "finished"]


def test_time_in_which_the_orchestrator_slept_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("harness.workers.watch.time.monotonic", lambda: clock[0])
    watch = Watch(Patience(silence=10, standstill=100))
    watch.begin(0)
    clock[0] = 3600.0
    assert list(watch.overdue()) == []
    for _ in range(12):
        clock[0] += 1.0
        overdue = list(watch.overdue())
    assert [worker for worker, _ in overdue] == [0]


def test_a_timeout_that_is_none_is_a_usage_error() -> None:
    assert Patience.of({}) == Patience()
    for text in ("0", "-1", "soon", "nan"):
        with pytest.raises(UserError, match=r"MIRO_EVAL_WORKER_TIMEOUT=.*expected a number of seconds"):
            Patience.of({"MIRO_EVAL_WORKER_TIMEOUT": text})
