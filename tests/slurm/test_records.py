"""A run from elsewhere may say anything of its jobs: nothing of it becomes an option of Slurm's commands, or a path."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli.app import app
from harness.executors import queue, tasks
from harness.executors import slurm as slurm_executor
from harness.executors.sharding import Share
from harness.executors.share_state import FAILED, FINISHED, INTERRUPTED, ShareState, read_state, state_file
from harness.executors.submission import (
    Submission,
    clean_job_folders,
    job_folders,
    merge_state_file,
    new_job_folder,
    refuse_while_queued,
    submission_file,
)
from harness.executors.tasks import MergeTask, ShareTask
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RunSettings, SlurmSettings
from harness.weights.weight_source import PublishedWeights
from tests.slurm.fake import FakeSlurm, pipeline, submit
from wire.errors import EnvironmentFailure, UserError

TOKEN = "0123456789abcdef" * 2
GOOD: dict[str, Any] = {
    "shards": 2,
    "stages": {"generate": {"0": "7_0", "1": "7_1"}},
    "merge": "8",
    "cluster": "fake",
    "token": TOKEN,
}
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
    tokens = [GOOD | {"token": odd} for odd in (*IDS, TOKEN.upper(), TOKEN[1:], TOKEN + "\n")]
    clusters = [GOOD | {"cluster": odd} for odd in ("-M", "a b", "a\nb", "$(id)", "x" * 65, 7, None, "")]
    lacking = [{key: value for key, value in GOOD.items() if key != left} for left in GOOD if left != "token"]
    return [*jobs, *merges, *shards, *indices, *stages, *tokens, *clusters, *lacking, None, [], "x", 5]


#: Malformed as files.
FILES = (b"", b"{", b"[" * 200_000, b"\xff", b'{"shards": 1, "shards": 1, "stages": {}, "merge": ""}', b"\x00", b"NaN")
EVERYTHING = [*(json.dumps(record).encode() for record in records()), *FILES]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
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
    assert found == Submission(2, {"generate": {0: "7_0", 1: "7_1"}}, "8", "fake", TOKEN)
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


@pytest.mark.parametrize("count", [1, 900])
@pytest.mark.parametrize("verb", ["status", "cancel"])
def test_a_record_of_a_version_without_tokens_says_what_to_do(
    slurm: FakeSlurm, tmp_path: Path, verb: str, count: int
) -> None:
    """Its numbers may be anybody's by now: nothing is asked or ended by them."""
    old = {"shards": count, "stages": {"generate": {str(job): str(70 + job) for job in range(count)}}, "merge": "9000"}
    run = written(tmp_path / "run", json.dumps(old).encode())
    for error in (CliRunner().invoke(app, [verb, str(run.path)]).exception, refused(run)):
        assert isinstance(error, UserError)
        assert f"{submission_file(run)}: written by an older version" in str(error)
        assert "See with `squeue --me` whether jobs 70, " in str(error)
        assert "remove this file" in str(error)
        assert len(str(error)) < 600
    assert slurm.calls() == []


def refused(run: RunDirectory) -> UserError:
    with pytest.raises(UserError) as caught:
        refuse_while_queued(run)
    return caught.value


#: An ``sbatch`` that gives no answer, before or after it submits, or one that makes no sense.
DEAF = {
    "hangs before": ("sleep 600", "sbatch took more than 0.5 s"),
    "hangs after": ("{real}; sleep 600", "sbatch took more than 0.5 s"),
    "says it failed, after": ("{real} > /dev/null; echo 'Socket timed out' >&2; exit 1", "refused a job: Socket timed"),
    "says something else": ("{real} > /dev/null; echo 'job under way'", "and no job's number"),
}


@pytest.mark.parametrize("how", DEAF)
@pytest.mark.parametrize("call", [1, 3])
def test_an_sbatch_without_an_answer_ends_and_what_it_submitted_is_found_by_its_token(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, how: str
) -> None:
    monkeypatch.setattr(queue, "SUBMIT_TIMEOUT", 0.5)
    monkeypatch.setattr("harness.executors.slurm.SETTLE", 0.2)
    (slurm.folder / "sbatch").rename(slurm.folder / "real")
    order = DEAF[how][0].format(real=f'{slurm.folder}/real "$1"')
    count = f'[ $(ls {slurm.folder}/*.script 2>/dev/null | wc -l) -eq {call - 1} ] || exec {slurm.folder}/real "$1"'
    (slurm.folder / "sbatch").write_text(f"#!/bin/sh\n{count}\n{order}\n")
    (slurm.folder / "sbatch").chmod(0o755)
    made = pipeline(tmp_path / "run")
    with pytest.raises(EnvironmentFailure, match=DEAF[how][1]):
        submit(made)
    assert slurm.jobs.read_text() == ""
    submission = Submission.read(made.run)
    assert submission is not None
    assert submission.merge == ""
    slurm.jobs.write_text(f"77_0|PENDING|None|miro-eval:{submission.token}\n")  # it came after all
    assert "1 of its jobs wait or run" in str(refused(made.run))


