"""``miro-eval suites``: list prompt suites, fetch published ones, print where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.terminal.echo import echo, show_list

app = typer.Typer(help="Prompt suites.", no_args_is_help=True, rich_markup_mode=None)

Names = Annotated[list[str], typer.Argument(help="as `suites list` shows them", metavar="NAME...")]
Brought = Annotated[
    list[Path], typer.Option("--from", help="a local copy of the suite's file; repeat for each of its files")
]


@app.command("list")
def list_suites() -> None:
    """List the suites: prompts, judge, and whether they are here."""
    from generation.suites import PUBLISHED, SUITES, suites_folder
    from generation.suites.fetched import is_fetched

    nobody, rows = "none (rewards only)", []
    own, figure = "GenEval, built from its rules", "two prompts of Figure 7 of the MIRO paper"
    for suite in SUITES.values():
        judge, what = ("geneval", own) if suite.has_geneval else (nobody, figure)
        rows.append((suite.id, f"{len(suite.lines):,}", judge, "built in", suite.sha256[:12], what))
    for published in PUBLISHED.values():
        fetched = "yes" if is_fetched(published, suites_folder()) else "no"
        digest = "published" if all(file.pinned for file in published.files) else "first download"
        judge, count = published.judge or nobody, f"{published.prompts:,}"
        rows.append((published.id, count, judge, fetched, digest, published.title))
    show_list(("suite", "prompts", "judge", "fetched", "hash", ""), rows)


@app.command()
def fetch(names: Names, brought: Brought = []) -> None:  # noqa: B006 - typer copies it
    """Download suites from their official sources, and verify their hashes."""
    from generation.suites import suites_folder
    from generation.suites.catalogue import find_published
    from generation.suites.fetched import fetch as fetch_suite
    from wire.errors import UserError

    if brought and len(names) > 1:
        raise UserError("--from takes the files of one suite: name only that one")
    for suite in [find_published(name) for name in names]:
        made = fetch_suite(suite, suites_folder(), lambda line: echo(line, err=True), brought)
        asked = f", {made.questions} questions" if made.questions else ""
        echo(f"{suite.id}: {len(made.lines)} prompts{asked}, sha256 {made.sha256}, in {suites_folder() / suite.id}")


@app.command()
def path(name: Annotated[str, typer.Argument(help="a suite's name", metavar="NAME")]) -> None:
    """Print the folder of a fetched suite; exit 2 if it is not here."""
    from generation.suites import suites_folder
    from generation.suites.catalogue import find_published
    from generation.suites.fetched import read_fetched

    suite = find_published(name)
    read_fetched(suite, suites_folder())
    echo(str(suites_folder() / suite.id))
