"""Diversity within prompts through the real environment: in shares, and after one image of a prompt was made anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.end_to_end.test_demo import content
from tests.real_environments import miro_eval, world
from wire.protocol import SAMPLES_DIGEST

METRICS = ("diversity_dinov2", "vendi_dinov2", "vendi_clip")
SAMPLES = 3


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[str | Path, ...]:
    """The command for six prompts of three samples, without its ``--out``; batches cut prompts apart."""
    suite = tmp_path_factory.mktemp("suite") / "mine.txt"
    suite.write_text("".join(f"a photo of {number} benches\n" for number in range(6)))
    options = ("--samples", SAMPLES, "--steps", 2, "--batch-size", 2, "--reward-batch-size", 4, "--tiny-world")
    metrics = [word for metric in METRICS for word in ("--metric", metric)]
    return ("all", world().checkpoint, "--suite", suite, "--device", "cpu", *map(str, options), *metrics)


@pytest.fixture(scope="module")
def one(sweep: tuple[str | Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one") / "run"
    answer = miro_eval(*sweep, "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def rows(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "rewards.jsonl").read_text().splitlines()]


def test_every_image_has_values_of_its_prompt(one: Path) -> None:
    found = rows(one)
    assert len(found) == 6 * SAMPLES
    for row in found:
        assert row["unscored"] == {}
        details = row["details"]
        assert isinstance(details, dict)
        assert [details[metric]["samples"] for metric in METRICS] == [SAMPLES] * 3
    assert len({row["vendi_clip"] for row in found}) == 6
    report = (one / "report" / "leaderboard.md").read_text()
    assert "Vendi score within prompts, DINOv2-L" in report
    assert "18 of 18" in report


def test_shares_end_with_the_same_bytes(one: Path, sweep: tuple[str | Path, ...], tmp_path: Path) -> None:
    answer = miro_eval(*sweep, "--out", tmp_path / "run", "--shards", "3")
    assert answer.returncode == 0, answer.stderr
    assert content(tmp_path / "run") == content(one)


def test_another_image_makes_its_prompt_s_values_pending(one: Path) -> None:
    before = rows(one)
    Image.new("RGB", (64, 64), "red").save(one / str(before[4]["filename"]))
    command = ("rewards", one, "--reward-batch-size", "4", "--tiny-world", "--device", "cpu", "--metric", METRICS[1])
    answer = miro_eval(*command)
    assert answer.returncode == 5, answer.stderr
    assert "6 items are unscored" in answer.stderr
    after = rows(one)
    changed = [old["filename"] for old, new in zip(before, after, strict=True) if old[METRICS[1]] != new[METRICS[1]]]
    assert changed == [row["filename"] for row in before[3:6]]
    # What was not asked for now was of images that are no more, and is gone.
    assert [row[METRICS[2]] for row in after[3:6]] == [None] * 3
    assert [row[METRICS[2]] for row in after[:3]] == [row[METRICS[2]] for row in before[:3]]
    digests = {row["details"][METRICS[1]][SAMPLES_DIGEST] for row in after[3:6]}  # type: ignore[index]
    assert len(digests) == 1
    assert "nothing to do" in miro_eval(*command).stderr
