"""The judges on a pretended GPU, in batches over images of two sizes: nothing on the wrong device, the CPU's values."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rewards.scorers import SCORERS
from tests.pretended_gpu import on_pretended_gpu
from tests.rewards.jobs import image_items, make_job, run_job
from tests.rewards.pairs import picture
from tests.vlm.pairs import count, line, yes
from wire.protocol import Item, read_rows

METRICS = ["soft_tifa", "hpsv3", "unified_reward", "vqa_qwen3vl"]


def items(folder: Path) -> list[Item]:
    """Two prompts with two and three questions; the last image has another size."""
    made = image_items(folder / "run", prompts=2)
    picture(9, (320, 256)).save(folder / "run" / made[3].filename)
    asked = [count("dogs", "two"), yes("Are there any dogs?"), yes("Is it day?")]
    lines = [line(item.prompt, *asked[: 2 + item.prompt_index]) for item in made]
    return [dataclasses.replace(item, metadata=one, image_sha256=None) for item, one in zip(made, lines, strict=True)]


def test_every_judge_gives_the_cpu_s_values(world: Path, tmp_path: Path) -> None:
    parameters = {"metrics": METRICS, "batch_size": 4}
    there = on_pretended_gpu(make_job(tmp_path / "gpu", items(tmp_path / "gpu"), parameters | {"device": "auto"}))
    assert there.code == 0, there.log
    run_job(make_job(tmp_path / "cpu", items(tmp_path / "cpu"), parameters | {"device": "cpu"}))
    found, expected = (list(read_rows(tmp_path / at / "cells.jsonl")) for at in ("gpu", "cpu"))
    assert [(row["filename"], row["metric"]) for row in found] == [(row["filename"], row["metric"]) for row in expected]
    assert len(found) == 4 * len(METRICS)
    for row, other in zip(found, expected, strict=True):
        allowed = SCORERS[row["metric"]].card.tolerance.reference
        assert row["value"] == pytest.approx(other["value"], abs=allowed), row
    details = [row["details"] for row in found if row["metric"] == "soft_tifa"]
    assert [len(one) for one in details] == [2, 2, 3, 3]
