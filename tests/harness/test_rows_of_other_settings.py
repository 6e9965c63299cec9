"""Rows made with other settings stay in use until there are new ones, are kept then, and come back with those."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.noop import CHECKPOINT, arguments, finished_run
from geneval.settings import GenevalSettings
from harness.cli.app import app
from harness.executors.sharding import Share, Todo
from harness.executors.share_work import ShareWork, begin_stage, merge_stage
from harness.executors.submission import Submission
from harness.plan.open import open_run
from harness.plan.verification import verify
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import GenerationSettings, RunSettings
from harness.stages.base import StagePlan, work_file
from harness.stages.context import Pipeline
from harness.stages.registry import STAGES
from harness.terminal.display import Display
from harness.weights.weight_source import PublishedWeights
from wire.errors import EnvironmentFailure
from wire.files import write_rows
from wire.kept import keep, kept_path

GENEVAL = STAGES["geneval"]
#: Settings by name: GenEval's own thresholds are A.
SETTINGS = {name: GenevalSettings(batch_size=size) for name, size in (("A", None), ("B", 2), ("C", 3))}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run, judged with settings A."""
    finished_run(tmp_path / "run", 3, 1, 100)
    assert CliRunner().invoke(app, arguments(tmp_path / "run", 3, 1)).exit_code == 0
    return tmp_path / "run"


def opened(run: Path, name: str) -> Any:
    return open_run(RunSettings(run, geneval=SETTINGS[name], device="cpu"), PublishedWeights(), Display())


def begin(pipeline: Pipeline) -> StagePlan:
    plan = pipeline.plan(GENEVAL)
    begin_stage(pipeline, Todo(GENEVAL, plan, []))
    return plan


def judged(pipeline: Pipeline, plan: StagePlan, name: str) -> None:
    """What a worker leaves: a row for each image that has none."""
    about = ("filename", "prompt", "prompt_index", "sample_index", "image_sha256")
    missing = [item for item in plan.items if item.filename not in plan.done]
    rows = [{key: getattr(item, key) for key in about} | {"status": "scored", "by": name} for item in missing]
    if rows:
        write_rows(pipeline.run.work(work_file("geneval", plan.settings)), rows)


def judge(run: Path, name: str) -> int:
    """A whole command with those settings; returns how many rows it had to make."""
    with opened(run, name) as pipeline:
        plan = begin(pipeline)
        judged(pipeline, plan, name)
        pipeline.worked_on(GENEVAL)
        merge_stage(pipeline, GENEVAL, pipeline.record(GENEVAL, pipeline.plan(GENEVAL)))
    return plan.pending


def fingerprint_of(run: Path) -> str:
    manifest = Manifest.read(run / "run.json")
    assert manifest is not None
    return manifest.stages["geneval"].fingerprint


def kept(run: Path) -> list[str]:
    return sorted(path.name for path in run.glob("results.previous.*"))


def results(run: Path) -> bytes:
    return (run / "results.jsonl").read_bytes()


def test_what_fails_takes_no_rows_away(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))  # without weights
    before, manifest = results(run), (run / "run.json").read_bytes()
    again = CliRunner().invoke(app, [*arguments(run, 3, 1), "--detector-batch-size", "2", "--offline"])
    assert isinstance(again.exception, EnvironmentFailure), again.output
    assert "mask2former" in str(again.exception)
    assert results(run) == before
    assert kept(run) == []
    assert verify(run)[1] == []
    there, now = json.loads(manifest)["stages"], json.loads((run / "run.json").read_text())["stages"]
    assert now == there, "the rows in use are those that run.json speaks of"


def test_every_copy_has_a_name_of_its_own_and_comes_back_with_its_settings(run: Path) -> None:
    rows, marks = {"A": results(run)}, {"A": fingerprint_of(run)}
    for name in ("B", "C"):
        assert judge(run, name) == 3
        rows[name], marks[name] = results(run), fingerprint_of(run)
    assert len(set(marks.values())) == len(set(rows.values())) == 3
    assert kept(run) == sorted(f"results.previous.{marks[name]}.jsonl" for name in "AB")
    for name in ("A", "B", "A", "C"):
        assert judge(run, name) == 0, "nothing is judged twice"
        assert results(run) == rows[name]
        assert fingerprint_of(run) == marks[name]
        others = {marks[other]: rows[other] for other in "ABC" if other != name}
        assert kept(run) == sorted(f"results.previous.{mark}.jsonl" for mark in others)
        assert all((run / f"results.previous.{mark}.jsonl").read_bytes() == text for mark, text in others.items())
        assert verify(run)[1] == []


