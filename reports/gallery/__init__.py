"""A gallery of one run, or of two side by side: a folder that opens from disk, without a server or a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from wire.cards import NO_CARDS, Cards

__all__ = ["Copied", "GalleryFiles", "write_gallery"]


class Copied(Enum):
    """How images are put into a gallery, so that it can be moved: scaled down, or as they are."""

    SMALL = "small"
    WHOLE = "whole"


@dataclass(frozen=True)
class GalleryFiles:
    """A written gallery.

    Attributes:
        images: cards on it: images, or pairs of images.
        without_picture: images whose file is not there; the page has placeholders for them.
        flips: pairs that are right in one run and wrong in the other; 0 for one run.
    """

    index: Path
    images: int
    without_picture: int
    flips: int


def write_gallery(
    first: Path,
    second: Path | None,
    out_dir: Path,
    copy: Copied | None = None,
    cards: Cards = NO_CARDS,
    names: Sequence[str] = (),
    home: str = "",
) -> GalleryFiles:
    """Write the gallery of a run, or of two.

    Args:
        first, second: run directories, or files of GenEval or reward rows.
        out_dir: made if need be; ``index.html`` in it is the page.
        copy: how the images are put into the folder too; None for a page that refers to them where they are.
        names: of the runs; none for their own.
        home: address of a page that this one belongs to, for a link.

    Raises:
        UserError: a run is missing, empty or malformed, or the folder cannot be written to.
    """
    from reports.files import write_text
    from reports.gallery.page import gallery_html
    from reports.gallery.pictures import Pictures
    from reports.gallery.records import gallery_run, matched
    from reports.read.names import told_apart
    from reports.read.runs import find_run

    sources = told_apart([find_run(path, cards) for path in (first, second) if path is not None], names)
    runs = [
        gallery_run(
            source, Pictures(source.folder, out_dir, f"images/{number}" if copy else None, copy is Copied.SMALL)
        )
        for number, source in enumerate(sources, start=1)
    ]
    entries = matched(runs)
    index = write_text(out_dir / "index.html", gallery_html(runs, entries, home))
    shown = [record for run in runs for record in run.records]
    return GalleryFiles(
        index=index,
        images=len(entries),
        without_picture=sum(record["image"] is None for record in shown),
        flips=sum(entry.flip for entry in entries),
    )
