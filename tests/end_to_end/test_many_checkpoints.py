"""Several checkpoints by one command, a grid of reward targets, and a folder that training writes into."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.real_environments import MIRO_EVAL, miro_eval, world

SHORT = ["--limit", "2", "--samples", "1", "--steps", "1", "--metric", "aesthetic", "--tiny-world"]
ROWS = ("images.jsonl", "results.jsonl", "rewards.jsonl")


def checkpoint(folder: Path, name: str = "last.ckpt") -> Path:
    """A copy of the tiny world's checkpoint in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in ((world().checkpoint, name), (world().checkpoint.with_name("config.yaml"), "config.yaml")):
        shutil.copy(source, folder / target)
    return folder / name


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Three checkpoints, the middle one with a network of another size than its configuration says."""
    folder = tmp_path_factory.mktemp("several")
    for name in ("1", "2", "10"):
        checkpoint(folder / name)
    config = folder / "2" / "config.yaml"
    config.write_text(config.read_text().replace("num_blocks: ", "num_blocks: 1"))
    pattern = str(folder / "*" / "last.ckpt")
    return folder, miro_eval("all", pattern, *SHORT, "--out", folder / "out")


def test_a_checkpoint_that_fails_does_not_keep_the_others_from_their_end(
    several: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, answer = several
    assert answer.returncode == 2
    assert "1 of 3 runs did not finish" in answer.stderr
    failure = next(line for line in answer.stderr.splitlines() if line.startswith("miro-eval: "))
    assert str(folder / "out" / "2") in failure
    assert "blocks" in failure
    for name in ("1", "10"):
        assert json.loads((folder / "out" / name / "run.json").read_text())["stages"]["rewards"]["finished"]


def test_those_that_came_to_their_end_share_a_leaderboard(
    several: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = several
    with (folder / "out" / "report" / "leaderboard.csv").open() as file:
        assert {row["model"] for row in csv.DictReader(file)} == {"1", "10"}


def test_one_worker_serves_them_all(several: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = several
    told = (folder / "out" / "1" / "logs" / "geneval.log").read_text()
    assert told.count("$ ") == 1
    assert f"next job: {folder / 'out' / '10' / 'work'}" in told
    assert "one worker served several shares" in (folder / "out" / "10" / "logs" / "geneval.log").read_text()


def test_what_is_no_checkpoint_does_not_keep_the_others_from_their_end(tmp_path: Path) -> None:
    """A link to nowhere, one to itself, a git-lfs pointer and a folder of FSDP's beside a good checkpoint."""
    checkpoint(tmp_path, "good.ckpt")
    for name in ("gone.ckpt", "loop.ckpt"):
        (tmp_path / name).symlink_to("loop.ckpt" if name == "loop.ckpt" else "nowhere")
    (tmp_path / "pointer.ckpt").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "shards.ckpt").mkdir()
    (tmp_path / "shards.ckpt" / "__0_0.distcp").touch()
    answer = miro_eval("all", tmp_path / "*.ckpt", *SHORT, "--out", tmp_path / "out")
    assert answer.returncode == 2
    assert "4 of 5 runs did not finish" in answer.stderr
    before, failures = answer.stderr.split("miro-eval: ", 1)
    for told in ("a link to nowhere", "leads back to itself", "a git-lfs pointer", "a folder that FSDP wrote"):
        assert told in before  # first of all
        assert told in failures
    assert json.loads((tmp_path / "out" / "good" / "run.json").read_text())["stages"]["rewards"]["finished"]