def test_rows_that_come_back_bring_their_models_along(run: Path) -> None:
    with opened(run, "A") as pipeline:
        record = pipeline.manifest.stages["geneval"]
        record.provenance = {"device": "cpu", "weights": [{"name": "mask2former", "sha256": "1" * 64}]}
        pipeline.save(GENEVAL, record)
    judge(run, "B")
    judge(run, "A")
    manifest = Manifest.read(run / "run.json")
    assert manifest is not None
    assert manifest.stages["geneval"].provenance["weights"] == [{"name": "mask2former", "sha256": "1" * 64}]


def told(run: Path, pipeline: Pipeline, device: str) -> None:
    """A share's worker says what its models are; the orchestrator dies before it takes note of it."""
    work = ShareWork(pipeline.run, GENEVAL, Share(0, 1))
    work.begin()
    work.journal.plan(pipeline.plan(GENEVAL).fingerprint, 0, 3, {})
    work.journal.handle({"event": "started", "total": 3, "device": device, "weights": [{"sha256": device}]})
    work.journal.ended("finished")
    submission = Submission(1, {"geneval": {0: ""}})
    submission.write(pipeline.run)


def test_rows_are_not_said_to_be_made_by_the_models_of_other_settings(run: Path) -> None:
    """B stopped when its rows were complete, C begun, B asked for again: C's worker has not made them."""
    for name in ("B", "C"):
        with opened(run, name) as pipeline:
            plan = begin(pipeline)
            told(run, pipeline, f"device of {name}")
            if name == "B":
                judged(pipeline, plan, name)
    judge(run, "B")
    manifest = Manifest.read(run / "run.json")
    assert manifest is not None
    assert "C" not in json.dumps(manifest.stages["geneval"].provenance)


def test_a_share_forgets_what_a_worker_with_other_settings_told(run: Path) -> None:
    for name, remembered in (("B", False), ("C", False), ("C", True)):
        with opened(run, name) as pipeline:
            work = ShareWork(pipeline.run, GENEVAL, Share(0, 1))
            work.begin()
            work.journal.plan(pipeline.plan(GENEVAL).fingerprint, 0, 3, {})
            assert bool(work.journal.state.provenance) == remembered
            work.journal.handle({"event": "started", "total": 3, "device": name})


def scored_by(*metrics: str) -> dict[str, Any]:
    cards = {metric: {"metric": metric} for metric in metrics}
    weights = [{"metric": metric, "sha256": metric} for metric in metrics for _ in range(2)]
    return {"event": "started", "total": 3, "device": "cpu", "weights": weights, "cards": cards}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([("a", "b"), ("c",)], "aabbcc"), ([("a",), ("a", "b")], "aabb"), ([("a", "b"), ("a",)], "bbaa"),
        ([("a",), ()], "aa"), ([(), ("a",)], "aa"), ([("a",), ("b",), ("a",)], "bbaa"),
    ],
)  # fmt: skip
def test_a_metric_that_is_added_later_leaves_the_others_weights(
    run: Path, told: list[tuple[str, ...]], expected: str
) -> None:
    with open_run(RunSettings(run), PublishedWeights(), Display()) as pipeline:
        record = StageRecord("f", {})
        for metrics in told:
            pipeline.note_provenance(STAGES["rewards"], record, scored_by(*metrics), {})
    assert "".join(weight["metric"] for weight in record.provenance["weights"]) == expected
    assert set(record.provenance["cards"]) == set(expected)


