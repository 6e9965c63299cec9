from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from rewards.memory import Parts
from rewards.scorers import SCORERS, Scorer
from rewards.text_features import TextFeatures, small_files_digest
from tests.rewards.jobs import Row, image_items, make_job, run_job
from tests.rewards.pairs import PROMPTS
from wire.arrays import ArrayCache

METRICS = [metric for metric, scorer in SCORERS.items() if scorer.encodes_text]


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_chunk_encoded_in_parts_is_not_kept(tmp_path: Path, load: Callable[..., Scorer]) -> None:
    parts = Parts("text", 4, lambda _: None)
    parts._halve()
    with torch.inference_mode():
        TextFeatures(load("pick_score"), PROMPTS, parts, 4, "cpu", ArrayCache(tmp_path, {}, "texts", pytest.fail)).rows(
            PROMPTS
        )
    assert stored(tmp_path) == []


def scored(folder: Path, files: Mapping[str, str], **parameters: Any) -> list[Row]:
    items = image_items(folder / "run", prompts=6, samples=1)
    chosen = {"files": files, "metrics": METRICS, "batch_size": 4, "device": "cpu", **parameters}
    return run_job(make_job(folder, items, chosen))[0]


def test_a_second_run_encodes_no_prompt_and_gives_the_same_bytes(
    tmp_path: Path, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = str(tmp_path / "cache")
    plain = scored(tmp_path / "plain", files)
    assert scored(tmp_path / "first", files, text_cache=kept) == plain
    assert len(stored(tmp_path / "cache")) == 2 * len(METRICS)
    for metric in METRICS:
        monkeypatch.setattr(SCORERS[metric], "encode_text", lambda *_: pytest.fail("encoded again"))
    assert scored(tmp_path / "second", files, text_cache=kept) == plain


def test_another_precision_or_batch_size_shares_nothing(tmp_path: Path, files: Mapping[str, str]) -> None:
    kept = str(tmp_path / "cache")
    for number, change in enumerate(({}, {"precision": "fast"}, {"batch_size": 3})):
        scored(tmp_path / str(number), files, text_cache=kept, metrics=["pick_score"], **change)
        assert len(stored(tmp_path / "cache")) == 2 * (number + 1)


def test_tokenizer_files_count_and_weights_beside_them_do_not(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{}")
    first = small_files_digest([tmp_path])
    (tmp_path / "model.safetensors").write_bytes(os.urandom(8))
    assert small_files_digest([tmp_path]) == first
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    assert small_files_digest([tmp_path]) != first
