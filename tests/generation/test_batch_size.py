"""``--batch-size auto``: found once, halved where memory is short, then one size for the whole run."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="runs in the generation environment")

from generation.batch_size import LARGEST, agreed_size, fitting
from generation.parameters import Parameters
from tests.generation.jobs import Outcome, items_of, make_job, run_here
from wire.errors import UserError
from wire.protocol import read_rows

ITEMS = items_of(range(7))
NUMBERS = itertools.count()

#: A user's generator with room for two images; the image tells how many were made with it.
NARROW = """
import torch
from PIL import Image

def images(prompts, seeds):
    if len(prompts) > {room}:
        raise {error}
    return [Image.new("RGB", (8, 8), (len(prompts), seed % 256, 0)) for seed in seeds]
"""


def generator(folder: Path, room: int, error: str = 'torch.OutOfMemoryError("CUDA out of memory.")') -> str:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"narrow_{next(NUMBERS)}"  # a module of its own: Python imports a name once
    (folder / f"{name}.py").write_text(NARROW.format(room=room, error=error))
    return f"{folder / name}.py:images"


def run(folder: Path, generator: str, shard: tuple[int, int] = (0, 1), size: object = "auto") -> Outcome:
    return run_here(make_job(folder, ITEMS, shard, checkpoint="", generator=generator, batch_size=size))


@pytest.mark.parametrize(
    "error",
    [
        'torch.OutOfMemoryError("CUDA out of memory.")',
        "MemoryError",
        'RuntimeError("[enforce fail] DefaultCPUAllocator: can\'t allocate memory: you tried to allocate 9 bytes")',
    ],
)
def test_size_is_halved_until_a_batch_fits_and_then_told(tmp_path: Path, error: str) -> None:
    outcome = run(tmp_path / "run", generator(tmp_path / "code", 2, error))
    started = outcome.event("started")
    assert (started["batch_size"], started["hparams"]["batch_size"], started["total"]) == (2, 2, 7)
    fixed = run(tmp_path / "fixed", generator(tmp_path / "code", 2, error), size=2)
    assert outcome.images == fixed.images
    assert outcome.rows == fixed.rows


def test_shards_and_those_who_come_later_use_the_size_that_was_found(tmp_path: Path) -> None:
    first = run(tmp_path / "run", generator(tmp_path / "narrow", 2), (1, 3))
    second = run(tmp_path / "run", generator(tmp_path / "wide", 100), (0, 3))
    last = run(tmp_path / "run", generator(tmp_path / "wide", 100), (2, 3))
    assert [part.event("started")["batch_size"] for part in (first, second, last)] == [2, 2, 2]
    rows = [row["filename"] for path in (tmp_path / "run").glob("rows*.jsonl") for row in read_rows(path)]
    assert sorted(rows) == [item.filename for item in ITEMS]


def test_not_even_one_image_fits(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"out of memory on .* with batch size 1; free some of its memory"):
        run(tmp_path / "run", generator(tmp_path / "code", 0))
    assert not list(tmp_path.rglob("*.png"))


def test_fixed_size_is_never_changed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"out of memory on .* with batch size 4"):
        run(tmp_path / "run", generator(tmp_path / "code", 2), size=4)


def test_finished_run_needs_no_size(tmp_path: Path) -> None:
    program = generator(tmp_path / "code", 2)
    run(tmp_path / "run", program)
    again = run(tmp_path / "run", program)
    assert [event["event"] for event in again.events] == ["started", "finished"]


@pytest.mark.parametrize(
    ("free", "first", "further", "size"),
    [(100, 10, 10, 8), (100, 0, 1, 64), (100, 90, 10, 1), (100, 500, 10, 1), (10**12, 1, 1, LARGEST), (100, 10, 0, 64)],
)
def test_largest_power_of_two_that_free_memory_holds(free: int, first: int, further: int, size: int) -> None:
    assert fitting(free, first, further) == size


def test_size_is_found_once(tmp_path: Path) -> None:
    path = tmp_path / "size"
    assert agreed_size(path, lambda: 16) == 16
    assert agreed_size(path, lambda: 1) == 16
    path.write_text("many")
    with pytest.raises(UserError, match="expected a batch size, found 'many'"):
        agreed_size(path, lambda: 1)


def test_failed_search_leaves_no_size_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="out of memory"):
        run(tmp_path / "run", generator(tmp_path / "code", 0))
    assert run(tmp_path / "run", generator(tmp_path / "more", 1)).event("started")["batch_size"] == 1


def test_upstreams_noise_needs_a_fixed_size() -> None:
    sweep = json.loads('{"prompts": [[0, "a cat"]], "samples": 1}')
    with pytest.raises(UserError, match="upstream's noise depends on the batch size; --batch-size 'auto'"):
        Parameters.parse({"checkpoint": "x.ckpt", "noise": "upstream", "sweep": sweep, "batch_size": "auto"})