def test_together_they_get_the_bytes_that_each_gets_alone(
    several: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder, _ = several
    alone = miro_eval("all", folder / "10" / "last.ckpt", *SHORT, "--out", tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    for rows in ROWS:
        assert (tmp_path / "alone" / rows).read_bytes() == (folder / "out" / "10" / rows).read_bytes()


def test_a_grid_of_reward_targets(tmp_path: Path) -> None:
    model = checkpoint(tmp_path)
    command = ["sweep", model, "--reward-target", "aesthetic_score=0:1:1", *SHORT]
    answer = miro_eval(*command)
    assert answer.returncode == 0, answer.stderr
    folder = tmp_path / "geneval_images" / "last-sweep"
    with (folder / "report" / "sweep.csv").open() as file:
        means = {row["aesthetic_score"]: row["value"] for row in csv.DictReader(file) if row["metric"] == "aesthetic"}
    assert set(means) == {"0.0", "1.0"}
    assert means["0.0"] != means["1.0"]
    assert (folder / "report" / "sweep.png").stat().st_size > 1000
    with (folder / "report" / "leaderboard.csv").open() as file:
        assert [row["protocol"] for row in csv.DictReader(file)] == ["P1", "P1"]
    protocol = json.loads((folder / "aesthetic_score=1" / "run.json").read_text())["protocol"]
    assert protocol["reward_targets"] == {"aesthetic_score": 1.0}
    assert miro_eval(*command).stderr.count("nothing to do") == 6


def test_a_grid_over_guidance_and_tied_negative_targets(tmp_path: Path) -> None:
    tied = "negative.aesthetic_score=t,negative.clip_score=1-t,t=0:1:1"
    command = ["sweep", "miro", "--sweep", "guidance_scale=0,7", "--sweep", tied, *SHORT, "--out", tmp_path / "out"]
    answer = miro_eval(*command)
    assert answer.returncode == 0, answer.stderr
    report = tmp_path / "out" / "report"
    with (report / "sweep.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "aesthetic"]
    fields = ("guidance_scale", "negative.aesthetic_score", "negative.clip_score")
    assert [tuple(float(row[field]) for field in fields) for row in rows] == [
        *((0, 0, 1), (0, 1, 0), (7, 0, 1), (7, 1, 0))
    ]
    assert len({row["value"] for row in rows}) == 3  # without guidance the negative targets have no part
    drawn = ["sweep-negative.aesthetic_score=t_negative.clip_score=1-t.png", "sweep.png"]
    assert sorted(path.name for path in report.glob("*.png")) == drawn
    with (report / "leaderboard.csv").open() as file:
        assert {row["protocol"] for row in csv.DictReader(file)} == {"P1"}
    point = "guidance_scale=7,negative.aesthetic_score=1,negative.clip_score=0"
    protocol = json.loads((tmp_path / "out" / point / "run.json").read_text())["protocol"]
    assert protocol["negative_reward_targets"] == {"aesthetic_score": 1.0, "clip_score": 0.0}
    refused = miro_eval("sweep", "miro-only-clip", "--sweep", "aesthetic_score=0,1", "--out", tmp_path / "never")
    assert refused.returncode == 2
    assert "was not trained on aesthetic_score" in refused.stderr
    assert not (tmp_path / "never").exists()


def test_several_checkpoints_over_one_grid(tmp_path: Path) -> None:
    for name in ("a", "b"):
        checkpoint(tmp_path / name)
    answer = miro_eval("sweep", tmp_path / "*" / "last.ckpt", "--sweep", "steps=1,2", *SHORT, "--out", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    with (tmp_path / "out" / "report" / "sweep.csv").open() as file:
        rows = [(row["model"], row["steps"]) for row in csv.DictReader(file) if row["metric"] == "aesthetic"]
    assert rows == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]
    assert (tmp_path / "out" / "a" / "steps=2" / "run.json").is_file()


def test_checkpoints_are_evaluated_as_training_writes_them(tmp_path: Path) -> None:
    checkpoint(tmp_path, "step=100.ckpt")
    (tmp_path / "last.ckpt").write_bytes(b"rewritten all the time")
    process = subprocess.Popen(
        [MIRO_EVAL, "all", "--watch", tmp_path, "--settle", "0.2", *SHORT], stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_for_steps(tmp_path / "report" / "track.csv", {"100"})
        partial = tmp_path / "step=200.ckpt"
        whole = world().checkpoint.read_bytes()
        partial.write_bytes(whole[: len(whole) // 2])
        time.sleep(1)
        partial.write_bytes(whole)
        _wait_for_steps(tmp_path / "report" / "track.csv", {"100", "200"})
    finally:
        process.send_signal(signal.SIGINT)
        words = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "last.ckpt" not in words
    assert (tmp_path / "geneval_images" / "step=200" / "rewards.jsonl").exists()


def _wait_for_steps(track: Path, steps: set[str]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if track.exists() and steps <= {row["step"] for row in csv.DictReader(track.read_text().splitlines())}:
            return
        time.sleep(0.5)
    raise AssertionError(f"{track} has no steps {steps} after five minutes")


def test_watching_takes_no_checkpoints_besides(tmp_path: Path) -> None:
    answer = miro_eval("all", "x.ckpt", "--watch", tmp_path)
    assert answer.returncode == 2
    assert "omit CHECKPOINT and --out" in answer.stderr
    assert miro_eval("all", "--watch", tmp_path / "none").returncode == 2


def test_prompts_without_geneval_metadata_get_rewards_only(tmp_path: Path) -> None:
    model = checkpoint(tmp_path)
    (tmp_path / "mine.txt").write_text("a lighthouse at dusk\na red kite\n")
    answer = miro_eval("all", model, "--suite", tmp_path / "mine.txt", *SHORT, "--out", tmp_path / "run")
    assert answer.returncode == 0, answer.stderr
    assert "no GenEval metadata" in answer.stderr
    assert not (tmp_path / "run" / "results.jsonl").exists()
    assert len((tmp_path / "run" / "rewards.jsonl").read_text().splitlines()) == 2
