"""Makes the pictures of docs/: ``python -m tests.reports.gallery.screenshots ROWS RUN docs/images``.

ROWS is a file of GenEval rows (images need not be there), RUN a run directory with images, rows and rewards.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from reports import report
from reports.gallery import write_gallery
from reports.paper.figure_runs import Runs
from reports.paper.figures import draw_figures
from rewards.scorers import CARDS
from tests.reports.gallery.browser import headless


def take(rows: Path, run: Path, out: Path) -> None:
    """Write ``gallery.png``, ``gallery-image.png``, ``leaderboard.png`` and ``paper-fig3.png``."""
    out.mkdir(parents=True, exist_ok=True)
    (figure,) = draw_figures(out, Runs(None), ["fig3"], cards=CARDS).paths
    figure.replace(out / "paper-fig3.png")
    with TemporaryDirectory() as scratch, headless(Path(scratch) / "profile") as page:
        folder = Path(scratch)
        page.visit(write_gallery([rows], folder / "rows").index, width=1280, height=800)
        page.picture(out / "gallery.png")
        page.visit(write_gallery([run], folder / "run").index, width=1100, height=760, dark=True)
        page.run("document.getElementById('verdicts').querySelector('.chip').click(); show(1)")
        page.picture(out / "gallery-image.png")
        page.visit(report([rows, run], folder / "report").html, width=1280, height=800)
        page.picture(out / "leaderboard.png")


if __name__ == "__main__":
    take(*map(Path, sys.argv[1:]))
