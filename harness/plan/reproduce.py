"""Run what ``paper reproduce`` prints: suites first, then what the rest will cost, then every command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable

from generation.suites import suites_folder
from generation.suites.catalogue import find_published
from generation.suites.fetched import is_fetched
from harness.plan.cost import HARDWARE, Cost, sweep_cost
from harness.plan.selection import each_checkpoint
from harness.run.settings import GenerationSettings, RewardSettings
from reports.paper.commands import Command, Made, Reproduction, commands, missing
from wire.errors import ExitCode, MiroEvalError

#: What the cost is estimated for, as ``plan`` does by default.
DEVICE, UTILISATION = "h200", 0.35

Tell = Callable[[str], object]


def execute(wanted: Reproduction, tell: Tell) -> int:
    """Run all commands, one after the other; what is finished is not made again.

    Returns:
        The exit code: that of the first command that failed, after which none is run; else whether a command left items
        unscored, which stops nothing.

    Raises:
        UserError: no such result or model.
    """
    found = commands(wanted)
    for line in missing(wanted):
        tell(f"# {line}")
    suites = [one for one in found if one.suite and not is_fetched(find_published(one.suite), suites_folder())]
    others = [one for one in found if not one.suite]
    if failed := _run_all(suites, tell):
        return failed
    for line in costs(others, wanted):
        tell(f"# {line}")
    return _run_all(others, tell)


def _run_all(found: Iterable[Command], tell: Tell) -> int:
    worst = int(ExitCode.DONE)
    for command in found:
        tell(command.line)
        code = _run(command)
        if code not in (ExitCode.DONE, ExitCode.UNSCORED):
            return code
        worst = max(worst, code)
    return worst


def _run(command: Command) -> int:
    program = [sys.executable, "-c", "from miro_eval import main; main()", *command.words]
    code = subprocess.run(program, check=False).returncode
    known = code in set(ExitCode) - {ExitCode.GATE_FAILED}
    return code if known else int(ExitCode.BUG)  # of another's signal, say


def costs(found: Iterable[Command], wanted: Reproduction) -> list[str]:
    """What the commands will make in all: images, disk, and GPU hours where the models' arithmetic is known."""
    runs = images = 0
    size = hours = 0.0
    uncounted = dict[str, None]()
    for made in (command.made for command in found if command.made):
        for checkpoint in made.checkpoints:
            count, one = _cost(checkpoint, made, wanted)
            runs += count
            if one is None:
                uncounted[checkpoint] = None
                continue
            images += count * one.images
            size += count * (one.image_bytes + one.row_bytes)
            hours += count * sum(one.seconds(stage, HARDWARE[DEVICE], UTILISATION) for stage in one.stages) / 3600
            if not one.flops("generate"):
                uncounted[checkpoint] = None
    lines = [f"{runs:,} runs, {images:,} images, at most {size / 1e9:,.1f} GB"]
    if not wanted.tiny_world:
        lines.append(f"GPU hours: {hours:,.1f} on {DEVICE.upper()}, at {UTILISATION:.0%} of its data sheet's rate")
    if uncounted:
        lines.append(f"not counted: making the images of {', '.join(uncounted)}")
    return lines


def _cost(checkpoint: str, made: Made, wanted: Reproduction) -> tuple[int, Cost | None]:
    """How many runs, and what one costs; None where a checkpoint cannot be looked at here, which its command tells."""
    base = GenerationSettings(
        suite=made.suite,
        samples=made.samples,
        limit=wanted.limit,
        backend=made.backend,
        steps=None,
        guidance_scale=None,
    )
    try:
        models = each_checkpoint(base, [checkpoint])
        rewards = RewardSettings(metrics=made.metrics) if made.metrics else RewardSettings()
        return made.points * len(models), sweep_cost(models[0], rewards)
    except MiroEvalError:
        return made.points, None
