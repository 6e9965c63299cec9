"""Files of MIRO's own evaluation scripts, whose names differ from ours: metrics without a version, paths from the root.

As read in https://github.com/nicolas-dufour/miro at commit 547003a0: ``eval/rewards/score_images.py`` writes rows of
``filename``, ``prompt`` and up to six scores; ``eval/geneval`` writes GenEval's own seven keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reports.read.rows import LAYOUT, Rows
from wire.cards import Cards

#: Whose rows they are and which version of them the mapping below is of, for notes.
ORIGIN = "MIRO's score_images.py (547003a0)"


def with_our_ids(rows: Rows, cards: Cards) -> Rows:
    """Upstream's reward rows under our metric ids, as the metrics' cards have them; any others as they are.

    A row is one of ``score_images.py`` if it has no key but its own, of which ours have more. Upstream's ``hpsv2`` is
    v2.0, although MIRO's training data were scored with v2.1; it crops images to a square where the authors' package
    pads, which gives the same number for square images alone: a note says so.
    """
    ids = {card.upstream: card.metric for card in cards.values() if card.upstream}
    known = {"filename", "prompt", *ids}
    if not rows.records or not all("filename" in record and record.keys() <= known for record in rows.records):
        return rows
    records = [{ids.get(key, key): value for key, value in record.items()} for record in rows.records]
    return replace(rows, records=records)


def within_run(filenames: Sequence[str], folder: Path) -> list[str]:
    """File names relative to the run directory, as ours are, so that the stages of one run can be joined.

    Upstream writes whole paths, or paths from where it was started. A prefix that all names have before
    ``00012/samples/0003.png`` goes, unless the files are there under the names as they stand.
    """
    prefix = _prefix(filenames[0]) if filenames else None
    if not prefix or any(_prefix(name) != prefix for name in filenames) or _is_file(folder, filenames[0]):
        return list(filenames)
    return [name[len(prefix) :] for name in filenames]


def _prefix(filename: str) -> str | None:
    match = LAYOUT.search(filename)
    return filename[: match.start(1)] if match else None


def _is_file(folder: Path, filename: str) -> bool:
    path = Path(filename)
    try:
        return not path.is_absolute() and (folder / path).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
