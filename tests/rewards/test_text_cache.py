from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from rewards.memory import Parts
from rewards.scorers import SCORERS, Scorer
from rewards.text_features import TextCache, TextFeatures, small_files_digest
from tests.rewards.jobs import Row, image_items, make_job, run_job
from tests.rewards.pairs import PROMPTS

METRICS = [metric for metric, scorer in SCORERS.items() if scorer.encodes_text]
CHUNK = ["a red dog", ""]


def cache(folder: Path, **identity: Any) -> TextCache:
    return TextCache(folder, identity, pytest.fail)


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_kept_is_given_back_bit_for_bit(tmp_path: Path) -> None:
    features = torch.randn(2, 7, generator=torch.Generator().manual_seed(0))
    cache(tmp_path, weights="a").store(CHUNK, features)
    found = cache(tmp_path, weights="a").load(CHUNK)
    assert found is not None
    assert torch.equal(found, features)
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("identity", "prompts"), [({"weights": "b"}, CHUNK), ({"weights": "a"}, CHUNK[::-1]), ({"weights": "a"}, CHUNK[:1])]
)
def test_other_weights_or_another_chunk_find_nothing(
    identity: Mapping[str, str], prompts: list[str], tmp_path: Path
) -> None:
    cache(tmp_path, weights="a").store(CHUNK, torch.ones(2, 3))
    assert cache(tmp_path, **identity).load(prompts) is None


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:-3] + b"xyz", lambda b: b"x" + b[1:]])
def test_a_damaged_file_is_not_believed_and_written_again(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    cache(tmp_path).store(CHUNK, torch.ones(2, 3))
    (path,) = stored(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert cache(tmp_path).load(CHUNK) is None
    cache(tmp_path).store(CHUNK, torch.ones(2, 3))
    assert cache(tmp_path).load(CHUNK) is not None


def test_writers_side_by_side_leave_one_whole_file(tmp_path: Path) -> None:
    threads = [threading.Thread(target=cache(tmp_path).store, args=(CHUNK, torch.ones(2, 999))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored(tmp_path)) == 1
    assert cache(tmp_path).load(CHUNK) is not None


def test_a_folder_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told: list[str] = []
    refused = TextCache(tmp_path / "file", {}, told.append)
    refused.store(CHUNK, torch.ones(2, 3))
    refused.store(CHUNK, torch.ones(2, 3))
    assert refused.load(CHUNK) is None
    assert told == [f"text features are not kept for the next run (Not a directory: {tmp_path}/file)"]


def test_a_chunk_encoded_in_parts_is_not_kept(tmp_path: Path, load: Callable[..., Scorer]) -> None:
    parts = Parts("text", 4, lambda _: None)
    parts._halve()
    with torch.inference_mode():
        TextFeatures(load("pick_score"), PROMPTS, parts, 4, "cpu", cache(tmp_path)).rows(PROMPTS)
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
