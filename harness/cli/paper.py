"""``miro-eval paper``: the MIRO paper's tables and figures, beside what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.terminal.echo import echo
from wire.errors import ExitCode

app = typer.Typer(help="The MIRO paper's tables and figures, beside what was measured.", no_args_is_help=True)

Runs = Annotated[
    list[str] | None,
    typer.Argument(help="run directories or files of rows; ROW=PATH says which row one stands for", metavar="[RUN]..."),
]
FigureRuns = Annotated[
    list[str] | None,
    typer.Argument(help="further runs; MODEL=PATH says which of the paper's models one stands for", metavar="[RUN]..."),
]
From = Annotated[Path | None, typer.Option("--from", help="folder that `paper reproduce` has filled")]
Only = Annotated[list[str], typer.Option(help="one of them, e.g. fig3; repeatable [default: all]")]
Format = Annotated[list[str], typer.Option("--format", help="pdf or svg, written beside the PNG; repeatable")]
TableOut = Annotated[Path | None, typer.Option(help="also write the table as Markdown and CSV into this folder")]


@app.command("list")
def list_all() -> None:
    """What there is: tables, figures, released checkpoints."""
    from reports.paper.checkpoints import overview

    echo(overview())


@app.command()
def table1(runs: Runs = None, out: TableOut = None) -> None:
    """Table 1 (state of the art, specialists, MIRO) beside runs: differences, intervals, verdicts."""
    _table("table1", runs or [], out)


@app.command()
def table3(runs: Runs = None, out: TableOut = None) -> None:
    """Table 3 (ablations) beside runs: differences, intervals, verdicts."""
    _table("table3", runs or [], out)


def _table(key: str, runs: list[str], out: Path | None) -> None:
    from reports.files import write_text
    from reports.paper.tables import reproduce_table, table_csv, table_markdown
    from rewards.scorers import CARDS

    table = reproduce_table(key, runs, CARDS)
    if out is not None:
        for name, text in ((f"{key}.md", table_markdown(table)), (f"{key}.csv", table_csv(table))):
            echo(f"written: {write_text(out / name, text)}", err=True)
    echo(table_markdown(table), end="")


@app.command()
def figures(
    runs: FigureRuns = None,
    out: Annotated[Path, typer.Option(help="folder for the images")] = Path("figures"),
    folder: From = None,
    only: Only = [],  # noqa: B006 - typer copies it
    formats: Format = [],  # noqa: B006 - typer copies it
) -> None:
    """Draw the figures: from runs where there are any, beside the published points; each curve says which it is."""
    from reports.paper.figure_runs import Runs
    from reports.paper.figures import draw_figures
    from rewards.scorers import CARDS

    drawn = draw_figures(out, Runs(folder, runs or [], CARDS), only, formats, CARDS)
    _tell(drawn.paths, drawn.notes)


@app.command()
def strips(
    folder: From = None,
    out: Annotated[Path, typer.Option(help="folder for the images")] = Path("figures"),
    only: Only = [],  # noqa: B006 - typer copies it
    formats: Format = [],  # noqa: B006 - typer copies it
) -> None:
    """Draw the strips of images: along training, along targets; `view --grid` makes them of any runs."""
    from reports.paper.strips import draw_strips
    from rewards.scorers import CARDS

    drawn = draw_strips(out, folder, only, formats, CARDS)
    _tell(drawn.paths, drawn.notes)


def _tell(paths: list[Path], notes: list[str]) -> None:
    for path in paths:
        echo(path)
    for note in notes:
        echo(note, err=True)


@app.command()
def reproduce(
    table: Annotated[str, typer.Option(help="table1 (all sixteen checkpoints) or table3")] = "table1",
    out: Annotated[Path, typer.Option(help="folder that the runs go into")] = Path("paper"),
    parti: Annotated[str, typer.Option(help="PartiPrompts: a suite by name, or a file of prompts")] = "parti",
    run: Annotated[bool, typer.Option("--run", help="run them as well, one after the other; again: goes on")] = False,
) -> None:
    """Print every command that it takes to measure a table with the released checkpoints, or run them."""
    from reports.paper.checkpoints import reproduction_commands

    lines = reproduction_commands(table, str(out), parti)
    if run:
        _run(lines)
    else:
        echo("\n".join(lines))


def _run(lines: list[str]) -> None:
    """Run shell lines of ours; unscored items do not stop them, but are reported by the exit code in the end.

    Raises:
        Exit: a command failed, with its exit code; what is finished is kept, and is not done again.
    """
    import shlex
    import subprocess
    import sys

    unscored = False
    for line in lines:
        echo(line)
        words = shlex.split(line, comments=True)[1:]
        if not words:
            continue
        command = [sys.executable, "-c", "from miro_eval import main; main()", *words]
        code = subprocess.run(command, check=False).returncode
        if code not in (ExitCode.DONE, ExitCode.UNSCORED):
            known = code in set(ExitCode) - {ExitCode.GATE_FAILED}
            raise typer.Exit(code if known else int(ExitCode.BUG))  # of another's signal, say
        unscored |= code == ExitCode.UNSCORED
    if unscored:
        raise typer.Exit(ExitCode.UNSCORED)
