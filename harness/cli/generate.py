"""``miro-eval generate``: a checkpoint and a suite to images."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from harness.cli import options
from harness.cli.signature import takes_settings, without
from harness.run.settings import GenerationSettings, RunSettings


@takes_settings
def generate(
    generation: GenerationSettings,
    run: Annotated[RunSettings, without("env_backend")],
    checkpoint: options.OptionalCheckpoint = "",
    out: options.Out = None,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Generate images only; judge and score them later, or elsewhere."""
    from harness.cli.session import run as run_stages
    from harness.plan.open import default_directory
    from harness.plan.selection import with_defaults

    model = with_defaults(replace(generation, checkpoint=checkpoint))
    settings = replace(run, out=out or default_directory(model.source), generation=model.settings)
    run_stages(["generate"], settings, tiny_world=tiny_world, model=model)
