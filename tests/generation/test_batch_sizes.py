"""How far the batch size moves an image: its shape decides last bits, and no more."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

import numpy as np  # noqa: E402 - torch decides whether this module runs
from PIL import Image  # noqa: E402

from tests.generation.conftest import World  # noqa: E402
from tests.generation.jobs import items_of, make_job, run_here  # noqa: E402

ITEMS = items_of(range(0, 552, 46), samples=2)


@pytest.fixture(scope="module")
def images(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[int, np.ndarray]:
    """Batch size to the pixels of all images: 24 of 64 x 64, after 8 steps in float32."""
    return {size: pixels(world, tmp_path_factory.mktemp(str(size)), size) for size in (1, 3, 8)}


def pixels(world: World, folder: Path, size: int) -> np.ndarray:
    job = make_job(folder, ITEMS, checkpoint=str(world.checkpoint), batch_size=size, steps=8)
    found = run_here(job).images
    return np.stack([np.asarray(Image.open(io.BytesIO(found[item.filename]))).astype(int) for item in ITEMS])


@pytest.mark.parametrize(("size", "other"), [(1, 3), (1, 8), (3, 8)])
def test_moves_no_value_by_more_than_one_level(images: dict[int, np.ndarray], size: int, other: int) -> None:
    difference = np.abs(images[size] - images[other])
    share, largest = np.mean(difference > 0), difference.max()
    print(f"batch {size} against {other}: {share:.2e} of the values differ, by at most {largest}")
    assert largest <= 1
    assert share < 1e-3
