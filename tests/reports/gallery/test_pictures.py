from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from reports.gallery.pictures import Pictures
from wire.errors import UserError


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    for name in ("a #1?%.png", "notes.txt", "sub/b.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    return folder


def test_an_address_is_relative_and_quoted(run_dir: Path, tmp_path: Path) -> None:
    address = Pictures(run_dir, tmp_path / "out").shown("a #1?%.png")["image"]
    assert address == "../run/a%20%231%3F%25.png"
    assert (tmp_path / "out" / unquote(address)).resolve() == run_dir / "a #1?%.png"


@pytest.mark.parametrize(
    "name", ["../secret.png", "link.png", "notes.txt", "none.png", "sub", "", "x\0.png", "javascript:1", "x" * 5000]
)
def test_only_images_within_the_run_have_an_address(run_dir: Path, tmp_path: Path, name: str) -> None:
    assert Pictures(run_dir, tmp_path / "out").shown(name) == {"image": None}
    assert Pictures(run_dir, tmp_path / "out", "images").shown(name) == {"image": None}
    assert not (tmp_path / "out").exists()


def test_copies_stay_within_the_gallery(run_dir: Path, tmp_path: Path) -> None:
    shown = Pictures(run_dir, tmp_path / "out", "images/1").shown("./sub/../sub/b.png")
    assert shown == {"image": "images/1/sub/b.png"}
    assert (tmp_path / "out" / "images/1/sub/b.png").read_bytes() == b"image"


def test_small_copies_know_the_size_that_boxes_refer_to(run_dir: Path, tmp_path: Path) -> None:
    Image.new("RGBA", (900, 600), (200, 40, 40, 255)).save(run_dir / "large.png")
    Image.new("L", (64, 48)).save(run_dir / "tiny.png")
    pictures = Pictures(run_dir, tmp_path / "out", "images/1", small=True)
    assert pictures.shown("large.png") == {"image": "images/1/large.png.jpg", "size": [900, 600]}
    assert pictures.shown("tiny.png") == {"image": "images/1/tiny.png.jpg", "size": [64, 48]}
    with Image.open(tmp_path / "out" / "images/1/large.png.jpg") as small:
        assert (small.format, small.size) == ("JPEG", (320, 213))
    # What we cannot read, a browser may: it is copied as it is.
    assert pictures.shown("sub/b.png") == {"image": "images/1/sub/b.png"}


def test_a_folder_that_cannot_be_made_is_named(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match="name another folder"):
        Pictures(run_dir, tmp_path / "out", "images").shown("sub/b.png")