def test_a_record_that_is_no_file_is_told_in_a_line(slurm: FakeSlurm, tmp_path: Path) -> None:
    submission_file(RunDirectory(tmp_path / "run")).mkdir(parents=True)
    error = CliRunner().invoke(app, ["cancel", str(tmp_path / "run")]).exception
    assert isinstance(error, UserError)
    assert "not a file" in str(error)


def test_true_ids_of_other_jobs_are_never_cancelled(slurm: FakeSlurm, tmp_path: Path) -> None:
    """A record may name any job of mine: it is left alone unless its comment has the record's token."""
    run = written(tmp_path / "run", json.dumps(GOOD).encode())
    others = ("", "miro-eval:", f"miro-eval:{TOKEN[::-1]}", f"miro-eval:{TOKEN}0", TOKEN, "mine")
    slurm.jobs.write_text("".join(f"7_{place}|RUNNING|None|{said}\n" for place, said in enumerate(others)))
    answer = CliRunner().invoke(app, ["cancel", str(run.path)])
    assert answer.output.startswith("nothing to cancel")
    assert not [call for call in slurm.calls() if call.startswith("scancel")]
    refuse_while_queued(run)
    slurm.jobs.write_text(f"9_0|PENDING|None|for a paper miro-eval:{TOKEN}\n8|RUNNING|None|mine\n")
    with pytest.raises(UserError, match="1 of its jobs wait or run"):
        refuse_while_queued(run)
    assert CliRunner().invoke(app, ["cancel", str(run.path)]).output.startswith("cancelled 1 tasks")
    assert [call for call in slurm.calls() if call.startswith("scancel")] == ["scancel 9"]


def test_jobs_of_another_cluster_are_not_asked_for_here(slurm: FakeSlurm, tmp_path: Path) -> None:
    """Both clusters number from 1, and a token could have been copied with the run."""
    run = written(tmp_path / "run", json.dumps(GOOD | {"cluster": "elsewhere"}).encode())
    slurm.jobs.write_text(f"7_0|RUNNING|None|miro-eval:{TOKEN}\n")
    told = "on cluster elsewhere, and Slurm's commands here ask fake"
    error = CliRunner().invoke(app, ["cancel", str(run.path)]).exception
    assert isinstance(error, EnvironmentFailure)
    assert told in str(error)
    with pytest.raises(EnvironmentFailure, match=told):
        refuse_while_queued(run)
    assert told in CliRunner().invoke(app, ["status", str(run.path)]).output
    assert not [call for call in slurm.calls() if call.startswith("scancel")]


SILENT = {
    "refuses": "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1",
    "hangs": "sleep 600",
    "is gone": "",
}


@pytest.mark.parametrize("how", SILENT)
@pytest.mark.parametrize("which", ["scontrol", "squeue"])
def test_where_nobody_can_tell_nothing_is_begun(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str, how: str
) -> None:
    monkeypatch.setattr(queue, "TIMEOUT", 0.5)
    monkeypatch.setenv("PATH", f"{slurm.folder}{os.pathsep}/usr/bin{os.pathsep}/bin" if SILENT[how] else "/nowhere")
    (slurm.folder / which).write_text(f"#!/bin/sh\n{SILENT[how]}\n")
    run = written(tmp_path / "run", json.dumps(GOOD).encode())
    with pytest.raises(EnvironmentFailure, match=r"its jobs may wait or run on cluster fake .*if you know") as caught:
        refuse_while_queued(run)
    assert "\n" not in str(caught.value)
    assert isinstance(CliRunner().invoke(app, ["cancel", str(run.path)]).exception, EnvironmentFailure)
    answer = CliRunner().invoke(app, ["status", str(run.path)])
    assert answer.exit_code == 0
    assert "Slurm cannot be asked" in answer.output
    ShareState(FINISHED).write(merge_state_file(run))
    refuse_while_queued(run)


