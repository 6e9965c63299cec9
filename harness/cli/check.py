"""``miro-eval check``: may a checkpoint pass?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import ExitCode, UserError

if TYPE_CHECKING:
    from reports.gate.check import Gate


def check(
    candidate: Annotated[Path | None, typer.Argument(help="run directory, file of rows, or saved baseline")] = None,
    baseline: Annotated[Path | None, typer.Option(help="what it is held against; the same kinds")] = None,
    policy: Annotated[Path | None, typer.Option(help="TOML; see --init [default: what --init writes]")] = None,
    out: Annotated[Path | None, typer.Option(help="also write gate.md, gate.json and gate.xml (JUnit) here")] = None,
    subset: Annotated[bool, typer.Option(help="compare on the candidate's prompts, made with --limit")] = False,
    init: Annotated[Path | None, typer.Option(help="write a commented policy to this file, and end")] = None,
) -> None:
    """Judge a run against a baseline by a policy: exit 0 where it passes, 1 where it fails."""
    if init is not None:
        _write_policy(init)
        return
    if candidate is None or baseline is None:
        raise UserError("name a candidate and a --baseline (or --init FILE for a policy to begin with)")
    from reports.gate.check import check_paths

    gate = check_paths(candidate, baseline, policy, subset=subset)
    _show(gate, out)
    if not gate.passes:
        raise typer.Exit(int(ExitCode.GATE_FAILED))


def _write_policy(path: Path) -> None:
    from reports.files import write_text
    from reports.gate.policy import default_text

    if path.exists():
        raise UserError(f"{path}: there is one already; remove it or name another file")
    typer.echo(f"written: {write_text(path, default_text())}")


def _show(gate: Gate, out: Path | None) -> None:
    """All formats that are asked for; the verdict is the last line on standard output."""
    from rich.console import Console

    from reports.gate.files import write_gate
    from reports.gate.gate_formats import markdown_gate, terminal_gate
    from reports.gate.github import add_to_summary, in_actions, workflow_commands

    if out is not None:
        for path in write_gate(gate, out):
            typer.echo(f"written: {path}", err=True)
    add_to_summary(markdown_gate(gate), os.environ)
    Console().print(terminal_gate(gate))
    if in_actions(os.environ):
        for line in workflow_commands(gate):
            typer.echo(line)
    typer.echo(gate.verdict)
