from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from harness.plan.verification import verify
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
    assert answer.stdout == "3 files are unchanged\n"


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


TAMPERING = {
    "a row more": (
        "images.jsonl",
        lambda text: text + '{"filename": "x", "image_sha256": "y"}\n',
        "images.jsonl: 3 rows",
    ),
    "a row less": ("images.jsonl", lambda text: text.splitlines(keepends=True)[0], "run.json says 2"),
    "a way out": (
        "images.jsonl",
        lambda text: re.sub(r"\d+/samples", "../samples", text, count=1),
        "image that this run does not have",
    ),
    "no row at all": ("images.jsonl", lambda text: "nonsense\n" + text, "images.jsonl:1: not valid JSON"),
    "other settings": ("run.json", lambda text: text.replace('"seed": 42', '"seed": 43'), "the settings of generate"),
    "another prompt": (
        "FIRST/metadata.jsonl",
        lambda text: text.replace("a photo of", "a view of"),
        "another prompt than its rows",
    ),
    "an image more": ("FIRST/samples/0001.png", lambda text: text, "/samples/0001.png: no row mentions it"),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_every_kind_of_tampering_is_found(name: str, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    file, change, told = TAMPERING[name]
    path = run / file.replace("FIRST", sorted(folder.name for folder in run.glob("[0-9]*"))[0])
    path.write_text(change(path.read_text() if path.exists() else ""))
    _, problems = verify(run)
    assert any(told in problem for problem in problems), problems


def test_how_the_run_was_made_is_told(finished: Path) -> None:
    answer = miro_eval("repro", finished)
    assert answer.returncode == 0, answer.stderr
    manifest = json.loads((finished / "run.json").read_text())
    command = answer.stdout.splitlines()[-3]
    assert command.startswith("miro-eval generate ")
    assert shlex.split(command)[3:8] == ["--tiny-world", "--limit", "2", "--samples", "1"]
    record = manifest["stages"]["generate"]
    for told in (record["rows_sha256"], record["environment"]["lock"], manifest["suite"]["sha256"], "torch 2."):
        assert told in answer.stdout
    assert all(sha in answer.stdout for sha in manifest["checkpoint"]["identity"].values())
    others = [line for line in answer.stdout.splitlines() if not line.startswith(("#", "cd ", "miro-eval "))]
    assert others == []


def test_a_name_cannot_break_out_of_its_comment(finished: Path, tmp_path: Path) -> None:
    manifest = json.loads((finished / "run.json").read_text())
    manifest["name"] = "x\nrm -rf ~\u2028\x1b[2J"
    manifest["commands"] = [{"arguments": ["all", "a b; rm -rf ~", "$(reboot)"], "directory": "/tmp/; reboot"}]
    (tmp_path / "run.json").write_text(json.dumps(manifest))
    answer = miro_eval("repro", tmp_path)
    assert "cd '/tmp/; reboot'" in answer.stdout
    assert "miro-eval all 'a b; rm -rf ~' '$(reboot)'" in answer.stdout
    assert not any(line.startswith("rm") for line in answer.stdout.splitlines())


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    answer = miro_eval("verify", tmp_path)
    assert answer.returncode == 2
    assert "no finished run here" in answer.stderr
