"""A run from elsewhere may say anything of its jobs: nothing of it becomes an option of Slurm's commands, or a path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli.app import app
from harness.executors import queue
from harness.executors.share_state import ShareState, read_state
from harness.executors.submission import Submission, submission_file
from harness.run.directory import RunDirectory
from tests.slurm.fake import FakeSlurm
from wire.errors import UserError

GOOD: dict[str, Any] = {"shards": 2, "stages": {"generate": {"0": "7_0", "1": "7_1"}}, "merge": "8"}
IDS = (
    *("--user=root", "-u root", "7 8", "7\n8", "7,8", "7;8", "7_", "_7", "7_0_1", "٣", "$(id)", "9" * 40, "7\n"),
    *(7, None, ["7"], {"7": 1}, True, 7.5, float("nan")),
)


def records() -> list[Any]:
    jobs = [GOOD | {"stages": {"generate": {"0": odd}}} for odd in IDS]
    merges = [GOOD | {"merge": odd} for odd in IDS]
    shards = [GOOD | {"shards": odd} for odd in ("2", 0, -1, 1 << 70, 1001, True, None, [])]
    indices = [
        GOOD | {"stages": {"generate": {odd: "7"}}} for odd in ("-1", "2", "x", "", "1_0", " 1", "٣", "9" * 5000)
    ]
    stages = [
        GOOD | {"stages": odd} for odd in ({"../../x": {}}, {"x\ny": {}}, [], None, {"generate": []}, ["generate"])
    ]
    lacking = [{key: value for key, value in GOOD.items() if key != left} for left in GOOD]
    return [*jobs, *merges, *shards, *indices, *stages, *lacking, None, [], "x", 5]


#: Malformed as files.
FILES = (b"", b"{", b"[" * 200_000, b"\xff", b'{"shards": 1, "shards": 1, "stages": {}, "merge": ""}', b"\x00", b"NaN")
EVERYTHING = [*(json.dumps(record).encode() for record in records()), *FILES]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    (tmp_path / "bin").mkdir()
    fake = FakeSlurm(tmp_path / "bin")
    fake.install(monkeypatch)
    return fake


def written(folder: Path, content: bytes) -> RunDirectory:
    run = RunDirectory(folder)
    run.work("shards").mkdir(parents=True, exist_ok=True)
    submission_file(run).write_bytes(content)
    return run


def test_a_record_of_ours_is_read(tmp_path: Path) -> None:
    found = Submission.read(written(tmp_path, json.dumps(GOOD).encode()))
    assert found == Submission(2, {"generate": {0: "7_0", 1: "7_1"}}, "8")
    local = Submission(2, {"generate": {0: "", 1: ""}})
    local.write(RunDirectory(tmp_path))
    assert Submission.read(RunDirectory(tmp_path)) == local


@pytest.mark.parametrize("content", EVERYTHING, ids=range(len(EVERYTHING)))
@pytest.mark.parametrize("verb", ["status", "cancel"])
def test_a_record_that_is_not_ours_is_told_in_a_line_and_slurm_is_not_asked(
    slurm: FakeSlurm, tmp_path: Path, verb: str, content: bytes
) -> None:
    run = written(tmp_path / "run", content)
    error = CliRunner().invoke(app, [verb, str(run.path)]).exception
    assert isinstance(error, UserError)
    assert str(error).startswith(f"{submission_file(run)}: not a readable record of jobs")
    assert str(error).isprintable()
    assert len(str(error)) < 600
    assert slurm.calls() == []


def test_a_record_that_is_no_file_is_told_in_a_line(slurm: FakeSlurm, tmp_path: Path) -> None:
    submission_file(RunDirectory(tmp_path / "run")).mkdir(parents=True)
    error = CliRunner().invoke(app, ["cancel", str(tmp_path / "run")]).exception
    assert isinstance(error, UserError)
    assert "not a file" in str(error)


@pytest.mark.parametrize("job", [odd for odd in IDS if isinstance(odd, str)])
def test_slurm_s_commands_get_ids_only(slurm: FakeSlurm, job: str) -> None:
    for ask in (queue.entries, queue.cancel):
        with pytest.raises(UserError, match="no job id"):
            ask(["7", job])
    assert slurm.calls() == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(sorted(vars(ShareState()))) | st.text(max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=st.dictionaries(FIELDS, JSON, max_size=3) | JSON)
def test_a_task_s_state_is_told_or_refused_in_a_line(tmp_path: Path, record: Any) -> None:
    run = written(tmp_path, json.dumps(GOOD).encode())
    path = run.work("shards/generate-0of2.json")
    path.write_text(json.dumps(record))
    result = CliRunner().invoke(app, ["status", str(run.path)])
    if isinstance(result.exception, UserError):
        assert str(result.exception).startswith(f"{path}: not a readable state of a task")
        assert "\n" not in str(result.exception)
    else:
        assert isinstance(result.exception, SystemExit | None)
        assert "generate " in result.output
        assert read_state(path) == ShareState(**record)


def test_both_ends_of_that_are_met(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"state": "finished", "done": 3, "seconds": 2}')
    assert read_state(path) == ShareState("finished", done=3, seconds=2)
    for odd in ('{"done": "3"}', '{"done": true}', '{"state": []}', '{"no": 1}', "[]", "null"):
        path.write_text(odd)
        with pytest.raises(UserError, match="not a readable state"):
            read_state(path)


@pytest.mark.parametrize("content", FILES)
def test_a_state_that_is_none_is_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    run = written(tmp_path, json.dumps(GOOD).encode())
    run.work("shards/generate-1of2.json").write_bytes(content)
    error = CliRunner().invoke(app, ["status", str(run.path)]).exception
    assert isinstance(error, UserError)
    assert "generate-1of2.json: not a readable state" in str(error)
