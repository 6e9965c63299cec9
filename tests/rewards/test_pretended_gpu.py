"""The rewards worker on a pretended GPU: the CPU's values, nothing on the wrong device, one wait a batch and metric."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rewards.scorers import SCORERS
from tests.pretended_gpu import Outcome, on_pretended_gpu
from tests.rewards.jobs import image_items, make_job, run_job
from tests.rewards.pairs import HERE
from wire.protocol import read_rows
from wire.vocabulary import SEVEN_REWARDS

PROMPTS, BATCH = 3, 3
BATCHES = 2 * PROMPTS // BATCH
#: Per batch and metric: the scores. Once a metric: the temperature of its cosine, the length of the longest prompt.
WAITS_A_BATCH, WAITS_A_METRIC = 1, 3


def _on_gpu(folder: Path, files: Mapping[str, str], mistake: str = "", **more: Any) -> Outcome:
    items = image_items(folder / "run", PROMPTS)
    parameters = {"files": files, "batch_size": BATCH, "device": "auto"} | more
    return on_pretended_gpu(make_job(folder, items, parameters), mistake)


@pytest.mark.parametrize("precision", ["reference", "fast"])
def test_every_scorer_runs_and_the_host_waits_once_a_batch(
    precision: str, tmp_path: Path, files: Mapping[str, str]
) -> None:
    metrics = sorted(HERE)
    there = _on_gpu(tmp_path, files, precision=precision, metrics=metrics)
    assert there.code == 0, there.log
    assert there.events[0]["device"] == "cuda:0 (Pretended H100)"
    assert there.events[-2] == {"event": "finished", "job": 0, "rows": 2 * PROMPTS * len(metrics), "unscored": 0}
    assert sum(there.waits.values()) <= len(metrics) * (BATCHES * WAITS_A_BATCH + WAITS_A_METRIC), there.waits


def test_values_are_the_cpu_s(tmp_path: Path, files: Mapping[str, str]) -> None:
    exact = [metric for metric in SEVEN_REWARDS if SCORERS[metric].dtypes["reference"] == "float32"]
    assert _on_gpu(tmp_path / "gpu", files, metrics=exact).code == 0
    items = image_items(tmp_path / "cpu" / "run", PROMPTS)
    run_job(make_job(tmp_path / "cpu", items, {"files": files, "batch_size": BATCH, "metrics": exact}))
    there, here = ([row["value"] for row in read_rows(tmp_path / at / "cells.jsonl")] for at in ("gpu", "cpu"))
    assert len(there) == len(items) * len(exact)
    assert there == pytest.approx(here, abs=1e-4)


def test_a_tensor_left_on_the_cpu_is_found_with_its_line(tmp_path: Path, files: Mapping[str, str]) -> None:
    mistake = "rewards.models.open_clip_model:encode_text"
    there = _on_gpu(tmp_path, files, mistake, metrics=["hpsv2.1"])
    messages = [event["message"] for event in there.events if event["event"] == "error"]
    place = r"all tensors to be on the same device: aten::\w+ at rewards/[\w/]+\.py:\d+"
    assert there.code == 3
    assert re.search(place, messages[0]), messages
