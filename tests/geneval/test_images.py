from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("PIL")
np = pytest.importorskip("numpy")

from PIL import Image  # noqa: E402

from geneval.explain import draw_row  # noqa: E402
from geneval.images import ImageFault, read_image  # noqa: E402
from tests.geneval.scenes import draw  # noqa: E402
from tests.wire.test_pictures import PROGRAMS, SAVED, TAKEN, avif_without_pixels, plant_ghostscript  # noqa: E402
from wire.pictures import UNKNOWN  # noqa: E402


def test_pixels_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    draw(0, (30, 20)).save(path)
    image = read_image(path, "a.png")
    assert image.pixels().shape == (20, 30, 3)
    assert np.array_equal(image.pixels(), np.asarray(draw(0, (30, 20))))
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_transparency_is_dropped(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (10, 20, 30, 0)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", "a.png").pixels()[0, 0].tolist() == [10, 20, 30]


def test_the_orientation_is_applied(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # shown after a quarter turn clockwise
    draw(0, (30, 20)).save(tmp_path / "a.png", exif=turned)
    upright = read_image(tmp_path / "a.png", "a.png").picture
    assert upright.tobytes() == draw(0, (30, 20)).transpose(Image.Transpose.ROTATE_270).tobytes()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageFault, match=r"x/a\.png: cannot be read \(No such file or directory\)") as fault:
        read_image(tmp_path / "a.png", "x/a.png")
    assert fault.value.sha256 is None


@pytest.mark.parametrize("keep", [0, 4, 30, 60, 200])
def test_a_truncated_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.png"
    draw(0).save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ImageFault, match=r"^x/a\.png: (not an image file|cannot be decoded)") as fault:
        read_image(path, "x/a.png")
    assert fault.value.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(tmp_path) not in str(fault.value)


def test_damaged_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    draw(0).save(path)
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(ImageFault, match=r"a\.png: cannot be decoded"):
        read_image(path, "a.png")


def refusal(folder: Path, content: bytes) -> str:
    (folder / "a.png").write_bytes(content)
    with pytest.raises(ImageFault) as fault:
        read_image(folder / "a.png", "x/a.png")
    assert fault.value.sha256 == hashlib.sha256(content).hexdigest()
    return str(fault.value)


@pytest.mark.parametrize("content", PROGRAMS.values(), ids=PROGRAMS)
def test_postscript_named_png_is_unscored_and_starts_nothing(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = plant_ghostscript(tmp_path, monkeypatch)
    assert refusal(tmp_path, content) == f"x/a.png: {UNKNOWN}"
    with pytest.raises(OSError, match="not an image file of a known format"):
        draw_row({}, tmp_path / "a.png")
    assert not mark.exists()


@pytest.mark.parametrize("name", SAVED)
def test_only_the_named_formats_are_judged(name: str, tmp_path: Path) -> None:
    if name in TAKEN or name == "MPO":
        (tmp_path / "a.png").write_bytes(SAVED[name])
        assert read_image(tmp_path / "a.png", "a.png").picture.mode == "RGB"
    else:
        assert refusal(tmp_path, SAVED[name]) == f"x/a.png: {UNKNOWN}"


def test_a_decoder_s_own_kind_of_error_is_a_reason_too(tmp_path: Path) -> None:
    assert refusal(tmp_path, avif_without_pixels()).startswith("x/a.png: cannot be decoded (")
