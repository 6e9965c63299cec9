from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.read.runs import read_run
from tests.reports.builders import SMALL, rewards, sweep, write_rows
from wire.errors import UserError


def test_run_directory(tmp_path: Path) -> None:
    write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL))
    write_rows(tmp_path / "run" / "rewards.jsonl", [rewards(0, 0)])
    (tmp_path / "run" / "run.json").write_text(json.dumps({"checkpoint": {"name": "miro-v2"}, "random_weights": True}))
    run = read_run(tmp_path / "run")
    assert run.name == "miro-v2"
    assert run.manifest.random_weights
    assert run.verdicts is not None
    assert run.rewards is not None


@pytest.mark.parametrize("present", ["results.jsonl", "rewards.jsonl"])
def test_half_a_run(tmp_path: Path, present: str) -> None:
    write_rows(tmp_path / "half" / present, sweep(SMALL) if present == "results.jsonl" else [rewards(0, 0)])
    run = read_run(tmp_path / "half")
    assert run.name == "half"
    assert (run.verdicts is None, run.rewards is None) == (present != "results.jsonl", present != "rewards.jsonl")


@pytest.mark.parametrize(
    ("checkpoint", "name"),
    [
        ("nicolas-dufour/miro", "nicolas-dufour/miro"),
        ({"path": "checkpoints/last.ckpt"}, "last"),
        ({"repo": "nicolas-dufour/miro", "path": "x"}, "nicolas-dufour/miro"),
        ("evil\nname\u202e | <b>", "evil name | <b>"),
        (None, "folder"),
    ],
)
def test_name_by_checkpoint(tmp_path: Path, checkpoint: object, name: str) -> None:
    write_rows(tmp_path / "folder" / "results.jsonl", sweep(SMALL))
    (tmp_path / "folder" / "run.json").write_text(json.dumps({"checkpoint": checkpoint}))
    assert read_run(tmp_path / "folder").name == name


def test_the_runs_own_name_comes_first(tmp_path: Path) -> None:
    write_rows(tmp_path / "folder" / "results.jsonl", sweep(SMALL))
    (tmp_path / "folder" / "run.json").write_text(json.dumps({"name": "mine", "checkpoint": {"path": "last.ckpt"}}))
    assert read_run(tmp_path / "folder").name == "mine"


def test_bare_files_are_told_by_their_rows(tmp_path: Path) -> None:
    verdicts = read_run(write_rows(tmp_path / "sdxl.jsonl", sweep(SMALL)))
    scores = read_run(write_rows(tmp_path / "flux.jsonl", [rewards(0, 0)]))
    assert (verdicts.name, verdicts.rewards) == ("sdxl", None)
    assert (scores.name, scores.verdicts) == ("flux", None)


def test_a_runs_own_file_keeps_the_runs_facts(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "sdxl" / "results.jsonl", sweep(SMALL))
    assert read_run(path).name == "sdxl"
    (path.parent / "run.json").write_text(json.dumps({"random_weights": True, "protocol": {"suite": {"id": "x"}}}))
    manifest = read_run(path).manifest
    assert manifest.random_weights
    assert manifest.protocol == {"suite.id": '"x"'}


def test_protocol_of_making_and_scoring(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL))
    stages = {"geneval": {"settings": {"options": {"threshold": 0.3}}, "seconds": 3.0}, "rewards": None}
    (path.parent / "run.json").write_text(json.dumps({"protocol": {"seed": 42}, "stages": stages, "harness": {}}))
    assert read_run(path).manifest.protocol == {"seed": "42", "geneval.options.threshold": "0.3"}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or run directory"):
        read_run(tmp_path / "absent")
    with pytest.raises(UserError, match=r"no rows in results\.jsonl or rewards\.jsonl"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows"),
        (b"\n\n", "no rows"),
        (b"model,overall\nx,0.5\n", "1: not valid JSON"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\n", "1: not valid JSON"),
        (b"[1, 2]\n", "1: expected a JSON object, found list"),
        (b'{"text": "x"}\n', "1: neither a GenEval row nor a reward row"),
    ],
)
def test_not_a_file_of_rows(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_run(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000])
def test_broken_manifest(tmp_path: Path, content: str) -> None:
    path = write_rows(tmp_path / "results.jsonl", sweep(SMALL))
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json: not a"):
        read_run(path)
