from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wire.errors import ExitCode, UserError
from wire.protocol import Item, Job, RowWriter, pending_batches, read_rows
from wire.row_files import MAX_LINE

ROOT = Path(__file__).resolve().parents[2]


def make_job(folder: Path, **changes: object) -> Job:
    items = [Item(f"0000{i}/samples/0000.png", i, 0, {"prompt": f"prompt {i}"}) for i in range(3)]
    fields = {"stage": "generation", "run_dir": str(folder), "output": str(folder / "rows.jsonl"), "items": items}
    return Job(**(fields | changes))


def test_a_job_survives_the_trip_through_its_file(tmp_path: Path) -> None:
    job = make_job(tmp_path, parameters={"seed": 42}, done=frozenset({"b", "a"}))
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 2}'])
def test_an_unreadable_job_is_one_line_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"job\.json: not a readable job file") as error:
        Job.read(path)
    assert "\n" not in str(error.value)


def test_another_protocol_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    make_job(tmp_path, version=1).write(path)
    with pytest.raises(UserError, match="protocol version 1, this worker speaks 2"):
        Job.read(path)


def test_batches_do_not_depend_on_what_is_done() -> None:
    every = list(pending_batches(range(10), 4, lambda _item: False))
    assert every == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    for done in ({0, 1, 2, 3}, {0, 3}, {4, 5, 6, 7, 8}, set(range(10))):
        left = list(pending_batches(range(10), 4, lambda item, done=done: item in done))
        assert left == [batch for batch in every if not set(batch) <= done]


def test_rows_are_read_back_and_a_truncated_last_one_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with RowWriter(path) as writer:
        writer.write([{"a": 1}, {"a": "é\n"}])
    with path.open("ab") as file:
        file.write(b'{"a": 3')
    assert list(read_rows(path)) == [{"a": 1}, {"a": "é\n"}]
    with RowWriter(path) as writer:
        writer.write([{"a": 4}])
    assert list(read_rows(path)) == [{"a": 1}, {"a": "é\n"}, {"a": 4}]
    assert path.read_bytes().endswith(b'{"a": 4}\n')


def test_a_broken_row_in_the_middle_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\nnonsense\n{"a": 2}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl:2: not valid JSON"):
        list(read_rows(path))
    path.write_text('{"a": 1}\n[1]\n')
    with pytest.raises(UserError, match=r"rows\.jsonl:2: expected a JSON object, found list"):
        list(read_rows(path))


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 1, "b": {"correct": true, "correct": false}}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl:2: not valid JSON \(the key 'correct' appears twice\)"):
        list(read_rows(path))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": 1}\n{"a": "')
        file.truncate(8 * MAX_LINE)  # sparse: 128 MB that cost no disk
    rows = read_rows(path)
    assert next(rows) == {"a": 1}
    with pytest.raises(UserError, match=r"rows\.jsonl:2: a line of more than 16 MB"):
        next(rows)


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": ' + "[" * 100_000 + "\n")
    with pytest.raises(UserError, match=r"rows\.jsonl:1: not valid JSON"):
        list(read_rows(path))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_never_written(tmp_path: Path, value: float) -> None:
    with RowWriter(tmp_path / "rows.jsonl") as writer, pytest.raises(ValueError, match="JSON compliant"):
        writer.write([{"value": value}])


WORKER = """
import os, sys
from wire.protocol import EnvironmentFailure, UserError
from wire.worker_process import run_worker
def work(job, reporter):
    print("a library speaks"); os.system("echo and so does C")
    reporter.started(total=len(job.items), device="cpu", packages={})
    action = job.parameters["action"]
    if action == "user": raise UserError("mend your input")
    if action == "environment": raise EnvironmentFailure("no weights")
    if action == "bug": raise RuntimeError("oops")
    if action == "memory": raise MemoryError
    if action == "disk": raise OSError(28, "No space left on device")
    if action in ("folder", "hang"):
        import atexit, tempfile, time
        global folder; folder = tempfile.TemporaryDirectory()
        if action == "hang": atexit.register(time.sleep, 60)
    if action == "wait": sys.stderr.write("waiting\\n"); import time; time.sleep(60)
    if action == "swallow":
        import time
        try: sys.stderr.write("waiting\\n"); time.sleep(60)
        except BaseException: time.sleep(60)
    reporter.finished(rows=3, unscored=0)
run_worker("generation", work)
"""


def start_worker(tmp_path: Path, action: str, **environment: str) -> subprocess.Popen[str]:
    make_job(tmp_path, parameters={"action": action}).write(tmp_path / "job.json")
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path / "job.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environment},
    )


