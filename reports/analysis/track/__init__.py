"""Training curves: scores of a training run's checkpoints against the step, and who gets where sooner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wire.cards import NO_CARDS, Cards

__all__ = ["TrackFiles", "write_track"]


@dataclass(frozen=True)
class TrackFiles:
    """``track.md`` for reading, ``track.csv`` with every point in full precision, ``track.png`` to look at.

    Attributes:
        notes: which runs were passed over; see :class:`reports.read.find.Found`.
    """

    markdown: Path
    csv: Path
    image: Path
    notes: tuple[str, ...] = ()


def write_track(inputs: Sequence[Path], out_dir: Path, cards: Cards = NO_CARDS) -> TrackFiles:
    """Draw and tabulate the curves of one training run, or of several.

    Args:
        inputs: the runs of the checkpoints, or these, in any order; see :func:`reports.analysis.track.steps.placed`.
        out_dir: made if need be.
        cards: of metrics that are known anyway, for runs that bear none.

    Raises:
        UserError: a run is missing, empty or malformed, its step is unknown where others' are known, two runs stand
            for one checkpoint, or the folder cannot be written to.
    """
    from tempfile import TemporaryDirectory

    from reports.analysis.track.curves import curves
    from reports.analysis.track.drawing import draw
    from reports.analysis.track.speedups import speedups
    from reports.analysis.track.steps import placed
    from reports.analysis.track.texts import track_csv, track_markdown
    from reports.files import write_text
    from reports.leaderboard.collect import collect
    from reports.read.find import find_runs

    sources, notes = find_runs(inputs, cards)
    places = placed(sources)
    with TemporaryDirectory(prefix="miro-eval-") as parts:
        runs, faults = collect([place.source for place in places], Path(parts))
    summaries, read = [run.summary for run in runs], {run.source.path for run in runs}
    found = curves([place for place in places if place.source.path in read], summaries)
    notes = (*notes, *faults, *(f"{run.name}: {note}" for run in summaries for note in run.rewards_notes))
    factors = speedups(found)
    files = TrackFiles(
        markdown=write_text(out_dir / "track.md", track_markdown(found, factors, notes)),
        csv=write_text(out_dir / "track.csv", track_csv(found)),
        image=out_dir / "track.png",
        notes=notes,
    )
    draw(found, files.image)
    return files
