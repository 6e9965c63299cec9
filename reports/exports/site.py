"""A report as a static site: the leaderboard, and a gallery a run that its rows link into. Any web server will do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from reports.files import write_text
from reports.gallery import Copied, write_gallery
from reports.leaderboard.html import leaderboard_html
from reports.pages import own_page
from wire.cards import NO_CARDS, Cards

if TYPE_CHECKING:
    from reports.leaderboard.table import Leaderboard

#: What a run's folder is not called.
_NOT_IN_ADDRESSES = re.compile(r"[^A-Za-z0-9_.=-]+")


def write_site(board: Leaderboard, folder: Path, cards: Cards = NO_CARDS) -> Path:
    """Write ``index.html``, and ``runs/NAME/index.html`` with small copies of the images, for each run.

    The row of a run's best images links into the gallery of that run.
    Raises UserError: the folder cannot be written to, another program's page is there, or a run has gone since the
    leaderboard was made.
    """
    index = own_page(folder / "index.html")
    names = [name for name in map(str, board.frame["model"]) if board.sources[name].selection is None]
    places = dict(zip(names, _places(names), strict=True))
    for name, place in places.items():
        home = "../../index.html"
        write_gallery([board.sources[name].path], folder / place, Copied.SMALL, cards, [name], home)
    galleries = {name: f"{places[source.name]}/index.html" for name, source in board.sources.items()}
    return write_text(index, leaderboard_html(board, galleries))


def _places(names: Sequence[str]) -> list[str]:
    """A folder for each run that stays where it is while others come and go, as long as names differ in letters."""
    taken: set[str] = set()
    found = []
    for name in names:
        base = _NOT_IN_ADDRESSES.sub("-", name).strip("-.")[:80] or "run"
        free = (one for one in chain([base], (f"{base}--{n}" for n in count(2))) if one.lower() not in taken)
        found.append(f"runs/{next(free)}")
        taken.add(found[-1].removeprefix("runs/").lower())
    return found
