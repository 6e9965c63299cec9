"""``miro-eval demo``: the main job on a tiny world, for machines without weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.signature import only, takes_settings
from harness.run.settings import GenerationSettings, GenevalSettings, RunSettings
from harness.terminal.display import Display

_PART = GenerationSettings(limit=24, samples=2, steps=2)
_JUDGING = GenevalSettings()
_MACHINE = RunSettings(env_backend="mmcv-lite")


@takes_settings
def demo(
    out: Annotated[Path, typer.Option(help="run directory")] = Path("miro-eval-demo"),
    full: Annotated[bool, typer.Option("--full", help="all prompts of the suite x 4 samples")] = False,
    generation: Annotated[GenerationSettings, only("suite", "samples", "limit", "steps", "seed")] = _PART,
    geneval: Annotated[GenevalSettings, only("detector")] = _JUDGING,
    run: Annotated[RunSettings, only("device", "gpus", "env_backend")] = _MACHINE,
) -> None:
    """Set everything up and run the main job on small random models: all stages are real, the scores mean nothing."""
    from generation.suites import load_suite
    from harness.cli.session import leave, run_stages, show_report
    from harness.plan.evaluations import judged
    from harness.weights.weight_source import make_tiny_world
    from wire.errors import UserError

    if full:
        if (generation.limit, generation.samples) != (_PART.limit, _PART.samples):
            raise UserError("--full is all prompts x 4 samples: omit --limit and --samples")
        generation = replace(generation, limit=None, samples=4)
    stages, rewards, note = judged(load_suite(generation.suite).lines, run.rewards)
    with Display() as display:
        if note:
            display.note(note)
        if run.env_backend == "no-mmcv" and geneval.detector == "mmdet":
            geneval = replace(geneval, detector="transformers")
            display.note("--env-backend no-mmcv has no mmdet: using --detector transformers")
        world = make_tiny_world(run.env_backend, display.step)
        made = replace(generation, checkpoint=str(world.checkpoint))
        outcome = run_stages(
            ["generate", *stages],
            replace(run, out=out, generation=made, geneval=geneval, rewards=rewards),
            world,
            display,
        )
        show_report([out], out / "report", display, known=outcome.hashes)
    leave(outcome)