def test_verdicts_have_the_weights_and_the_environment_of_the_last_worker(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = list[str]()
    with opened(run, "A") as pipeline:
        monkeypatch.setattr(pipeline.display, "note", notes.append)
        record = StageRecord("f", {})
        for sha256, backend in (("1", "mmcv-lite"), ("2", "mmcv-lite"), ("3", "uv")):
            words = {"event": "started", "total": 3, "device": "cpu", "weights": [{"sha256": sha256}]}
            pipeline.note_provenance(GENEVAL, record, words, {"backend": backend})
    assert record.provenance["weights"] == [{"sha256": "3"}]
    assert record.environment == {"backend": "uv"}
    assert notes == ["geneval: started in mmcv-lite, continued in uv: the last bits of its results differ"]


def test_a_foreign_file_is_kept_once_there_are_rows_of_ours(tmp_path: Path) -> None:
    run = tmp_path / "run"
    finished_run(run, 3, 1, 100)
    record = json.loads((run / "run.json").read_text())
    del record["stages"]["geneval"]
    (run / "run.json").write_text(json.dumps(record))
    (run / "results.jsonl").write_text('{"filename": "a tool\'s own"}\n')
    with opened(run, "A") as pipeline:
        begin(pipeline)
    with opened(run, "A") as pipeline:  # stopped and begun again: the file is still another tool's
        assert pipeline.plan(GENEVAL).pending == 3
    assert results(run) == b'{"filename": "a tool\'s own"}\n'
    judge(run, "A")
    (name,) = kept(run)
    assert (run / name).read_bytes() == b'{"filename": "a tool\'s own"}\n'
    assert len(results(run).splitlines()) == 3
    assert verify(run)[1] == []


def test_without_its_run_json_a_run_begins_anew_and_keeps_what_is_there(run: Path) -> None:
    """As the line says that is reported of a damaged one."""
    before = results(run)
    (run / "run.json").unlink()
    assert judge(run, "A") == 3
    (name,) = kept(run)
    assert (run / name).read_bytes() == before
    assert [path.name for path in sorted(run.glob("rewards*.jsonl"))] == ["rewards.jsonl"]


class Killed(BaseException):
    """Stands for the end of the process: nothing may be tidied up after it."""


def steps(monkeypatch: pytest.MonkeyPatch, last: int) -> Callable[[], int]:
    """Let the process change the disk so many times; returns what counts the changes."""
    count, counting = [0], [True]

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def change(*given: Any, **named: Any) -> Any:
            if counting[0]:
                count[0] += 1
                if count[0] > last:
                    raise Killed
            return act(*given, **named)

        return change

    for name in ("replace", "link", "unlink"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))

    def stop() -> int:
        counting[0] = False
        return count[0]

    return stop


def worked(run: Path, name: str) -> Iterator[None]:
    """A command with those settings, in two parts: what the worker makes, and the merge."""
    with opened(run, name) as pipeline:
        plan = begin(pipeline)
        judged(pipeline, plan, name)
        yield
        pipeline.worked_on(GENEVAL)
        merge_stage(pipeline, GENEVAL, pipeline.record(GENEVAL, pipeline.plan(GENEVAL)))


@pytest.mark.parametrize("then", ["B", "A"])
@pytest.mark.parametrize("back", [False, True], ids=["new rows", "rows that come back"])
def test_a_command_that_is_killed_between_any_two_changes_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, back: bool
) -> None:
    """Killed while it merges B, after each change of the disk in turn; then B or A is asked for."""
    pristine = {}
    finished_run(tmp_path / "whole", 3, 1, 100)
    for name in ("A", "B"):
        judge(tmp_path / "whole", name)
        pristine[name] = results(tmp_path / "whole")
    changes, last = 1, 0
    while last < changes:
        run = tmp_path / f"run-{last}"
        finished_run(run, 3, 1, 100)
        if back:
            judge(run, "B")
            judge(run, "A")
        command = worked(run, "B")
        next(command)
        with monkeypatch.context() as patched:
            stop = steps(patched, last)
            try:
                next(command, None)
                changes = stop()
            except Killed:
                stop()
                changes = last + 2
        judge(run, then)
        other = {"A": "B", "B": "A"}[then]
        assert results(run) == pristine[then], f"killed after {last} changes"
        judge(run, other)
        assert results(run) == pristine[other], f"killed after {last} changes"
        assert verify(run)[1] == []
        last += 1
    assert last > 4, "there is more than one place to be killed in"


def test_stages_whose_rows_are_missing_are_listed(run: Path) -> None:
    (run / "results.jsonl").unlink()
    assert any("results.jsonl" in line for line in verify(run)[1])
    record = json.loads((run / "run.json").read_text())
    record["stages"]["geneval"] |= {"finished": False, "rows_sha256": ""}
    (run / "run.json").write_text(json.dumps(record))
    assert "results.jsonl: missing; geneval was started and has not finished" in verify(run)[1]
    del record["stages"]["geneval"]
    (run / "run.json").write_text(json.dumps(record))
    assert "results.jsonl: missing, but geneval_summary.json was made from it" in verify(run)[1]


def test_a_kept_copy_that_has_changed_is_named(run: Path) -> None:
    judge(run, "B")
    (name,) = kept(run)
    (run / name).write_text("{}\n")
    assert f"{name}: has changed since it was made" in verify(run)[1]


