"""The paper's strips of images, from the runs that ``paper reproduce`` makes for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.analysis.steps import step_of
from reports.drawing import save
from reports.gallery.sheet import SheetRun, draw_sheet, make_sheet, sheet_run, step_heading
from reports.paper.figure_runs import Drawn, axis_value, chosen, existing, not_drawn, row_names
from reports.paper.results import STRIP, PaperRun, Result, RunSet, runs_in
from reports.read.runs import RunSource, find_run
from wire.cards import NO_CARDS, Cards


def draw_strips(
    folder: Path, runs: Path | None, only: Sequence[str] = (), further: Sequence[str] = (), cards: Cards = NO_CARDS
) -> Drawn:
    """Write every strip as PNG, and in ``further`` formats; those of which there are no runs are named in the notes.
    ``folder``: made if need be.
    ``runs``: folder of ``paper reproduce``; None without.
    ``only``: keys of results; all for none.
    ``further``: ``pdf``, ``svg``.
    ``cards``: of metrics that are known anyway.
    Raises MiroEvalError: no such strip, a run that cannot be read; see :func:`reports.drawing.save`.
    """
    drawn, runs = Drawn(), existing(runs)
    for result in chosen(only, lambda one: one.kind == STRIP):
        found = [(one, find_run(one.path, cards)) for one in (runs_in(runs, result.key) if runs else [])]
        own = _sheet_runs(result, found)
        if not own:
            drawn.notes.append(not_drawn(result))
            continue
        there = {text for run in own for text, _ in run.images}
        prompts = [prompt for prompt in result.prompts if prompt in there]
        if lacking := [prompt for prompt in result.prompts if prompt not in there]:
            instead = "" if prompts else "; the first that they have are shown"
            drawn.notes.append(f"{result.key}: not among the prompts of these runs: {'; '.join(lacking)}{instead}")
        drawn.paths.extend(save(draw_sheet(make_sheet(own, prompts)), folder / f"{result.key}.png", further))
    return drawn


def _sheet_runs(result: Result, found: Sequence[tuple[PaperRun, RunSource]]) -> list[SheetRun]:
    """Runs under their headings, in the order of the paper's columns; of training, those at the paper's steps."""
    sets = {needed.set.key: needed.set for needed in result.inputs}
    several = len({one.model for one, _ in found}) > 1
    at_steps = [(one, source) for one, source in found if step_of(source) in result.steps] or found
    placed = [(*_column(sets[one.set], one, source), one, source) for one, source in at_steps]
    names = row_names()
    return [
        sheet_run(source, column, names.get(one.model, one.model) if several else "")
        for _, column, one, source in sorted(placed, key=lambda entry: entry[0])
    ]


def _column(run_set: RunSet, one: PaperRun, source: RunSource) -> tuple[float, str]:
    """Where a run's column is, and what it is called."""
    if run_set.training:
        step = step_of(source) or 0
        return step, step_heading(step)
    if run_set.points:
        return list(run_set.points).index(one.point), f"to {one.point}"
    value = axis_value(source.manifest, run_set)
    return value, f"t = {value:g}" if run_set.negative else f"{value:g}"
