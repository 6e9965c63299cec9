from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rewards.images import UnreadableImage, read_image
from tests.rewards.pairs import picture
from tests.wire.test_pictures import PROGRAMS, SAVED, TAKEN, avif_without_pixels, plant_ghostscript
from wire.pictures import UNKNOWN


def saved(folder: Path, image: Image.Image, name: str = "image.png") -> Path:
    path = folder / name
    image.save(path)
    return path


def sixteen_bit_png(pixels: np.ndarray) -> bytes:
    """A PNG of (H, W, 3 or 4) uint16: Pillow reads such files and cannot write them."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_pixels_and_digest_are_the_files(tmp_path: Path) -> None:
    path = saved(tmp_path, picture(1))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    image, found = read_image(path, digest)
    assert found == digest
    assert image.tobytes() == picture(1).tobytes()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    name = "image.jpg" if mode == "CMYK" else "image.png"
    image, _ = read_image(saved(tmp_path, picture(2, (20, 10)).convert(mode), name), None)
    assert (image.mode, image.size) == ("RGB", (20, 10))


def test_sixteen_bits_keep_their_high_byte_and_are_not_clipped(tmp_path: Path) -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for name in ("image.png", "image.tiff"):
        image, _ = read_image(saved(tmp_path, Image.fromarray(deep), name), None)
        assert np.array_equal(np.asarray(image), np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2))


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colors_keep_their_high_byte_too(channels: int, tmp_path: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    (tmp_path / "deep.png").write_bytes(sixteen_bit_png(deep))
    image, _ = read_image(tmp_path / "deep.png", None)
    assert np.array_equal(np.asarray(image), (deep[..., :3] >> 8).astype(np.uint8))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_range_are_refused(mode: str, tmp_path: Path) -> None:
    path = saved(tmp_path, picture(2, (20, 10)).convert("L").convert(mode), "image.tiff")
    with pytest.raises(UnreadableImage, match=f"pixels of mode {mode} have no range"):
        read_image(path, None)


def test_an_opaque_alpha_channel_changes_nothing(tmp_path: Path) -> None:
    image, _ = read_image(saved(tmp_path, picture(3).convert("RGBA")), None)
    assert np.array_equal(np.asarray(image), np.asarray(picture(3)))


def test_a_changed_file_is_refused_and_its_digest_told(tmp_path: Path) -> None:
    path = saved(tmp_path, picture(4))
    with pytest.raises(UnreadableImage, match="has changed") as caught:
        read_image(path, "0" * 64)
    assert caught.value.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_reasons_name_no_path_and_no_memory_address(tmp_path: Path) -> None:
    whole = saved(tmp_path, picture(5)).read_bytes()
    for content in (b"", b"text", whole[:-100], whole[:60], whole[:200] + b"xxxx" + whole[204:]):
        (tmp_path / "broken.png").write_bytes(content)
        with pytest.raises(UnreadableImage) as caught:
            read_image(tmp_path / "broken.png", None)
        assert str(tmp_path) not in str(caught.value)
        assert "0x" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, picture(6, (50, 50)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    with pytest.raises(UnreadableImage, match="50 x 50 pixels, more than the limit of 2000"):
        read_image(path, None)


def test_a_thread_of_an_image_is_refused_and_a_long_one_is_not(tmp_path: Path) -> None:
    image, _ = read_image(saved(tmp_path, picture(6, (8000, 100))), None)
    assert image.size == (8000, 100)
    with pytest.raises(UnreadableImage, match="1 x 301 pixels, one edge more than 300 times the other"):
        read_image(saved(tmp_path, picture(6, (1, 301))), None)


def refusal(folder: Path, content: bytes) -> str:
    (folder / "image.png").write_bytes(content)
    with pytest.raises(UnreadableImage) as caught:
        read_image(folder / "image.png", None)
    assert caught.value.sha256 == hashlib.sha256(content).hexdigest()
    return str(caught.value)


@pytest.mark.parametrize("content", PROGRAMS.values(), ids=PROGRAMS)
def test_postscript_named_png_is_unscored_and_starts_nothing(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = plant_ghostscript(tmp_path, monkeypatch)
    assert refusal(tmp_path, content) == UNKNOWN
    assert not mark.exists()


@pytest.mark.parametrize("name", SAVED)
def test_only_the_named_formats_are_scored(name: str, tmp_path: Path) -> None:
    if name in TAKEN or name == "MPO":
        (tmp_path / "image.png").write_bytes(SAVED[name])
        assert read_image(tmp_path / "image.png", None)[0].mode == "RGB"
    else:
        assert refusal(tmp_path, SAVED[name]) == UNKNOWN


def test_a_decoder_s_own_kind_of_error_is_a_reason_too(tmp_path: Path) -> None:
    assert refusal(tmp_path, avif_without_pixels()).startswith("image cannot be decoded (")
