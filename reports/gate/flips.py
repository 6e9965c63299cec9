"""The gallery that belongs to a verdict: baseline and candidate side by side, verdicts that flip first."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.gallery import write_gallery
from reports.gate.baseline import read_baseline
from reports.read.runs import MANIFEST, RESULTS, Run
from wire.cards import NO_CARDS, Cards
from wire.errors import UserError


@dataclass(frozen=True)
class Flips:
    """A written gallery.

    Attributes:
        flips: pairs of images that are right in one run and wrong in the other.
    """

    index: Path
    flips: int

    @property
    def text(self) -> str:
        """E.g. ``37 verdicts flip``."""
        return f"{self.flips:,} verdict{'' if self.flips == 1 else 's'} flip{'s' if self.flips == 1 else ''}"


def write_flips(
    baseline: Path, candidate: Path, out: Path, cards: Cards = NO_CARDS, names: Sequence[str] = ()
) -> Flips:
    """Write the gallery.

    Args:
        baseline, candidate: as of ``check``. Of a saved baseline there are verdicts alone: its images are placeholders.
        cards: of metrics that are known anyway, for runs that bear none.
        names: of the two; none for their own.

    Raises:
        UserError: the folder cannot be written, or a saved baseline has no verdicts.
    """
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_with_rows(side, Path(folder) / name) for side, name in ((baseline, "1"), (candidate, "2")))
        written = write_gallery(first, second, out, cards=cards, names=names)
    return Flips(written.index, written.flips)


def _with_rows(side: Path, folder: Path) -> Path:
    """The run or file itself; for a saved baseline a run directory made of it."""
    if side.suffix != ".json" or not side.is_file():
        return side
    run = read_baseline(side)
    folder.mkdir()
    (folder / RESULTS).write_text("".join(_rows(run)), encoding="utf-8")
    record = {"name": run.name, "random_weights": run.manifest.random_weights}
    (folder / MANIFEST).write_text(json.dumps(record), encoding="utf-8")
    return folder


def _rows(run: Run) -> list[str]:
    if run.verdicts is None:
        raise UserError("the saved baseline has no verdicts, of which any could flip: leave --gallery away")
    frame = run.verdicts[["filename", "tag", "prompt", "metadata", "sample_index", "correct"]]
    records = frame.astype(object).where(frame.notna(), None)
    return [json.dumps(_row(record)) + "\n" for record in records.to_dict("records")]


def _row(record: dict[Any, Any]) -> dict[str, object]:
    """As the judge would write it; what is empty is left out."""
    scored = record["correct"] is not None
    status = {"status": "scored", "reason": ""} if scored else {"status": "unscored", "error": "unscored"}
    return {name: value for name, value in record.items() if value not in (None, "")} | {
        "correct": bool(record["correct"]) if scored else None,
        **status,
    }
