"""``miro-eval generate``: a checkpoint and a suite to images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import typer  # noqa: F401 - options.py's annotations are resolved here

from harness.cli import options
from harness.settings import GenerationSettings, RunSettings


def generate(
    checkpoint: options.OptionalCheckpoint = "",
    out: options.Out = None,
    backend: options.Backend = "auto",
    generator: options.Generator = None,
    variant: options.Variant = None,
    suite: options.Suite = "geneval",
    samples: options.Samples = 4,
    limit: options.Limit = None,
    steps: options.ModelSteps = None,
    guidance_scale: options.ModelGuidance = None,
    resolution: options.Resolution = None,
    seed: options.Seed = 42,
    noise: options.Noise = "image",
    batch_size: options.BatchSize = 4,
    precision: options.ModelPrecision = "auto",
    reward_target: options.RewardTarget = [],  # noqa: B006 - typer copies it
    negative_reward_target: options.NegativeRewardTarget = [],  # noqa: B006
    trust_checkpoint: options.TrustCheckpoint = False,
    device: options.Device = "auto",
    gpus: options.Gpus = "",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Generate images only; judge and score them later, or elsewhere."""
    from harness.cli.session import run
    from harness.runs import default_directory

    generation = generation_settings(locals())
    where = out or default_directory(generation)
    settings = RunSettings(out=where, generation=generation, device=device, gpus=options.gpu_ids(gpus), offline=offline)
    run(["generate"], settings, tiny_world=tiny_world)


def generation_settings(values: dict[str, Any]) -> GenerationSettings:
    """The generation part of a verb's options, by name.

    Raises:
        UserError: a reward target is not of the form axis=number, or the checkpoint is not there.
    """
    names = GenerationSettings.__dataclass_fields__.keys() - {"reward_targets", "negative_reward_targets"}
    return _with_defaults(
        GenerationSettings(
            **{name: values[name] for name in names},
            reward_targets=options.key_values(values["reward_target"], "--reward-target"),
            negative_reward_targets=options.key_values(values["negative_reward_target"], "--negative-reward-target"),
        )
    )


def _with_defaults(settings: GenerationSettings) -> GenerationSettings:
    """MIRO's steps and guidance are upstream's; a diffusers pipeline has defaults of its own."""
    from generation.checkpoint_kinds import FOLDER, LIGHTNING, REPO
    from harness.runs import describe

    if describe(settings).kind not in (LIGHTNING, FOLDER, REPO):
        return settings
    steps, guidance = settings.steps, settings.guidance_scale
    return replace(
        settings,
        steps=GenerationSettings.steps if steps is None else steps,
        guidance_scale=GenerationSettings.guidance_scale if guidance is None else guidance,
    )