def test_the_user_s_own_defaults_hide_no_job(slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    (slurm.folder / "squeue").write_text("#!/bin/sh\nset | grep ^SQUEUE_ >&2 && exit 1\nexit 0\n")
    assert queue.entries(TOKEN) == {}


def test_an_interrupted_submission_is_known_by_its_token_alone(slurm: FakeSlurm, tmp_path: Path) -> None:
    run = written(tmp_path / "run", json.dumps(GOOD | {"stages": {}, "merge": ""}).encode())
    slurm.jobs.write_text("".join(f"9_{task}|PENDING|None|miro-eval:{TOKEN}\n" for task in range(3)))
    with pytest.raises(UserError, match=r"3 of its jobs wait or run .*their submission was interrupted"):
        refuse_while_queued(run)
    assert "ends the 3 tasks" in CliRunner().invoke(app, ["status", str(run.path)]).output
    assert CliRunner().invoke(app, ["cancel", str(run.path)]).output.startswith("cancelled 3 tasks")
    error = CliRunner().invoke(app, ["status", str(run.path)]).exception
    assert isinstance(error, UserError)
    assert "give the command again" in str(error)
    refuse_while_queued(run)


def test_what_failed_and_was_finished_later_has_not_failed(slurm: FakeSlurm, tmp_path: Path) -> None:
    """The rows were merged by a command on this machine: nothing is missing, whatever the last job said."""
    run = written(tmp_path / "run", json.dumps(GOOD).encode())
    ShareState(FAILED, message="killed").write(merge_state_file(run))
    assert CliRunner().invoke(app, ["status", str(run.path)]).exit_code == 5
    record = StageRecord("f", {}, finished=True)
    Manifest("x", stages={"generate": record}).write(run.manifest)
    answer = CliRunner().invoke(app, ["status", str(run.path)])
    assert answer.exit_code == 0, answer.output
    assert "merge     1 finished" in answer.output
    record.finished = False
    Manifest("x", stages={"generate": record}).write(run.manifest)
    assert CliRunner().invoke(app, ["status", str(run.path)]).exit_code == 5


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


def tasks_of(run: RunDirectory, token: str, **arguments: str) -> tuple[ShareTask, MergeTask]:
    chosen = RunSettings(run.path, slurm=SlurmSettings(arguments=arguments))
    source = PublishedWeights()
    return ShareTask("generate", Share(0, 2), chosen, source, token), MergeTask(("generate",), chosen, source, token)


def test_a_task_of_another_submission_does_not_work(tmp_path: Path) -> None:
    """It came into the queue late, when its command had been killed and another had submitted all anew."""
    run = written(tmp_path / "run", json.dumps(GOOD).encode())
    for task in tasks_of(run, TOKEN[::-1]):
        with pytest.raises(UserError, match="this task is left over"):
            task()
    submission_file(run).unlink()
    with pytest.raises(UserError, match="this task is left over"):
        tasks_of(run, TOKEN)[0]()
    assert list(run.work("shards").iterdir()) == []


@pytest.mark.parametrize(("minutes", "rows", "again"), [(1, 0, True), (117, 0, False), (119, 0, False), (119, 1, True)])
def test_a_task_whose_time_is_too_short_for_a_row_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: int, rows: int, again: bool
) -> None:
    """Preempted after a minute it is; at the end of its time only if it made something."""
    run = written(tmp_path / "run", json.dumps(GOOD).encode())
    path = state_file(run, "generate", Share(0, 2))
    ShareState(found=5, done=5 + rows).write(path)
    task, _ = tasks_of(run, TOKEN, time="2:00:00")
    monkeypatch.setattr(tasks, "_BEGUN", time.monotonic() - 60 * minutes)
    if again:
        assert task.checkpoint().function == task
        assert read_state(path) == ShareState(INTERRUPTED, found=5, done=5 + rows)
    else:
        with pytest.raises(UserError, match=r"no row was made in 120 minutes: choose a longer time"):
            task.checkpoint()


@pytest.mark.parametrize("name", ["run", "a run"])
def test_folders_of_ended_submissions_are_removed(slurm: FakeSlurm, tmp_path: Path, name: str) -> None:
    """Those of this run when it is submitted anew; in our home also those of runs that are over or deleted."""
    made = pipeline(tmp_path / "runs" / name)
    submit(made)
    (first,) = job_folders(made.run).iterdir() if name == "run" else (new_job_folder(made.run),)
    submit(made)
    assert not first.exists()
    ended, deleted, away, waiting = (pipeline(tmp_path / place / "a run") for place in ("1", "2", "3", "4"))
    for one in (ended, deleted, away, waiting):
        submit(one)
    ShareState(FINISHED).write(merge_state_file(ended.run))
    shutil.rmtree(deleted.run.path)
    shutil.rmtree(away.run.path.parent)
    submit(made)
    assert [job_folders(one.run).exists() for one in (ended, deleted, away, waiting)] == [False, False, True, True]


def test_a_run_that_is_submitted_anew_keeps_its_folder_while_another_is_submitted(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first submission is over, which alone would let the other one remove its folder."""
    again, other = pipeline(tmp_path / "1" / "a run"), pipeline(tmp_path / "2" / "a run")
    submit(again)
    ShareState(FINISHED).write(merge_state_file(again.run))

    def meanwhile(run: RunDirectory) -> Path:
        folder = new_job_folder(run)
        clean_job_folders(other.run)
        return folder

    monkeypatch.setattr(slurm_executor, "new_job_folder", meanwhile)
    submit(again)
    (folder,) = (path for path in job_folders(again.run).iterdir() if path.is_dir())
    assert len(list(folder.glob("*_submitted.pkl"))) == 5


def test_a_cluster_that_drops_comments_is_left_alone(slurm: FakeSlurm, tmp_path: Path) -> None:
    """Its jobs could not be told from others: they are ended by the numbers that it has just given."""
    made = pipeline(tmp_path / "run")
    (slurm.folder / "squeue").write_text("#!/bin/sh\necho '5|PENDING|None|(null)'\n")
    with pytest.raises(EnvironmentFailure, match="the cluster drops comments"):
        submit(made)
    (call,) = [call for call in slurm.calls() if call.startswith("scancel")]
    assert len(call.split()) == 4
