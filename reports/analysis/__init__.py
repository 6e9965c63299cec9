"""What else the rows of a run say: best of N, rewards and verdicts, histograms, accuracy by what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wire.cards import NO_CARDS, Cards, card_of
from wire.errors import UserError

if TYPE_CHECKING:
    from reports.analysis.findings import Finding
    from reports.read.runs import Run

__all__ = ["AnalysisFiles", "write_analysis"]


@dataclass(frozen=True)
class AnalysisFiles:
    """``analysis.md`` for reading, ``analysis.csv`` with every number in full precision, and radars of all runs.

    ``tradeoffs``: diversity against scores as Markdown, CSV and a figure, where two runs have a diversity. ``judges``:
    Markdown and CSV, where asked for.
    """

    markdown: Path
    csv: Path
    radars: tuple[Path, ...]
    notes: tuple[str, ...] = ()  #: which runs were passed over; see :class:`reports.read.find.Found`
    tradeoffs: tuple[Path, ...] = ()
    judges: tuple[Path, ...] = ()


def write_analysis(
    inputs: Sequence[Path],
    out_dir: Path,
    cards: Cards = NO_CARDS,
    further: Sequence[str] = (),
    *,
    judges: bool = False,
    labels: Path | None = None,
) -> AnalysisFiles:
    """Analyse runs, each by itself.
    ``cards``: of metrics that are known anyway.
    ``further``: formats (pdf, svg) in which figures stand beside the PNGs.
    ``judges``: also hold the judges of the same images against each other; see :mod:`reports.analysis.judges`.
    ``labels``: a file of what people say of the images, for that.
    Raises UserError: a run is missing, empty or malformed, no run has two judges, labels are given for several runs, or
    the folder cannot be written to.
    """
    from reports.analysis.findings import findings_csv, findings_markdown
    from reports.analysis.judges import labels_note, read_labels, write_judges
    from reports.analysis.radar import draw_radars
    from reports.analysis.tradeoff import write_tradeoffs
    from reports.files import write_text
    from reports.read.cards import notes_on_rewards
    from reports.read.find import fault_note, find_runs
    from reports.read.names import told_apart
    from reports.read.runs import read_source

    said = read_labels(labels) if labels else None
    found, measured = [], []
    sources, notes = find_runs(inputs, cards)
    if said and len(sources) > 1:
        raise UserError(f"--labels are about one run's images, and here are {len(sources)}: analyse that run alone")
    for source in told_apart(sources):
        try:
            run = read_source(source)
        except UserError as error:
            notes = (*notes, fault_note(source.path, source.searched, error))
            continue
        found.append((source, _measures(run), (*run.repeats, *notes_on_rewards(run, run.manifest.cards))))
        measured.append((source.name, run))
    if not found:
        raise UserError(f"nothing to analyse; {'; '.join(notes)}")
    judged = write_judges(measured, said, out_dir) if judges else ()
    notes = (*notes, *filter(None, [labels_note(run, said) for _, run in measured if said and judges]))
    return AnalysisFiles(
        markdown=write_text(out_dir / "analysis.md", findings_markdown(found)),
        csv=write_text(out_dir / "analysis.csv", findings_csv(found)),
        radars=draw_radars(measured, out_dir, further),
        notes=notes,
        tradeoffs=write_tradeoffs(measured, out_dir, further),
        judges=judged,
    )


def _measures(run: Run) -> list[Finding]:
    """All that one run's rows say."""
    from reports.analysis import measures
    from reports.leaderboard.merge import merge_stages

    images = merge_stages(run)
    own = [card_of(metric, run.manifest.cards) for metric in (run.rewards.metrics if run.rewards else ())]
    # A value over a prompt's images together says nothing of one of them.
    lower = {card.metric: card.lower for card in own if not card.over_samples}
    return [
        *measures.pass_at_k(run.verdicts),
        *measures.best_of(images, lower),
        *measures.rewards_against_verdicts(images, lower),
        *measures.reward_correlations(images, [*lower]),
        *measures.histograms(run.rewards),
        *measures.breakdown(run.verdicts),
    ]
