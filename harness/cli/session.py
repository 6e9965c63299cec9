"""What the verbs that run stages have in common."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.display import Display
    from harness.settings import RunSettings
    from harness.weight_source import WeightSource


@contextmanager
def session() -> Iterator[Display]:
    """One display for the whole command; SIGTERM ends it as Ctrl-C does, with everything finished kept."""
    from harness.display import Display

    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    with Display() as display:
        yield display


def run(stages: list[str], settings: RunSettings, *, tiny_world: bool = False, report: bool = False) -> None:
    """Run stages with the published weights, or with the tiny world's."""
    from harness.weight_source import PublishedWeights, make_tiny_world

    with session() as display:
        published = PublishedWeights(settings.offline)
        source = make_tiny_world(settings.env_backend, display.step) if tiny_world else published
        unscored = run_stages(stages, settings, source, display, report=report)
    leave(unscored, settings.out)


def run_stages(
    stages: list[str], settings: RunSettings, source: WeightSource, display: Display, *, report: bool = False
) -> int:
    """Run stages in a locked run directory, then write summaries and, if asked, the report; returns unscored items."""
    from harness.runs import open_run
    from reports import write_summaries

    with open_run(settings, source, display) as pipeline:
        unscored = pipeline.run_stages(stages)
        if pipeline.has_scores():
            write_summaries(pipeline.run.path)
        if report:
            show_report([settings.out], pipeline.run.report, display)
    return unscored


def show_report(inputs: list[Path], out: Path, display: Display) -> None:
    """Write the leaderboard and print it."""
    from rich.console import Console

    from reports import report, terminal_tables

    files = report(inputs, out)
    display.close()
    Console().print(terminal_tables(files))
    typer.echo(f"report: {files.markdown}")


def leave(unscored: int, out: Path) -> None:
    """Exit 5, and say so, where items have no score."""
    if unscored:
        typer.echo(f"{unscored} items are unscored; their rows in {out} say why. Run again to retry them.", err=True)
        raise typer.Exit(int(ExitCode.UNSCORED))
