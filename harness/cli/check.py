"""``miro-eval check``: may a checkpoint pass?"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options
from harness.cli.signature import only, takes_settings
from harness.run.settings import GenerationSettings, RunSettings
from harness.terminal.echo import echo, in_actions, say_as_is, show
from wire.errors import ExitCode, UserError

if TYPE_CHECKING:
    from reports.gallery import Copied
    from reports.gate.check import Gate
    from reports.read.selection import Selection


@takes_settings
def check(
    sweep: Annotated[GenerationSettings, only("variant", "suite", "trust_checkpoint")],
    run: Annotated[RunSettings, only("device", "gpus", "env_backend", "offline")],
    candidate: Annotated[Path | None, typer.Argument(help="run directory, file of rows, or saved baseline")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="what to compare it with: a run, a file of rows, or a saved baseline")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="a TOML file; see --init [default: what --init writes]")] = None,
    out: Annotated[
        Path | None, typer.Option(help="also write gate.md, gate.json and gate.xml (JUnit) into this folder")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="write a gallery into this folder, changed verdicts first")
    ] = None,
    copy: options.Copy = False,
    full_size: options.FullSize = False,
    subset: Annotated[
        bool, typer.Option(help="compare only the prompts that the candidate has, if made with --limit")
    ] = False,
    looks: Annotated[
        str,
        typer.Option(
            help="numbers of prompts, 100,200,553: test after each, stop once certain [default: the policy's]"
        ),
    ] = "",
    init: Annotated[Path | None, typer.Option(help="write a commented policy to this file, and exit")] = None,
    checkpoint: Annotated[
        str,
        typer.Option(
            help="make the candidate from this checkpoint with the baseline's settings, as far as --looks needs"
        ),
    ] = "",
    name: options.Names = None,
    best_of: options.BestOf = None,
    by: options.By = None,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Compare a run with a baseline by a policy: exit 0 if it passes, 1 if it fails."""
    from harness.cli.growing import growing_run
    from harness.plan.gate import gate_of, growing_gate
    from reports.read.selection import one_selection

    if init is not None:
        return _write_policy(init)
    if candidate is None or baseline is None:
        raise UserError("name a candidate and a --baseline, or write a first policy with --init FILE")
    numbers, names = _numbers(looks), (name or [])[::-1]  # on the command line the candidate comes first
    chosen = one_selection(best_of, by or [])
    _refuse(chosen, {"--checkpoint": checkpoint, "--gallery": gallery})
    if (copy or full_size) and gallery is None:
        raise UserError("--copy and --full-size say how the gallery is written: add --gallery")
    if checkpoint and subset:
        raise UserError("--subset and --checkpoint cannot be combined: omit one")
    if checkpoint:
        made, model = replace(run, out=candidate), replace(sweep, checkpoint=checkpoint)
        growing = partial(growing_run, made, model, tiny_world=tiny_world)
        gate = growing_gate(baseline, policy, numbers, growing, names)
    else:
        gate = gate_of(candidate, baseline, policy, subset=subset, looks=numbers, names=names, selection=chosen)
    if gallery is not None:
        gate = _with_gallery(gate, baseline, candidate, gallery, options.copied(copy, full_size))
    _show(gate, out)
    if not gate.passes:
        raise typer.Exit(int(ExitCode.GATE_FAILED))
    return None


def _write_policy(path: Path) -> None:
    from reports.files import write_text
    from reports.gate.policy import default_text

    if path.exists():
        raise UserError(f"{path}: there is one already; remove it or name another file")
    echo(f"written: {write_text(path, default_text())}")


def _with_gallery(gate: Gate, baseline: Path, candidate: Path, folder: Path, copied: Copied | None) -> Gate:
    from reports.gate.baseline import write_flips
    from rewards.scorers import CARDS

    shown = (gate.comparison.first, gate.comparison.second)
    return replace(gate, flips=write_flips(baseline, candidate, folder, CARDS, shown, copied))


def _refuse(chosen: Selection | None, given: dict[str, object]) -> None:
    """Of what makes or shows single images nothing goes with a selection, which has expectations."""
    if chosen and (beside := [option for option, value in given.items() if value]):
        raise UserError(f"--best-of judges finished runs, by expectations: omit {' and '.join(beside)}")


def _numbers(text: str) -> tuple[int, ...]:
    """Parse ``--looks``."""
    from reports.gate.policy import are_looks

    parts = [part.strip() for part in text.split(",")] if text else []
    numbers = [int(part) for part in parts if part.isdecimal() and len(part) < 10]
    if len(numbers) < len(parts) or not are_looks(numbers):
        raise UserError(f"--looks {text!r}: expected ascending numbers of prompts, e.g. 100,200,553")
    return tuple(numbers)


def _show(gate: Gate, out: Path | None) -> None:
    """All formats that are asked for; the verdict is the last line on standard output."""
    from reports.gate.gate_formats import tell_actions, terminal_gate, workflow_commands, write_gate

    if out is not None:
        for path in write_gate(gate, out):
            echo(f"written: {path}", err=True)
    tell_actions(gate, os.environ)
    show(terminal_gate(gate))
    if in_actions():
        for line in workflow_commands(gate):
            say_as_is(line)
    echo(gate.verdict)
