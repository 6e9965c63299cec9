"""Metrics of several environments: one stage, a worker in each, one file of rows."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.test_interruption import children, wait_for_end
from tests.end_to_end.test_shards import logs, workers
from tests.real_environments import MIRO_EVAL, miro_eval, world

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "own_scorer.md").read_text(encoding="utf-8")
BRIGHTNESS, CONTRAST = (part.split("```")[0] for part in PAGE.split("```python\n")[1:])
PROJECT = PAGE.split("```toml\n")[2].split("```")[0]
IMAGES = 12
#: What GenEval 2's suite has beside a prompt.
QUESTIONS = {
    "vqa_list": [["Is it noise?", "Yes"], ["How many dots are there?", "three"]],
    "skills": ["object", "count"],
}
JUDGES = (
    "--metric",
    "clip_jina",
    "--metric",
    "hpsv3",
    "--metric",
    "soft_tifa",
    "--reward-batch-size",
    "2",
    "--tiny-world",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scorers of two environments, one of them the user's own, and with images."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "contrast.py").write_text(CONTRAST)
    vlm = BRIGHTNESS.replace('licence="MIT"', 'licence="MIT", env="vlm"')
    (folder / "brightness.py").write_text(vlm)
    (folder / "contrast_env").mkdir()
    (folder / "contrast_env" / "pyproject.toml").write_text(PROJECT)
    subprocess.run(["uv", "lock", "--quiet", "--project", folder / "contrast_env"], check=True)
    for index in range(IMAGES):
        (folder / "images" / f"{index:05d}" / "samples").mkdir(parents=True)
        (folder / "images" / f"{index:05d}" / "metadata.jsonl").write_text(
            json.dumps({"prompt": f"noise {index}"} | QUESTIONS)
        )
        pixels = np.random.default_rng(index).integers(0, 40 + 10 * index, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{index:05d}" / "samples" / "0000.png")
    world()
    return folder


def score(place: Path, run: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(place, run, *options),
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
        env=os.environ | variables,
    )


def command(place: Path, run: Path, *options: str) -> list[str]:
    if not run.exists():
        shutil.copytree(place / "images", run)
    three = ("--metric", "aesthetic", "--scorer", "brightness.py:Brightness", "--scorer", "contrast.py:Contrast")
    return [str(MIRO_EVAL), "rewards", str(run), "--tiny-world", "--reward-batch-size", "2", *three, *options]


@pytest.fixture(scope="module")
def one(place: Path) -> Path:
    run = place / "one"
    answer = score(place, run)
    assert answer.returncode == 0, answer.stderr
    return run


def rows(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "rewards.jsonl").read_text().splitlines()]


def test_three_environments_make_one_row_an_image(place: Path, one: Path) -> None:
    assert len(rows(one)) == IMAGES
    for index, row in enumerate(rows(one)):
        pixels = np.asarray(Image.open(one / str(row["filename"])).resize((64, 64)), np.float32) / 255
        assert row["brightness"] == pytest.approx(pixels.mean(), abs=1e-6)
        assert row["contrast"] == pytest.approx(pixels.std(), abs=1e-6)
        assert isinstance(row["aesthetic"], float), index
    record = json.loads((one / "run.json").read_text())["stages"]["rewards"]
    assert record["finished"]
    assert record["environment"]["name"] == "rewards"
    assert record["provenance"]["packages"]["transformers"].startswith("4.42")
    assert record["environments"]["vlm"]["packages"]["transformers"].startswith("4.57")
    assert record["environments"]["own.contrast_env"]["packages"].keys() == {"numpy", "pillow"}
    assert record["environments"]["own.contrast_env"]["lock"]
    assert record["provenance"]["cards"].keys() == {"aesthetic", "brightness", "contrast"}
    assert record["marks"].keys() == {"brightness", "contrast"}
    again = score(place, one)
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)
    told = miro_eval("repro", one).stdout
    assert all(f"environment {name}: uv" in told for name in ("rewards", "vlm", "own.contrast_env"))


def test_the_usual_environment_s_rows_stay_when_others_are_asked_for(place: Path, one: Path) -> None:
    run = place / "later"
    alone = ("rewards", str(run), "--tiny-world", "--reward-batch-size", "2", "--metric", "aesthetic")
    shutil.copytree(place / "images", run)
    assert miro_eval(*alone).returncode == 0
    before = json.loads((run / "run.json").read_text())["stages"]["rewards"]
    assert not {"environments", "marks"} & before.keys()
    log = (run / "logs" / "rewards.log").read_text()
    assert score(place, run).returncode == 0
    assert (run / "rewards.jsonl").read_bytes() == (one / "rewards.jsonl").read_bytes()
    assert json.loads((run / "run.json").read_text())["stages"]["rewards"]["fingerprint"] == before["fingerprint"]
    assert (run / "logs" / "rewards.log").read_text() == log, "nothing was scored again"
    assert "nothing to do" in miro_eval(*alone).stderr


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_it_ends_with_the_same_bytes(place: Path, one: Path, seed: int) -> None:
    run, chance = place / f"killed-{seed}", random.Random(seed)
    part = ("rewards", "rewards.vlm", "rewards.own.contrast_env")[seed]
    process = subprocess.Popen(command(place, run), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = chance.randrange(1, IMAGES)
    while process.poll() is None and found_rows(run, part) < wanted:
        time.sleep(0.005)
    started = children(process.pid) if process.poll() is None else []
    process.kill()
    process.wait()
    for worker in started:
        wait_for_end(worker)
    assert score(place, run).returncode == 0
    assert (run / "rewards.jsonl").read_bytes() == (one / "rewards.jsonl").read_bytes()
    assert not list((run / "work").glob("*.rows.jsonl"))


def test_judges_that_are_killed_end_with_the_same_bytes(place: Path) -> None:
    """The published judges' code, on stand-ins that are made in their environment."""
    runs = [place / name for name in ("judged", "judged-killed")]
    for run in runs:
        shutil.copytree(place / "images", run)
        for index in range(4, IMAGES):
            shutil.rmtree(run / f"{index:05d}")
    lines = [
        [str(MIRO_EVAL), "rewards", str(run), *JUDGES, "--scorer", str(place / "contrast.py:Contrast")] for run in runs
    ]
    whole = subprocess.run(lines[0], capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stderr
    assert all({"clip_jina", "hpsv3", "soft_tifa", "contrast"} <= row.keys() for row in rows(runs[0]))
    process = subprocess.Popen(lines[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not found_rows(runs[1], "rewards.vlm"):
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert subprocess.run(lines[1], capture_output=True, check=False).returncode == 0
    assert (runs[1] / "rewards.jsonl").read_bytes() == (runs[0] / "rewards.jsonl").read_bytes()


def found_rows(run: Path, part: str) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (run / "work").glob(f"{part}-*.rows.jsonl"))


def test_shards_and_two_gpus_give_the_same_bytes(place: Path, one: Path) -> None:
    run = place / "shards"
    answer = score(place, run, "--shards", "3", "--gpus", "0,1", CUDA_VISIBLE_DEVICES="0,1")
    assert answer.returncode == 0, answer.stderr
    assert (run / "rewards.jsonl").read_bytes() == (one / "rewards.jsonl").read_bytes()
    assert len(logs(run, "rewards.vlm")) == 3
    assert workers(run, "rewards.own.contrast_env") <= 2
    assert "rewards.vlm 3 finished; 12 of 12 rows" in miro_eval("jobs", "status", run).stdout


@contextlib.contextmanager
def changed(place: Path, old: str, new: str) -> Iterator[None]:
    """The user's environment is another for a while."""
    files = [place / "contrast_env" / name for name in ("pyproject.toml", "uv.lock")]
    before = [path.read_bytes() for path in files]
    files[0].write_text(before[0].decode().replace(old, new))
    try:
        subprocess.run(["uv", "lock", "--quiet", "--project", files[0].parent], check=True)
        yield
    finally:
        for path, content in zip(files, before, strict=True):
            path.write_bytes(content)


def test_an_environment_that_cannot_be_made_costs_its_own_metrics_only(place: Path, one: Path) -> None:
    run = place / "unmade"
    with changed(place, "contrast-env", "other-env"):
        answer = score(place, run, UV_OFFLINE="1", UV_CACHE_DIR=str(place / "empty"))
    said = "is not there (uv is offline (UV_OFFLINE), and its cache lacks a package)"
    assert answer.returncode == 5, answer.stderr
    assert f"contrast will be unscored, everything else continues: environment own.contrast_env {said}" in answer.stderr
    for row in rows(run):
        assert row["contrast"] is None
        assert row["unscored"] == {"contrast": f"environment own.contrast_env {said}"}
        assert isinstance(row["brightness"], float)
    with changed(place, '"numpy", ', ""):
        answer = score(place, run)
        alone = miro_eval("rewards", place / "images", "--tiny-world", "--scorer", place / "contrast.py:Contrast")
    assert answer.returncode == 5
    assert "contrast_env cannot run a scorer: it lacks numpy, which a worker needs: `uv add numpy`" in answer.stderr
    assert all("it lacks numpy" in str(row["unscored"]) for row in rows(run)), "the reason of now"
    assert alone.returncode == 4
    assert "it lacks numpy" in alone.stderr
    assert score(place, run).returncode == 0, "with the environment it is scored"
    assert (run / "rewards.jsonl").read_bytes() == (one / "rewards.jsonl").read_bytes()


def test_what_is_wrong_with_an_environment_is_said_before_anything_is_made(place: Path, tmp_path: Path) -> None:
    wrong = {
        'env = "vml"': "unknown environment 'vml': choose from miro, geneval, rewards, vlm",
        'env = "./none"': "none/pyproject.toml",
    }
    for line, said in wrong.items():
        (tmp_path / "wrong.py").write_text(CONTRAST.replace('env = "./contrast_env"', line))
        answer = miro_eval("rewards", place / "images", "--scorer", tmp_path / "wrong.py:Contrast")
        assert answer.returncode == 2, answer.stderr
        assert said in answer.stderr
    inside = CONTRAST.replace("./contrast_env", str(place / "contrast_env"))
    (tmp_path / "wrong.py").write_text(inside.replace("import numpy\n", "import numpy, jax\n"))
    answer = miro_eval("rewards", place / "images", "--scorer", tmp_path / "wrong.py:Contrast")
    assert answer.returncode == 2
    assert "it imports jax, which environment" in answer.stderr
    assert not (place / "images" / "rewards.jsonl").exists()


def test_envs_know_a_folder_that_is_named(place: Path, one: Path) -> None:
    folder = place / "contrast_env"
    assert "ready" in miro_eval("envs", "list", folder).stdout
    listed = [line for line in miro_eval("envs", "list").stdout.splitlines() if line.startswith("own.contrast_env ")]
    assert listed
    assert all("a user's own" in line for line in listed)
    assert "own.contrast_env: ready (uv)" in miro_eval("envs", "setup", folder).stderr
    assert "own.contrast_env: healthy  python 3." in miro_eval("envs", "check", folder).stdout
