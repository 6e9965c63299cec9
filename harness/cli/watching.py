"""``miro-eval all --watch DIR``: evaluate the checkpoints of a training run as it writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.cli.session import choose_source, session
from harness.plan.evaluations import Evaluation, Outcome, evaluate
from harness.plan.watching import settled_checkpoints
from harness.run.settings import RunSettings
from harness.terminal.display import Display
from wire.errors import MiroEvalError, UserError

#: Makes evaluations of checkpoints.
Chooser = Callable[[Sequence[str]], list[Evaluation]]


def watch(
    folder: Path, settle: float, choose: Chooser, common: RunSettings, report: Path, *, tiny_world: bool = False
) -> None:
    """Evaluate checkpoint after checkpoint, and after each rewrite the leaderboard and the training curves.

    Goes on until it is stopped. A checkpoint that cannot be evaluated is told and passed over; when its file changes
    it is tried again.
    """
    outcome = Outcome()
    with session() as display:
        source = choose_source(common, display, tiny_world=tiny_world)
        display.note(f"watching {folder} for checkpoints; Ctrl-C ends it")
        for paths in settled_checkpoints(folder, settle):
            for path in paths:
                _take(evaluate(_chosen(path, choose, display), source, display), outcome, display)
            if outcome.finished:
                _report(outcome.finished, report, display)


def _chosen(path: Path, choose: Chooser, display: Display) -> list[Evaluation]:
    try:
        return choose([str(path)])
    except MiroEvalError as error:
        display.note(f"{path}: {error}")
        return []


def _take(new: Outcome, outcome: Outcome, display: Display) -> None:
    outcome.finished += [out for out in new.finished if out not in outcome.finished]
    for out, error in new.failures.items():
        display.note(f"{out}: {error}")


def _report(runs: list[Path], folder: Path, display: Display) -> None:
    """Leaderboard and curves; what they lack is told and does not end the watch."""
    from reports import report
    from reports.analysis.track import write_track
    from rewards.scorers import CARDS

    try:
        files = report(runs, folder, cards=CARDS)
        curves = write_track(runs, folder, CARDS)
        display.note(f"{len(runs)} checkpoints: {files.markdown}, {curves.markdown}")
    except UserError as error:
        display.note(str(error))