@pytest.mark.parametrize(
    ("action", "code", "message"),
    [
        ("user", ExitCode.USER_ERROR, "mend your input"),
        ("environment", ExitCode.ENVIRONMENT_FAILURE, "no weights"),
        ("bug", ExitCode.BUG, "RuntimeError: oops"),
        ("disk", ExitCode.ENVIRONMENT_FAILURE, "OSError: [Errno 28] No space left on device"),
        ("memory", ExitCode.ENVIRONMENT_FAILURE, "out of memory: choose a smaller --batch-size, or free some memory"),
    ],
)
def test_a_worker_s_errors_become_exit_codes_and_one_event(
    tmp_path: Path, action: str, code: int, message: str
) -> None:
    process = start_worker(tmp_path, action)
    output, log = process.communicate(timeout=60)
    events = [json.loads(line) for line in output.splitlines()]
    assert process.returncode == code
    assert [event["event"] for event in events] == ["started", "error", "ended"]
    assert events[1]["message"] == message
    assert events[2]["code"] == code
    assert "a library speaks" in log
    assert "and so does C" in log


@pytest.mark.parametrize("action", ["folder", "hang"])
def test_a_worker_leaves_no_temporary_folder_and_waits_for_nobody(tmp_path: Path, action: str) -> None:
    """What libraries do at their end is done, if it does not take long."""
    (tmp_path / "temporary").mkdir()
    process = start_worker(tmp_path, action, TMPDIR=str(tmp_path / "temporary"))
    process.communicate(timeout=30)
    assert process.returncode == ExitCode.DONE
    assert action == "hang" or not list((tmp_path / "temporary").iterdir())


def test_a_worker_says_that_it_lives_when_it_is_asked_to(tmp_path: Path) -> None:
    process = start_worker(tmp_path, "wait", MIRO_EVAL_HEARTBEAT="0.05")
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline())["event"] for _ in range(4)]
    assert seen.count("alive") >= 3
    process.kill()
    process.communicate()


def test_a_worker_ends_when_its_orchestrator_does(tmp_path: Path) -> None:
    process = start_worker(tmp_path, "wait", MIRO_EVAL_WATCH_STDIN="1")
    assert process.stderr is not None
    assert process.stdin is not None
    while "waiting" not in process.stderr.readline():
        assert process.poll() is None
    process.stdin.close()
    assert process.wait(timeout=20) == ExitCode.INTERRUPTED
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


@pytest.mark.parametrize("action", ["wait", "swallow"])
def test_a_terminated_worker_says_130(tmp_path: Path, action: str) -> None:
    """Even where a library that tries an import swallows whatever comes."""
    process = start_worker(tmp_path, action)
    assert process.stderr is not None
    while "waiting" not in process.stderr.readline():
        assert process.poll() is None
    process.terminate()
    output, _ = process.communicate(timeout=20)
    assert process.returncode == ExitCode.INTERRUPTED
    assert json.loads(output.splitlines()[-2])["message"] == "stopped by a signal"


def hand_over(process: subprocess.Popen[str], *words: str | None) -> None:
    assert process.stdin is not None
    process.stdin.writelines(json.dumps(word) + "\n" for word in words)
    process.stdin.flush()


def next_end(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Number and code of the next job that is through."""
    assert process.stdout is not None
    while (event := json.loads(process.stdout.readline()))["event"] != "ended":
        pass
    return event["job"], event["code"]


def test_a_living_worker_takes_job_after_job_until_it_is_told_that_no_more_will_come(tmp_path: Path) -> None:
    process = start_worker(tmp_path, "works", MIRO_EVAL_WATCH_STDIN="1")
    assert next_end(process) == (0, 0)
    for number, (action, code) in enumerate([("user", 2), ("works", 0), ("environment", 4)], start=1):
        make_job(tmp_path, parameters={"action": action}).write(tmp_path / f"naïve\n{number}.json")
        hand_over(process, str(tmp_path / f"naïve\n{number}.json"))
        assert next_end(process) == (number, code)
    hand_over(process, None)
    process.wait(timeout=20)  # with its standard input held open, as its orchestrator does
    process.communicate()
    assert process.returncode == ExitCode.USER_ERROR, "that of the first job that failed"


@pytest.mark.parametrize("cut", ["", '"/half/a/pa', "nonsense\n"])
def test_an_idle_worker_ends_when_its_orchestrator_does(tmp_path: Path, cut: str) -> None:
    process = start_worker(tmp_path, "works", MIRO_EVAL_WATCH_STDIN="1")
    assert next_end(process) == (0, 0)
    process.communicate(cut, timeout=20)
    assert process.returncode == ExitCode.INTERRUPTED


def test_an_idle_worker_that_is_terminated_says_130(tmp_path: Path) -> None:
    process = start_worker(tmp_path, "works", MIRO_EVAL_WATCH_STDIN="1")
    assert next_end(process) == (0, 0)
    process.terminate()
    assert process.wait(timeout=20) == ExitCode.INTERRUPTED
    process.communicate()