def test_a_foreign_summary_is_kept_and_our_own_is_not(tmp_path: Path) -> None:
    run = tmp_path / "run"
    finished_run(run, 3, 1, 100)
    foreign = json.dumps({"image_reward": {"mean": 0.5}})
    (run / "rewards_summary.json").write_text(foreign)
    answer = CliRunner().invoke(app, arguments(run, 3, 1))
    assert answer.exit_code == 0, answer.output
    (copy,) = run.glob("*_summary.previous.*.json")
    assert copy.read_text() == foreign
    assert f"kept as {copy.name}" in answer.stderr
    (run / "work" / "summaries.json").unlink()
    assert CliRunner().invoke(app, arguments(run, 3, 1)).exit_code == 0
    assert list(run.glob("*_summary.previous.*.json")) == [copy]


def test_nothing_that_is_kept_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.jsonl"
    for text in ("one", "one", "two", "three"):
        path.write_text(text)
        assert keep(path, "mark").read_text() == text
        path.unlink()
    assert kept_path(path, "mark").name == "results.previous.mark.jsonl"
    assert sorted(copy.read_text() for copy in tmp_path.glob("results.previous.*")) == ["one", "three", "two"]

    def no_links(*_: object, **__: object) -> None:
        raise OSError("a file system without links")

    monkeypatch.setattr(os, "link", no_links)
    path.write_text("four")
    assert keep(path, "other").read_text() == path.read_text() == "four"


def test_rows_of_images_that_are_gone_go_too_though_nothing_is_to_be_judged(tmp_path: Path) -> None:
    """Images that a user throws away must not count any more; until now the finished rows stayed as they were."""
    run = tmp_path / "run"
    finished_run(run, 3, 2, 100)
    next(run.glob("*/samples/0001.png")).unlink()
    for stage, rows in (("geneval", "results.jsonl"), ("rewards", "rewards.jsonl")):
        answer = CliRunner().invoke(app, [stage, str(run)])
        assert answer.exit_code == 0, answer.output
        assert f"{stage}: 1 rows are left out: their images are no longer samples of this run" in answer.output
        assert len((run / rows).read_text().splitlines()) == 5
        again = CliRunner().invoke(app, [stage, str(run)])
        assert f"{stage}: nothing to do" in again.output
    assert verify(run)[1] == [f"{next(iter(gone(run)))}: missing"]


def gone(run: Path) -> set[str]:
    names = (json.loads(line)["filename"] for line in (run / "images.jsonl").read_text().splitlines())
    return {name for name in names if not (run / name).is_file()}


def test_images_beyond_those_asked_for_are_told_and_stay_in_the_protocol(tmp_path: Path) -> None:
    """The same directory with fewer prompts and samples: what is there is judged, scored, and recorded as it is."""
    run = tmp_path / "run"
    finished_run(run, 3, 2, 100)
    answer = CliRunner().invoke(app, arguments(run, 2, 1))
    assert answer.exit_code == 0, answer.output
    assert answer.output.count("4 images (") == 1
    assert "of earlier commands, count too: choose another --out for fewer" in answer.output
    fewer = RunSettings(run, GenerationSettings(CHECKPOINT, limit=2, samples=1))
    with open_run(fewer, PublishedWeights(), Display()) as pipeline:
        assert pipeline.manifest.protocol["samples"] == 1
        pipeline.plan(STAGES["generate"])
        assert pipeline.manifest.protocol["samples"] == 2
    assert "count too" not in CliRunner().invoke(app, arguments(run, 3, 2)).output


def test_images_that_the_run_did_not_make_are_told(tmp_path: Path) -> None:
    """Another tool's images in the place of ours: run.json would pass for theirs."""
    run = tmp_path / "run"
    finished_run(run, 2, 2, 100)
    with opened(run, "A") as pipeline:
        assert pipeline.plan(GENEVAL).pending == 0
        assert pipeline.told == set()
    changed = sorted(run.glob("*/samples/0001.png"))
    changed[0].write_bytes(b"another")
    (changed[1].parent / "0002.png").write_bytes(b"one more")
    with opened(run, "A") as pipeline:
        assert pipeline.plan(GENEVAL).pending == 2
        (line,) = pipeline.told
    names = ", ".join((str(changed[0].relative_to(run)), str((changed[1].parent / "0002.png").relative_to(run))))
    assert line == f"2 images ({names}) are not as this run made them, so that its settings in run.json are not theirs"
