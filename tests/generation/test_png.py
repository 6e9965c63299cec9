"""PNG files."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image", reason="runs where Pillow is")

from generation.image_writer import encode_png, write_png  # noqa: E402 - Pillow decides whether this module runs

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def test_pixels_and_texts_survive(tmp_path: Path) -> None:
    texts = {"prompt": "a photo of a cat \u2014 \u732b", "seed": "42"}
    digest = write_png(tmp_path / "a" / "b.png", PIXELS, texts)
    with Image.open(tmp_path / "a" / "b.png") as image:
        assert np.array_equal(np.asarray(image), PIXELS)
        assert image.text == texts
    assert digest == hashlib.sha256((tmp_path / "a" / "b.png").read_bytes()).hexdigest()


def test_same_input_same_bytes() -> None:
    assert encode_png(PIXELS, {"seed": "1"}) == encode_png(PIXELS, {"seed": "1"})
    assert encode_png(PIXELS, {"seed": "1"}) != encode_png(PIXELS, {"seed": "2"})


def test_failed_write_leaves_the_old_image(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    write_png(path, PIXELS, {})
    before = path.read_bytes()
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, most))
    try:
        with pytest.raises(OSError, match="too large"):
            write_png(path, PIXELS[::-1], {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
