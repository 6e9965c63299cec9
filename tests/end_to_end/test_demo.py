"""The main job on the tiny world, through the three real environments."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from pathlib import Path

import pytest

from tests.real_environments import ROOT, environment, miro_eval, world
from wire.vocabulary import SEVEN_REWARDS, TAGS

PROMPTS = 12
SAMPLES = 2


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished demo run of a few prompts."""
    world()
    out = tmp_path_factory.mktemp("demo") / "run"
    answer = miro_eval("demo", "--limit", str(PROMPTS), "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def content(run: Path) -> dict[str, str]:
    """Hash of every image and row file of a run."""
    files = [*run.glob("*/samples/*"), *run.glob("*.jsonl"), *run.glob("*/metadata.jsonl")]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_stage_leaves_its_rows(demo: Path) -> None:
    assert len(list(demo.glob("[0-9]*/metadata.jsonl"))) == PROMPTS
    assert len(list(demo.glob("[0-9]*/samples/*.png"))) == PROMPTS * SAMPLES
    images, results, rewards = (rows(demo / f"{name}.jsonl") for name in ("images", "results", "rewards"))
    assert len(images) == len(results) == len(rewards) == PROMPTS * SAMPLES
    assert {row["tag"] for row in results} == set(TAGS)
    assert {row["status"] for row in results} == {"scored"}
    for row in rewards:
        assert all(isinstance(row[metric], float) and math.isfinite(row[metric]) for metric in SEVEN_REWARDS)
        assert row["unscored"] == {}
    for image, result, reward in zip(images, results, rewards, strict=True):
        assert image["filename"] == result["filename"] == reward["filename"]
        assert image["image_sha256"] == result["image_sha256"] == reward["image_sha256"]


@pytest.mark.parametrize("name", ["images", "results", "rewards"])
def test_rows_have_the_documented_keys_in_the_documented_order(demo: Path, name: str) -> None:
    page = (ROOT / "docs" / "files.md").read_text()
    section = page.split(f"## `{name}.jsonl`")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
    metrics = {"one key per metric id": list(SEVEN_REWARDS)}
    documented = [key for cell in first_cells for key in metrics.get(cell, re.findall(r"`(\w+)`", cell))]
    found = list(rows(demo / f"{name}.jsonl")[0])
    # Only rows of metrics that have details say them; those of a verdict are its boxes.
    assert found == [key for key in documented if key != "details" or name == "results"]


def test_the_report_says_that_the_weights_are_random(demo: Path) -> None:
    assert "random" in (demo / "report" / "leaderboard.md").read_text()
    (row,) = csv.DictReader((demo / "report" / "leaderboard.csv").read_text().splitlines())
    assert int(row["images"]) == PROMPTS * SAMPLES
    assert int(row["prompts"]) == PROMPTS
    assert int(row["unscored"]) == 0
    results = rows(demo / "results.jsonl")
    by_tag = [[r["correct"] for r in results if r["tag"] == tag] for tag in TAGS]
    overall = sum(sum(map(bool, correct)) / len(correct) for correct in by_tag) / len(TAGS)
    assert float(row["overall"]) == pytest.approx(overall, abs=1e-12)


def test_run_json_tells_what_made_the_run(demo: Path) -> None:
    manifest = json.loads((demo / "run.json").read_text())
    assert manifest["random_weights"] is True
    assert manifest["suite"]["sha256"] == "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"
    for stage in ("generate", "geneval", "rewards"):
        record = manifest["stages"][stage]
        assert record["finished"] is True
        assert record["environment"]["lock"]
        assert record["provenance"]["packages"]["torch"]
        assert record["provenance"]["weights"]
    judging = manifest["stages"]["geneval"]
    assert judging["environment"]["backend"] == "mmcv-lite", "nothing is compiled for a demo"
    assert "mmcv-lite" in judging["provenance"]["packages"]
    assert judging["provenance"]["attention"] == "embedding_bag"
    assert manifest["stages"]["rewards"]["provenance"]["packages"]["transformers"] == "4.42.4"
    hparams = json.loads((demo / "hparams.json").read_text())
    assert hparams["steps"] == 2
    assert hparams["n_samples"] == SAMPLES


def test_the_same_command_again_does_nothing_and_says_so(demo: Path) -> None:
    before = content(demo)
    log = (demo / "logs" / "generate.log").stat().st_mtime_ns
    answer = miro_eval("demo", "--limit", str(PROMPTS), "--samples", str(SAMPLES), "--out", demo)
    assert answer.returncode == 0
    assert answer.stderr.count("nothing to do") == 3
    assert content(demo) == before
    assert (demo / "logs" / "generate.log").stat().st_mtime_ns == log


def test_other_settings_in_the_same_directory_are_refused(demo: Path) -> None:
    before = content(demo)
    answer = miro_eval("demo", "--limit", str(PROMPTS), "--steps", "3", "--out", demo)
    assert answer.returncode == 2
    assert "steps: 2 -> 3" in answer.stderr
    assert content(demo) == before


@pytest.mark.parametrize(
    ("backend", "detector"), [("no-mmcv", "transformers/mask2former_tiny"), ("uv", "mmdet/mask2former_tiny")]
)
def test_every_kind_of_environment_serves(backend: str, detector: str, tmp_path: Path) -> None:
    short = ("--limit", "2", "--samples", "1", "--steps", "1")
    answer = miro_eval("demo", *short, "--env-backend", backend, "--out", tmp_path)
    assert answer.returncode == 0, answer.stderr
    judging = json.loads((tmp_path / "run.json").read_text())["stages"]["geneval"]
    assert (judging["environment"]["backend"], judging["provenance"]["detector"]) == (backend, detector)


def test_where_one_environment_cannot_be_made_all_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, broken = tmp_path / "home" / "envs", tmp_path / "uv"
    place.mkdir(parents=True)
    for name in ("miro", "rewards"):
        ready = environment(name).directory
        (place / ready.name).symlink_to(ready)
    (tmp_path / "home" / "tiny-world").symlink_to(world().folder.parent)
    broken.write_text("#!/bin/sh\necho 'error: No space left on device' >&2\nexit 2\n")
    broken.chmod(0o755)
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV", str(broken))
    run = tmp_path / "run"
    answer = miro_eval("demo", "--limit", "2", "--samples", "1", "--steps", "1", "--out", run)
    assert answer.returncode == 4, answer.stderr
    assert "geneval is skipped, the other stages continue: the disk is full" in answer.stderr
    assert "miro-eval: the disk is full" in answer.stderr
    assert len(rows(run / "images.jsonl")) == len(rows(run / "rewards.jsonl")) == 2
    assert not (run / "results.jsonl").exists()


def test_the_full_demo_is_the_whole_sweep(tmp_path: Path) -> None:
    answer = miro_eval("demo", "--full", "--limit", "12", "--out", tmp_path / "run")
    assert answer.returncode == 2
    assert "--full is all prompts x 4 samples: omit --limit and --samples" in answer.stderr
    assert not (tmp_path / "run").exists()
