"""Arguments and options that several verbs share and that are no stage's settings, each defined once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wire.errors import UserError

if TYPE_CHECKING:
    from reports.gallery import Copied

_FOLDER = "a folder (hub layout, diffusers pipeline, existing images)"
_KINDS = f"a Lightning .ckpt (config.yaml beside it), {_FOLDER}, a repo id, "
_ONE = "a Lightning .ckpt (config.yaml beside it), a hub-layout folder, or a repo id"

Checkpoint = Annotated[str, typer.Argument(help=_ONE, metavar="CHECKPOINT")]
OptionalCheckpoint = Annotated[
    str,
    typer.Argument(help=f"{_KINDS}or a released name like miro-no-clip", metavar="[CHECKPOINT]", show_default=False),
]
Checkpoints = Annotated[
    list[str],
    typer.Argument(
        help=f"one or several: {_KINDS}a released name like miro-no-clip, or a pattern like 'runs/*/last.ckpt'",
        metavar="[CHECKPOINT]...",
        show_default=False,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option(help="name of a run in tables, one for each run in order; repeatable", metavar="NAME"),
]
BestOf = Annotated[
    int | None, typer.Option(help="score the best of N images per prompt (exact expected value)", metavar="N")
]
By = Annotated[list[str] | None, typer.Option(help="the reward by which --best-of chooses", metavar="REWARD")]
Variants = Annotated[
    str | None,
    typer.Option(help="several models of a repo or folder: all, or names with commas between", rich_help_panel="Model"),
]
RunDirectory = Annotated[
    Path | None, typer.Argument(help="directory of images: 00000/metadata.jsonl, 00000/samples/0000.png, ...")
]
Out = Annotated[Path | None, typer.Option(help="run directory [default: <checkpoint dir>/geneval_images/<name>]")]
FigureFormat = StrEnum("FigureFormat", ["pdf", "svg"])
Format = Annotated[
    list[FigureFormat], typer.Option("--format", help="write figures in this format too, beside the PNG; repeatable")
]
TinyWorld = Annotated[
    bool,
    typer.Option(
        help="small random models instead of the published weights, to try things out", rich_help_panel="Where it runs"
    ),
]

Copy = Annotated[
    bool, typer.Option("--copy", help="put small copies of the images into the gallery, so that it can be moved")
]
FullSize = Annotated[bool, typer.Option("--full-size", help="with --copy: the images at full size")]


def copied(copy: bool, full_size: bool) -> Copied | None:
    """What ``--copy`` and ``--full-size`` ask for. Raises UserError: ``--full-size`` without ``--copy``."""
    from reports.gallery import Copied

    if full_size and not copy:
        raise UserError("--full-size says how images are copied: add --copy")
    return (Copied.WHOLE if full_size else Copied.SMALL) if copy else None
