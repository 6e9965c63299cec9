"""``miro-eval weights``: every weight of every stage, listed, fetched, verified, bundled."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.signature import only, takes_settings
from harness.run.settings import RunSettings
from harness.terminal.display import Display
from harness.terminal.echo import echo, show_list, show_text

app = typer.Typer(help="The weights of every stage.", no_args_is_help=True, rich_markup_mode=None)

Names = Annotated[list[str] | None, typer.Argument(help="names from `weights list`", metavar="[NAME]...")]
Stage = Annotated[list[str] | None, typer.Option(help="generation, geneval or rewards; repeatable [default: all]")]


@app.command("list")
def list_weights(
    names: Names = None,
    stage: Stage = None,
    json: Annotated[bool, typer.Option("--json", help="all details, as JSON")] = False,
) -> None:
    """List the weights: whether they are here, how they are pinned, where they are from, their licence."""
    from harness.weights.inventory import inventory

    rows = inventory(names or [], stage or [])
    if json:
        echo(json_module.dumps(rows, indent=2))
        return
    lines = []
    for row in rows:
        place = row["from"] + (f"@{row['revision'][:12]}" if row["revision"] else "")
        size = f"{row['bytes'] / 1e9:.2f} GB" if row["bytes"] else "-"
        pinned, here = row["pinned"] + (", extra" if row["extra"] else ""), "yes" if row["here"] else "no"
        lines.append((row["name"], here, size, pinned, place, row["licence"]))
    show_list(("weights", "here", "size", "pinned", "from", "licence"), lines)
    if code := [f"{row['from']}@{row['revision'][:12]}" for row in rows if row["runs_code"]]:
        show_text("Code from the hub is run from these revisions only: " + ", ".join(code))


@app.command()
@takes_settings
def fetch(
    run: Annotated[RunSettings, only("offline")],
    names: Names = None,
    stage: Stage = None,
    brought: Annotated[
        Path | None, typer.Option("--from", help="take the weight named from this local file", metavar="FILE")
    ] = None,
) -> None:
    """Fetch missing weights, several at a time, and verify all; an interrupted download continues."""
    from harness.weights.fetching import fetch as fetch_weights
    from harness.weights.fetching import is_here, select, take
    from wire.errors import EnvironmentFailure

    entries = select(names or [], stage or [])
    if brought is not None:
        echo(take(entries, brought))
        return
    if run.offline and (missing := [entry.name for entry in entries if not is_here(entry)]):
        raise EnvironmentFailure(f"not here, and --offline: {', '.join(missing)}")
    with Display() as display:
        for line in fetch_weights([] if run.offline else entries, display.step):
            display.note(line)
    echo(f"{len(entries)} weights are here and verified", err=True)


@app.command()
def verify(names: Names = None, stage: Stage = None) -> None:
    """Hash the weights that are here, and set aside files whose hash is wrong; exit 4 if there were any."""
    from harness.weights.inventory import verify_here
    from wire.errors import EnvironmentFailure

    lines, problems = verify_here(names or [], stage or [])
    for line in lines:
        echo(line)
    if problems:
        raise EnvironmentFailure("\n".join(problems))


@app.command()
def bundle(
    out: Annotated[Path, typer.Argument(help="tar file to write")], names: Names = None, stage: Stage = None
) -> None:
    """Write weights that are here into one file, for a machine without a network."""
    from harness.weights.bundle import write
    from harness.weights.fetching import select

    with Display() as display:
        bundled = write(select(names or [], stage or []), out, display.step("bundle"))
    for note in bundled.notes:
        echo(note, err=True)
    size = f"{out.stat().st_size / 1e9:.2f} GB"
    echo(f"{out}: {bundled.files} files, {size}; `miro-eval weights unpack` puts them in place")


@app.command()
def unpack(
    bundle: Annotated[Path, typer.Argument(help="what `weights bundle` wrote")],
    trust: Annotated[
        bool,
        typer.Option("--trust", help="accept code without proof that it is from its pinned commit; it will be run"),
    ] = False,
) -> None:
    """Put a bundle's weights where the stages look for them, each verified."""
    from harness.weights.unbundle import unpack as unpack_bundle

    with Display() as display:
        done = unpack_bundle(bundle, display.step("unpack"), trust)
    for place in done.unproved:
        words = "accepted with --trust, without proof that it is from the pinned commit; its repository's code is run"
        echo(f"{place}: {words}")
    for place in done.on_its_word:
        echo(f"{place}: not pinned")
    if done.on_its_word:
        echo(
            f"{len(done.on_its_word)} files cannot be verified here: compare the bundle's sha256 with its maker's, or "
            "`weights list --json`, after `miro-eval weights verify`, with that of a machine that fetched them"
        )
    echo(f"{bundle}: {len(done.written)} files put in place; the others were here")
