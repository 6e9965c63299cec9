"""Arrays kept on disk: the same bits come back, and never a damaged one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wire.arrays import ArrayCache

ARRAY = np.random.default_rng(0).standard_normal((2, 7), dtype=np.float32)


def cache(folder: Path, **identity: Any) -> ArrayCache:
    return ArrayCache(folder, identity, "texts", pytest.fail)


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_kept_is_given_back_bit_for_bit(tmp_path: Path) -> None:
    cache(tmp_path, weights="a").store("a dog", ARRAY)
    found = cache(tmp_path, weights="a").load("a dog")
    assert found is not None
    assert (found.tobytes(), found.dtype) == (ARRAY.tobytes(), np.float32)


@pytest.mark.parametrize(("weights", "key"), [("b", "a dog"), ("a", "a cat"), ("a", "a \ud800 dog")])
def test_other_weights_or_another_key_find_nothing(weights: str, key: str, tmp_path: Path) -> None:
    cache(tmp_path, weights="a").store("a dog", ARRAY)
    assert cache(tmp_path, weights=weights).load(key) is None


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:-3] + b"xyz", lambda b: b"x" + b[1:]])
def test_a_damaged_file_is_not_believed_and_written_again(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    cache(tmp_path).store("a dog", ARRAY)
    (path,) = stored(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert cache(tmp_path).load("a dog") is None
    cache(tmp_path).store("a dog", ARRAY)
    assert cache(tmp_path).load("a dog") is not None


def test_writers_side_by_side_leave_one_whole_file(tmp_path: Path) -> None:
    threads = [threading.Thread(target=cache(tmp_path).store, args=("a dog", ARRAY)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored(tmp_path)) == 1
    assert cache(tmp_path).load("a dog") is not None


def test_a_folder_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told: list[str] = []
    refused = ArrayCache(tmp_path / "file", {}, "texts", told.append)
    refused.store("a dog", ARRAY)
    refused.store("a dog", ARRAY)
    assert refused.load("a dog") is None
    assert told == [f"texts are not kept for the next run (Not a directory: {tmp_path}/file)"]
