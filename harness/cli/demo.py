"""``miro-eval demo``: the main job on a tiny world, for machines without weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options


def demo(
    out: Annotated[Path, typer.Option(help="run directory")] = Path("miro-eval-demo"),
    samples: options.Samples = 1,
    limit: options.Limit = None,
    steps: options.Steps = 2,
    seed: options.Seed = 42,
    device: options.Device = "cpu",
    gpus: options.Gpus = "",
    env_backend: options.EnvBackend = "auto",
) -> None:
    """Set everything up and run the main job on small random models: all stages are real, the scores mean nothing."""
    from harness.cli.session import leave, run_stages, session, show_report
    from harness.run.settings import GenerationSettings, RunSettings
    from harness.weights.weight_source import make_tiny_world

    with session() as display:
        world = make_tiny_world(env_backend, display.step)
        checkpoint = str(world.checkpoint)
        generation = GenerationSettings(checkpoint, samples=samples, limit=limit, steps=steps, seed=seed)
        settings = RunSettings(out, generation, device=device, gpus=options.gpu_ids(gpus), env_backend=env_backend)
        outcome = run_stages(["generate", "geneval", "rewards"], settings, world, display)
        show_report([out], out / "report", display, known=outcome.hashes)
    leave(outcome)
