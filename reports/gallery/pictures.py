"""Where the page finds an image: beside the run, or copied into the gallery."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reports.files import writing
from wire.pictures import UnreadablePicture, read_picture, to_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

#: What browsers show; a row may name any file, and only images may be linked or copied.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"})
#: Pixels of a scaled copy's longer side: sharp on a card, and some 15 KB.
LONGEST = 320


@dataclass(frozen=True)
class Pictures:
    """The image files of one run."""

    run_dir: Path  #: what the rows' file names are relative to
    out_dir: Path  #: the gallery
    #: Folder within the gallery that images are copied into; None to refer to them where they are.
    copy_to: str | None = None
    small: bool = False  #: whether copies are scaled down to :data:`LONGEST`

    def shown(self, filename: str) -> dict[str, Any]:
        """``image``: its relative URL, None where :func:`picture_within` has none.

        And ``size`` [width, height] in pixels of the whole image, to which boxes refer, where the copy is smaller.
        Raises MiroEvalError: see :func:`reports.files.writing`.
        """
        path, folder = picture_within(self.run_dir, filename), self.run_dir.resolve()
        if path is None:
            return {"image": None}
        if self.copy_to is None:
            return {"image": quote(os.path.relpath(path, self.out_dir.resolve()))}
        place = PurePosixPath(self.copy_to, path.relative_to(folder).as_posix())
        with writing(self.out_dir / place):
            if self.small and (scaled := self._scaled(path, place)):
                return scaled
            shutil.copyfile(path, self.out_dir / place)
        return {"image": quote(str(place))}

    def _scaled(self, path: Path, place: PurePosixPath) -> dict[str, Any] | None:
        """A smaller copy, as of :meth:`shown`; None of what only a browser may read."""
        try:
            small, size = read_picture(path.read_bytes(), lambda picture: (thumbnail(picture), picture.size))
        except UnreadablePicture:
            return None
        place = place.with_name(f"{place.name}.jpg")
        small.save(self.out_dir / place, "JPEG", quality=85)
        return {"image": quote(str(place)), "size": list(size)}


def picture_within(run_dir: Path, filename: str) -> Path | None:
    """The image file that a row names; None where there is none, or where its name leads out of the run's folder."""
    folder = run_dir.resolve()
    try:
        path = (folder / filename).resolve()
        known = path.suffix.lower() in SUFFIXES and path.is_relative_to(folder) and path.is_file()
    except (OSError, ValueError):  # a name that no file can have: a NUL, too many letters
        return None
    return path if known else None


def thumbnail(picture: Image, longest: int = LONGEST) -> Image:
    """A picture of at most so many pixels a side, in 8 bits of red, green and blue; one that is smaller stays."""
    small = to_rgb(picture)
    small.thumbnail((longest, longest))
    return small
