from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.end_to_end.test_demo import rows
from tests.real_environments import miro_eval, world


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("verify") / "run"
    checkpoint = world().checkpoint
    short = ("--tiny-world", "--limit", "2", "--samples", "1", "--steps", "1")
    answer = miro_eval("generate", checkpoint, *short, "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def test_a_finished_run_is_what_it_was(finished: Path) -> None:
    answer = miro_eval("verify", finished)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "3 files are what they were\n"


def test_rot_loss_and_tampering_are_named(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    first, second = (row["filename"] for row in rows(run / "images.jsonl"))
    image = bytearray((run / first).read_bytes())
    image[-20] ^= 1
    (run / first).write_bytes(image)
    (run / second).unlink()
    answer = miro_eval("verify", run)
    assert answer.returncode == 2
    assert f"{first}: has changed" in answer.stdout
    assert f"{second}: missing" in answer.stdout
    assert "2 of 3 files" in answer.stderr
    with (run / "images.jsonl").open("a") as file:
        file.write('{"filename": "x", "image_sha256": "y"}\n')
    assert "images.jsonl: has changed" in miro_eval("verify", run).stdout


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    answer = miro_eval("verify", tmp_path)
    assert answer.returncode == 2
    assert "no finished run here" in answer.stderr
