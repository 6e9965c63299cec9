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
from reports.read.runs import MANIFEST, RESULTS
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
    """The run or file itself; for a saved baseline a run directory with rows as the judge would write them."""
    if side.suffix != ".json" or not side.is_file():
        return side
    run = read_baseline(side)
    if run.verdicts is None:
        raise UserError("the saved baseline has no verdicts, of which any could flip: leave --gallery away")
    frame = run.verdicts[["filename", "tag", "prompt", "metadata", "sample_index", "correct"]]
    lines = []
    for record in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        scored = record["correct"] is not None
        row: dict[Any, Any] = {name: value for name, value in record.items() if value not in (None, "")}
        row |= {"correct": bool(record["correct"]) if scored else None, "status": "scored" if scored else "unscored"}
        row |= {"reason": ""} if scored else {"error": "unscored"}
        lines.append(json.dumps(row) + "\n")
    folder.mkdir()
    (folder / RESULTS).write_text("".join(lines), encoding="utf-8")
    about = {"name": run.name, "random_weights": run.manifest.random_weights}
    (folder / MANIFEST).write_text(json.dumps(about), encoding="utf-8")
    return folder
