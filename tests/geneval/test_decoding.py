"""Pixels against ``mmcv.imread``, as the reference evaluator reads: every mode and format that Pillow writes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("PIL")
np = pytest.importorskip("numpy")
mmcv = pytest.importorskip("mmcv")
cv2 = pytest.importorskip("cv2")

from PIL import Image  # noqa: E402

from geneval.images import ImageFault, read_image  # noqa: E402

#: OpenCV reads no AVIF.
SUFFIXES = {".png": {}, ".jpg": {"quality": 95}, ".webp": {"lossless": True}, ".bmp": {}, ".tiff": {}}
#: Where a difference is meant, and how large it may be; docs/files.md says why.
DIFFERENCES = {("CMYK", ".jpg"): 1, ("LAB", ".tiff"): 255, ("RGBA", ".tiff"): 255}
#: 32 bits: no common range, and OpenCV does not read them either.
UNREAD = ("I", "F")


def colors() -> Image.Image:
    gray = np.add.outer(np.arange(24) * 7, np.arange(32) * 5) % 256
    return Image.fromarray(np.stack([gray, 255 - gray, gray * 3 % 256], -1).astype(np.uint8))


def deep(channels: int = 1) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 65536, (24, 32, channels), dtype=np.uint16)
    return values[..., 0] if channels == 1 else values


def in_every_mode() -> Iterator[tuple[str, Image.Image]]:
    see_through = colors().convert("RGBA")
    see_through.putalpha(Image.fromarray((np.arange(32, dtype=np.uint8) * 8)[None].repeat(24, 0)))
    for mode in ("1", "L", "P", "RGB", "RGBX", "CMYK", "LAB"):
        yield mode, colors().convert(mode)
    for mode in ("LA", "PA", "RGBA"):
        yield mode, see_through.convert(mode)
    yield "I;16", Image.fromarray(deep())
    yield "I;16B", Image.fromarray(deep().astype(">u2"))
    yield "I", Image.fromarray(deep().astype(np.int32) * 17)
    yield "F", Image.fromarray(deep().astype(np.float32))


def saved(folder: Path, picture: Image.Image, suffix: str, **options: object) -> Path | None:
    path = folder / f"image{suffix}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            picture.save(path, **SUFFIXES[suffix], **options)
    except (OSError, ValueError, KeyError):
        return None  # the format has no such mode
    return path


def difference(path: Path) -> int:
    ours = read_image(path, path.name).pixels()
    theirs = mmcv.imread(str(path), channel_order="rgb")
    assert ours.shape == theirs.shape
    return int(np.abs(ours.astype(int) - theirs).max())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("mode", "picture"), in_every_mode(), ids=[mode for mode, _ in in_every_mode()])
def test_every_mode_of_every_format(mode: str, picture: Image.Image, suffix: str, tmp_path: Path) -> None:
    path = saved(tmp_path, picture, suffix)
    if path is None:
        pytest.skip("not a mode of this format")
    if suffix == ".tiff" and mode in UNREAD:
        assert mmcv.imread(str(path)) is None
        with pytest.raises(ImageFault, match=f"pixels of mode {mode} have no range"):
            read_image(path, path.name)
    else:
        assert difference(path) <= DIFFERENCES.get((mode, suffix), 0)


def test_sixteen_bit_gray_is_not_white(tmp_path: Path) -> None:
    Image.fromarray(deep()).save(tmp_path / "a.png")
    assert 120 < read_image(tmp_path / "a.png", "a.png").pixels().mean() < 136


@pytest.mark.parametrize(("suffix", "most"), [(".png", 0), (".tiff", 1)])  # libtiff rounds, all others cut
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bit_colors(channels: int, suffix: str, most: int, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(cv2.imencode(suffix, deep(channels))[1].tobytes())
    assert difference(path) <= most


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_fewer_bits_and_one_transparent_color(bits: int, tmp_path: Path) -> None:
    few = colors().convert("P", palette=Image.Palette.ADAPTIVE, colors=2**bits)
    few.save(tmp_path / "a.png", bits=bits, transparency=1)
    assert difference(tmp_path / "a.png") == 0
    colors().save(tmp_path / "b.png", transparency=(1, 2, 3))
    assert difference(tmp_path / "b.png") == 0


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
@pytest.mark.parametrize("mode", ["RGB", "L", "I;16"])
@pytest.mark.parametrize("orientation", range(10))
def test_turned_as_mmcv_turns(suffix: str, mode: str, orientation: int, tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    picture = Image.fromarray(deep()) if mode == "I;16" else colors().convert(mode)
    path = saved(tmp_path, picture, suffix, exif=tags)
    if path is not None:
        assert difference(path) == 0
