"""Where the page finds an image: beside the run, or copied into the gallery."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reports.files import writing

#: What browsers show; a row may name any file, and only images may be linked or copied.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"})


@dataclass(frozen=True)
class Pictures:
    """The image files of one run.

    Attributes:
        run_dir: what the rows' file names are relative to.
        out_dir: the gallery.
        copy_to: folder within the gallery that images are copied into; None to refer to them where they are.
    """

    run_dir: Path
    out_dir: Path
    copy_to: str | None = None

    def find(self, filename: str) -> Path | None:
        """The image's file; None where there is none, or where the name leads out of the run's folder."""
        folder = self.run_dir.resolve()
        try:
            path = (folder / filename).resolve()
            known = path.suffix.lower() in SUFFIXES and path.is_relative_to(folder) and path.is_file()
        except (OSError, ValueError):  # a name that no file can have: a NUL, too many letters
            return None
        return path if known else None

    def address(self, filename: str) -> str | None:
        """The image as a relative URL; None where :meth:`find` has none.

        Raises:
            MiroEvalError: see :func:`reports.files.writing`.
        """
        path = self.find(filename)
        if path is None:
            return None
        if self.copy_to is None:
            return quote(os.path.relpath(path, self.out_dir.resolve()))
        place = f"{self.copy_to}/{path.relative_to(self.run_dir.resolve()).as_posix()}"
        target = self.out_dir / place
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        return quote(place)
