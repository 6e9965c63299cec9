"""``miro-eval run``: are a run's files still what they were, how is it made again, why was an image judged so?"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path, PurePath
from typing import Annotated, Any

import typer

from harness.terminal.echo import echo, say_as_is
from wire.errors import UserError

app = typer.Typer(
    help="Verify or reproduce a finished run, explain one of its verdicts.", no_args_is_help=True, rich_markup_mode=None
)
_NAME = re.compile(r"(\d+)/(?:samples/)?(\d+)(?:\.\w+)?$")


@app.command()
def verify(run: Annotated[Path, typer.Argument(help="run directory")]) -> None:
    """Recompute the hashes of a finished run's rows and images; exit 2 if one is missing or has changed."""
    from harness.plan.verification import verify as verify_run

    checked, problems = verify_run(run)
    for problem in problems:
        echo(problem)
    if problems:
        raise UserError(f"{len(problems)} of {checked} files in {run} have changed or are missing")
    echo(f"{checked} files are unchanged")


@app.command()
def repro(run: Annotated[Path, typer.Argument(help="run directory")]) -> None:
    """Print a shell script: the commands that made a run, with the locks, weights and hashes they used."""
    from harness.plan.reproduction import reproduction

    echo(reproduction(run), end="")


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="run directory with results.jsonl")],
    image: Annotated[str, typer.Argument(help="prompt and sample: 00123/0002", metavar="PROMPT/SAMPLE")],
    out: Annotated[Path | None, typer.Option(help="PNG to write [default: RUN/report/show/00123-0002.png]")] = None,
    terminal: Annotated[
        bool | None, typer.Option(help="show it in the terminal too [default: if it shows 24-bit colors]")
    ] = None,
) -> None:
    """Explain a verdict: print what was found and why it was judged so, and draw it on the image.

    Boxes, masks' outlines, scores and color answers are shown.
    """
    from geneval.explain import explain, half_blocks, shows_pictures

    row = _row(run, image)
    try:
        echo(explain(row))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{run / 'results.jsonl'}: {image}: not a complete GenEval row ({error!r})") from error
    prompt, sample = _place(row) or (0, 0)
    where = out or run / "report" / "show" / f"{prompt:05d}-{sample:04d}.png"
    picture = _draw(run, row, where)
    if shows_pictures(sys.stdout.isatty(), os.environ) if terminal is None else terminal:
        say_as_is(half_blocks(picture, shutil.get_terminal_size().columns))
    echo(f"drawn: {where}")


def _row(run: Path, image: str) -> dict[str, Any]:
    """The row of ``00123/0002``, ``00123/samples/0002.png`` or ``00123/samples/any name.png``."""
    from wire.protocol import read_rows

    path, wanted = run / "results.jsonl", _numbers(image)
    if wanted is None and not PurePath(image).suffix:
        raise UserError(f"{image!r}: expected PROMPT/SAMPLE, e.g. 00123/0002")
    if not path.is_file():
        raise UserError(f"{path}: no such file; run `miro-eval geneval {run}` first")
    for row in read_rows(path):
        if row.get("filename") == image or (wanted and _place(row) == wanted):
            return row
    raise UserError(f"{path}: no row for {f'prompt {wanted[0]}, sample {wanted[1]}' if wanted else image}")


def _place(row: dict[str, Any]) -> tuple[int, int] | None:
    """Prompt and sample of a row: as it says itself, else as its file's name does; None where neither tells."""
    prompt, sample = row.get("prompt_index"), row.get("sample_index")
    if isinstance(prompt, int) and isinstance(sample, int):
        return prompt, sample
    return _numbers(str(row.get("filename")))


def _numbers(name: str) -> tuple[int, int] | None:
    match = _NAME.search(name)
    return (int(match[1]), int(match[2])) if match else None


def _draw(run: Path, row: dict[str, Any], where: Path) -> Any:
    from geneval.explain import draw_row
    from wire.files import sha256_of_file

    path = run / row["filename"]
    try:
        picture = draw_row(row, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be drawn ({error})") from error
    if row.get("image_sha256") not in (None, sha256_of_file(path)):
        echo("the image has changed since it was judged: run the geneval stage again", err=True)
    where.parent.mkdir(parents=True, exist_ok=True)
    picture.save(where)
    return picture
