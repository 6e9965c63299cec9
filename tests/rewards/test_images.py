from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rewards.images import UnreadableImage, read_image
from tests.rewards.pairs import picture


def saved(folder: Path, image: Image.Image, name: str = "image.png") -> Path:
    path = folder / name
    image.save(path)
    return path


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
