"""``miro-eval doctor``: what is in the way of a run on this host, and how to fix it."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.terminal.echo import echo


def doctor(
    out: Annotated[Path | None, typer.Option(help="where a run would write [default: the current directory]")] = None,
    json: Annotated[bool, typer.Option("--json", help="findings as JSON")] = False,
) -> None:
    """Check tools, GPU, disk, environments, weights and the hub; exit 4 if a run cannot work. Changes nothing."""
    from harness.doctor import FAILURE, examine
    from wire.errors import ExitCode

    findings = []
    for finding in examine(out):
        findings.append(finding)
        if not json:
            hint = f"\n         -> {finding.hint}" if finding.hint else ""
            echo(f"{finding.status:8} {finding.subject}: {finding.text}{hint}")
    if json:
        echo(json_module.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.status == FAILURE for finding in findings):
        raise typer.Exit(int(ExitCode.ENVIRONMENT_FAILURE))
