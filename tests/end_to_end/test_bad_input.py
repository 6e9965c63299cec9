"""What goes wrong inside a stage: one clear line, the right exit code, and nothing already computed is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.test_demo import content, rows
from tests.real_environments import miro_eval, world

#: In the environment that the demo takes: another's rounding may change a score's last bits.
AS_THE_DEMO = ("--tiny-world", "--env-backend", "mmcv-lite")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world()
    out = tmp_path_factory.mktemp("finished") / "run"
    answer = miro_eval("demo", "--limit", "6", "--samples", "1", "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def the_line(answer: subprocess.CompletedProcess[str]) -> str:
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("miro-eval: ")]
    assert "Traceback" not in line
    return line


def test_a_broken_image_is_unscored_and_the_others_keep_their_rows(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before = content(run)
    image = run / rows(run / "results.jsonl")[2]["filename"]
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])

    judged = miro_eval("geneval", run, *AS_THE_DEMO)
    assert judged.returncode == 5
    assert "1 items are unscored" in judged.stderr
    now = rows(run / "results.jsonl")
    assert [row["status"] for row in now] == ["scored", "scored", "unscored", "scored", "scored", "scored"]
    assert now[2]["correct"] is None
    assert now[2]["error"]
    scored = miro_eval("rewards", run, "--tiny-world")
    assert scored.returncode == 5
    assert len(rows(run / "rewards.jsonl")[2]["unscored"]) == 7

    image.write_bytes(whole)
    assert miro_eval("geneval", run, *AS_THE_DEMO).returncode == 0
    assert miro_eval("rewards", run, "--tiny-world").returncode == 0
    assert content(run) == before


def test_a_device_that_is_not_there(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for name in ("results.jsonl", "rewards.jsonl"):
        (run / name).unlink()
    for stage in ("geneval", "rewards"):
        answer = miro_eval(stage, run, "--tiny-world", "--device", "cuda:7")
        assert answer.returncode == 4
        assert "cuda:7" in the_line(answer)


def test_a_repository_that_is_neither_cached_nor_reachable(tmp_path: Path) -> None:
    answer = miro_eval("generate", "nobody/nothing", "--tiny-world", "--out", tmp_path / "run")
    assert answer.returncode == 4
    assert "nobody/nothing" in the_line(answer)


def test_a_prompt_without_geneval_s_metadata_costs_its_own_images_alone(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    folder = sorted(run.glob("[0-9]*"))[0]
    (folder / "metadata.jsonl").write_text(json.dumps({"prompt": "a painting of an ocean"}))
    (run / "results.jsonl").unlink()
    answer = miro_eval("geneval", run, *AS_THE_DEMO)
    assert answer.returncode == 5
    assert "1 items are unscored" in answer.stderr
    assert [row["status"] for row in rows(run / "results.jsonl")] == ["unscored", *["scored"] * 5]
