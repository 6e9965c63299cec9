from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.workers import worker
from harness.workers.watch import Timeouts, Watch
from harness.workers.worker import Ended, Program, Workers
from wire.errors import EnvironmentFailure, ExitCode, UserError, WorkerFailure

#: A worker by the protocol: it says who it is, and ends as its second argument says.
WORKER = """
import json, os, signal, sys, pathlib
action, folder = sys.argv[1:]
print(json.dumps({"event": "started", "total": 1, "device": os.environ.get("CUDA_VISIBLE_DEVICES", "")}), flush=True)
if action == "leaves": sys.exit(0)
if action == "chatters":
    print("a library speaks\\n[1]\\nnull\\n" + '{"event": "progress", "done": "x"}', flush=True)
if action == "stops": os.kill(os.getpid(), signal.SIGSTOP)
if action == "idles":
    import time
    while True: print('{"event": "alive"}', flush=True); time.sleep(0.05)
if action == "killed": os.kill(os.getpid(), signal.SIGKILL)
if action == "cannot import": sys.exit(1)
if action == "refuses":
    print(json.dumps({"event": "error", "message": "no weights"}), flush=True); sys.exit(4)
if action == "serves":
    for word in map(json.loads, sys.stdin):
        if word is None: break
        print(json.dumps({"event": "ended", "code": 0, "of": word}), flush=True)
    sys.exit(0)
pathlib.Path(folder, "done").touch()
print(json.dumps({"event": "finished", "rows": 1, "unscored": 0}), flush=True)
"""


def program(folder: Path, action: str) -> Program:
    command = [sys.executable, "-c", WORKER, action, str(folder)]
    return Program("geneval", command, folder / "log", {"CUDA_VISIBLE_DEVICES": "7"})


def run(folder: Path, action: str) -> list[dict[str, object]]:
    seen: list[dict[str, object]] = []
    worker.run(program(folder, action), seen.append)
    return seen


def test_a_worker_runs_on_its_gpu_and_its_events_are_passed_on(tmp_path: Path) -> None:
    seen = run(tmp_path, "works")
    assert [event["event"] for event in seen] == ["started", "finished"]
    assert seen[0]["device"] == "7"
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("action", "message", "code"),
    [
        ("killed", "run the same command again to continue", ExitCode.BUG),
        ("cannot import", "stopped unexpectedly", ExitCode.BUG),
        ("leaves", "stopped unexpectedly", ExitCode.BUG),
        ("refuses", r"^no weights$", ExitCode.ENVIRONMENT_FAILURE),
    ],
)
def test_a_worker_that_has_not_finished_has_failed(tmp_path: Path, action: str, message: str, code: ExitCode) -> None:
    with pytest.raises(WorkerFailure, match=message) as failure:
        run(tmp_path, action)
    assert failure.value.exit_code == code
    assert ("killed by SIGKILL" in failure.value.details) == (action == "killed")


def test_a_program_that_is_not_there_is_an_environment_s_failure(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="cannot be started"):
        worker.run(Program("geneval", [str(tmp_path / "python")], tmp_path / "log", {}), print)


def test_events_are_json_lines_and_everything_else_is_the_log(tmp_path: Path) -> None:
    script = "import sys, json; print('noise', file=sys.stderr); print(json.dumps({'event': 'finished'}))"
    seen: list[dict[str, object]] = []
    worker.run(Program("x", [sys.executable, "-c", script], tmp_path / "log", {}), seen.append)
    assert seen == [{"event": "finished"}]
    assert (tmp_path / "log").read_text().splitlines()[-1] == "noise"


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path) -> None:
    assert [event["event"] for event in run(tmp_path, "chatters")] == ["started", "finished"]


def test_a_living_worker_is_handed_jobs_and_dismissed(tmp_path: Path) -> None:
    with Workers() as workers:
        number = workers.start(program(tmp_path, "serves"))
        assert workers.next()[1] == {"event": "started", "total": 1, "device": "7"}
        for job in (tmp_path / "1.json", tmp_path / "a\nline"):
            workers.give(number, job)
            assert workers.next() == (number, {"event": "ended", "code": 0, "of": str(job)})
        workers.dismiss(number)
        assert workers.next() == (number, Ended(0))
        workers.give(number, tmp_path / "too late")
    assert f"next job: {tmp_path / '1.json'}" in (tmp_path / "log").read_text()


def test_a_worker_that_stands_still_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRO_EVAL_WORKER_TIMEOUT", "1")
    with pytest.raises(WorkerFailure, match=r"stage geneval hung \(gave no sign of life for 1 s\)") as failure:
        run(tmp_path, "stops")
    assert failure.value.exit_code == ExitCode.ENVIRONMENT_FAILURE
    assert "killed by SIGKILL" in failure.value.details


def test_a_worker_that_lives_and_does_nothing_is_ended_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRO_EVAL_STALL_TIMEOUT", "1")
    with pytest.raises(WorkerFailure, match="made no progress for 1 s"):
        run(tmp_path, "idles")


def test_time_in_which_the_orchestrator_slept_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("harness.workers.watch.time.monotonic", lambda: clock[0])
    watch = Watch(Timeouts(silence=10, standstill=100))
    watch.begin(0)
    clock[0] = 3600.0
    assert list(watch.overdue()) == []
    for _ in range(12):
        clock[0] += 1.0
        overdue = list(watch.overdue())
    assert [worker for worker, _ in overdue] == [0]


def test_a_worker_that_waits_for_work_need_only_live(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("harness.workers.watch.time.monotonic", lambda: clock[0])
    watch = Watch(Timeouts(silence=10, standstill=20))
    watch.begin(0)
    watch.rest(0)
    for _ in range(50):
        clock[0] += 1.0
        watch.heard(0, "alive")
        assert list(watch.overdue()) == []
    watch.begin(0)
    for _ in range(21):
        clock[0] += 1.0
        watch.heard(0, "alive")
        overdue = list(watch.overdue())
    assert overdue == [(0, "made no progress for 20 s")]


def test_a_timeout_that_is_none_is_a_usage_error() -> None:
    assert Timeouts.of({}) == Timeouts()
    for text in ("0", "-1", "soon", "nan"):
        with pytest.raises(UserError, match=r"MIRO_EVAL_WORKER_TIMEOUT=.*expected a number of seconds"):
            Timeouts.of({"MIRO_EVAL_WORKER_TIMEOUT": text})


def test_a_job_s_events_are_those_of_the_protocol(tmp_path: Path) -> None:
    assert worker.read_event(json.dumps({"event": "ended", "code": "x"})) is None
    assert worker.read_event(json.dumps({"event": "unknown"})) == {"event": "unknown"}
