"""A gallery of one run, or of several side by side: a folder that opens from disk, without a server or a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from wire.cards import NO_CARDS, Cards

__all__ = ["Copied", "GalleryFiles", "SheetSettings", "write_gallery"]


class Copied(Enum):
    """How images are put into a gallery, so that it can be moved: scaled down, or as they are."""

    SMALL = "small"
    WHOLE = "whole"


@dataclass(frozen=True)
class GalleryFiles:
    """A written gallery."""

    index: Path
    images: int  #: cards on it: images, or images of all runs side by side
    without_picture: int  #: images whose file is not there; the page has placeholders for them
    flips: int  #: cards on which runs' verdicts differ; 0 for one run
    judged: bool  #: whether any image has a verdict
    sheet: tuple[Path, ...] = ()  #: the same for a paper, a PNG and what other formats were asked for; none without


@dataclass(frozen=True)
class SheetSettings:
    """What a sheet for a paper shows: see :func:`reports.gallery.sheet.make_sheet`; ``further`` are formats."""

    prompts: Sequence[str] = ()
    sample: int = 0
    further: Sequence[str] = ()


def write_gallery(
    paths: Sequence[Path],
    out_dir: Path,
    copy: Copied | None = None,
    cards: Cards = NO_CARDS,
    names: Sequence[str] = (),
    home: str = "",
    sheet: SheetSettings | None = None,
) -> GalleryFiles:
    """Write the gallery of a run, or of several.
    ``paths``: run directories, or files of GenEval or reward rows.
    ``out_dir``: made if need be; ``index.html`` in it is the page.
    ``copy``: how the images are put into the folder too; None for a page that refers to them where they are.
    ``cards``: of metrics that are known anyway, for runs that bear none.
    ``names``: of the runs; none for their own.
    ``home``: address of a page that this one belongs to, for a link.
    ``sheet``: lay the page out in rows, a prompt each, and write ``grid.png`` for a paper.
    Raises UserError: a run is missing, empty or malformed, the folder cannot be written to, or another program's page
    is in it.
    """
    from reports.drawing import save
    from reports.files import write_text
    from reports.gallery.page import gallery_html
    from reports.gallery.pictures import Pictures
    from reports.gallery.records import gallery_run, matched
    from reports.gallery.sheet import draw_sheet, headings, make_sheet, sheet_run
    from reports.pages import own_page
    from reports.read.names import told_apart
    from reports.read.runs import find_run

    page = own_page(out_dir / "index.html")
    sources = told_apart([find_run(path, cards) for path in paths], names)
    placed = headings(sources) if sheet and len(sources) > 1 else []
    sources = [replace(one, name=f"{row} {column}".strip()) for one, column, row in placed] or sources
    runs = [
        gallery_run(
            source, Pictures(source.folder, out_dir, f"images/{number}" if copy else None, copy is Copied.SMALL)
        )
        for number, source in enumerate(sources, start=1)
    ]
    entries = matched(runs)
    columns = [sheet_run(*one) for one in placed or [(source, source.name, "") for source in sources]] if sheet else []
    drawn = draw_sheet(make_sheet(columns, sheet.prompts, sheet.sample)) if sheet else None
    index = write_text(page, gallery_html(runs, entries, home, rows=sheet is not None))
    shown = [record for run in runs for record in run.records]
    return GalleryFiles(
        index=index,
        images=len(entries),
        without_picture=sum(record["image"] is None for record in shown),
        flips=sum(entry.flip for entry in entries),
        judged=any(record["correct"] is not None for record in shown),
        sheet=tuple(save(drawn, out_dir / "grid.png", sheet.further)) if drawn and sheet else (),
    )
