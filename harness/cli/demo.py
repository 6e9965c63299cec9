"""``miro-eval demo``: the main job on a tiny world, for machines without weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.signature import only, takes_settings
from harness.run.settings import GenerationSettings, RunSettings
from harness.terminal.display import Display

_SWEEP = GenerationSettings(samples=1, steps=2)
_MACHINE = RunSettings(device="cpu")


@takes_settings
def demo(
    out: Annotated[Path, typer.Option(help="run directory")] = Path("miro-eval-demo"),
    generation: Annotated[GenerationSettings, only("samples", "limit", "steps", "seed")] = _SWEEP,
    run: Annotated[RunSettings, only("device", "gpus", "env_backend")] = _MACHINE,
) -> None:
    """Set everything up and run the main job on small random models: all stages are real, the scores mean nothing."""
    from harness.cli.session import leave, run_stages, show_report
    from harness.weights.weight_source import make_tiny_world

    with Display() as display:
        world = make_tiny_world(run.env_backend, display.step)
        settings = replace(run, out=out, generation=replace(generation, checkpoint=str(world.checkpoint)))
        outcome = run_stages(["generate", "geneval", "rewards"], settings, world, display)
        show_report([out], out / "report", display, known=outcome.hashes)
    leave(outcome)
