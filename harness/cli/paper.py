"""``miro-eval paper``: the MIRO paper's tables and figures, beside what was measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.cli.signature import only, takes_settings
from harness.run.settings import RunSettings
from harness.terminal.echo import echo, show, show_text
from wire.errors import UserError
from wire.settings import mapping, pair

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
TableOut = Annotated[Path | None, typer.Option(help="also write the table as Markdown and CSV into this folder")]


@app.command("list")
def list_all() -> None:
    """List tables, figures, strips and released checkpoints."""
    from reports.paper.commands import overview

    show_text(overview())


@app.command()
def table1(runs: Runs = None, out: TableOut = None, folder: From = None) -> None:
    """Table 1 (state of the art, specialists, MIRO) beside runs: differences, intervals, verdicts.

    On a terminal as a table; into a file or a pipe as Markdown.
    """
    _table("table1", runs or [], out, folder)


@app.command()
def table3(runs: Runs = None, out: TableOut = None, folder: From = None) -> None:
    """Table 3 (ablations) beside runs: differences, intervals, verdicts.

    On a terminal as a table; into a file or a pipe as Markdown.
    """
    _table("table3", runs or [], out, folder)


def _table(key: str, runs: list[str], out: Path | None, folder: Path | None) -> None:
    from reports.files import write_text
    from reports.paper.tables import paper_table, reproduce_table, table_csv, table_markdown
    from rewards.scorers import CARDS

    table = reproduce_table(key, runs, CARDS, folder)
    if out is not None:
        for name, text in ((f"{key}.md", table_markdown(table)), (f"{key}.csv", table_csv(table))):
            echo(f"written: {write_text(out / name, text)}", err=True)
    if sys.stdout.isatty():
        show(paper_table(table))
    else:
        echo(table_markdown(table), end="")


@app.command()
def figures(
    runs: FigureRuns = None,
    out: Annotated[Path, typer.Option(help="folder for the images")] = Path("figures"),
    folder: From = None,
    only: Only = [],  # noqa: B006 - typer copies it
    formats: options.Format = [],  # noqa: B006 - typer copies it
) -> None:
    """Draw the figures: measured curves from your runs beside the published points; the legend says which is which."""
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
    formats: options.Format = [],  # noqa: B006 - typer copies it
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


_OWN = "your checkpoint for a model that was not published, e.g. baseline=PATH; repeatable"
_TRAINING = "the same for checkpoints along training, e.g. baseline='runs/*.ckpt'; repeatable"
_SAMPLES = "images per prompt at most [default: the paper's, or --limit if given]"


@app.command()
@takes_settings
def reproduce(
    run: Annotated[RunSettings, only("device", "gpus", "offline")],
    keys: Annotated[list[str], typer.Argument(help="table1, fig6, ...; see `paper list`", metavar="[KEY]...")] = [],  # noqa: B006 - typer copies it
    everything: Annotated[bool, typer.Option("--all", help="all tables, figures and strips")] = False,
    out: Annotated[Path, typer.Option(help="folder that the runs go into")] = Path("paper"),
    checkpoint: Annotated[list[str], typer.Option(help=_OWN, metavar="MODEL=PATH")] = [],  # noqa: B006 - typer copies it
    training: Annotated[list[str], typer.Option(help=_TRAINING, metavar="MODEL=PATTERN")] = [],  # noqa: B006 - typer copies it
    limit: Annotated[int | None, typer.Option(help="prompts of each suite, at most: a trial", min=1)] = None,
    samples: Annotated[int | None, typer.Option(help=_SAMPLES, min=1)] = None,
    execute: Annotated[
        bool, typer.Option("--run", help="also run them, one after the other; run again to resume")
    ] = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Print every command that makes tables and figures again: suites, images, scores, pictures; or run them.

    --run prints the cost first. Released checkpoints are downloaded; unpublished models need --checkpoint.
    """
    from harness.plan.reproduce import execute as run_all
    from reports.paper.commands import Reproduction, script

    if keys and everything:
        raise UserError(f"--all is everything: omit it, or {' '.join(keys)}")
    if not (keys or everything):
        raise UserError("name what to reproduce, e.g. table1 fig6 (see `miro-eval paper list`), or --all")
    own, along = (
        mapping(flag, pair(flag, "MODEL=PATH"), given)
        for flag, given in (("--checkpoint", checkpoint), ("--training", training))
    )
    further = [word for name in ("device", "gpus") for word in _given(run, name)]
    wanted = Reproduction(
        tuple(keys),
        str(out),
        limit,
        samples,
        own,
        along,
        tiny_world,
        (*further, *(["--offline"] if run.offline else [])),
    )
    if not execute:
        echo("\n".join(script(wanted)))
        return
    code = run_all(wanted, echo)
    if code:
        raise typer.Exit(code)


def _given(run: RunSettings, name: str) -> list[str]:
    """An option of ours as another command takes it; nothing where it was not given."""
    value = getattr(run, name)
    text = ",".join(value) if isinstance(value, tuple) else value
    return [f"--{name}", text] if value != getattr(RunSettings, name) else []
