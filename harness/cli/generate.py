"""``miro-eval generate``: a checkpoint and a suite to images."""

from __future__ import annotations

from typing import Any

import typer  # noqa: F401 - options.py's annotations are resolved here

from harness.cli import options
from harness.settings import GenerationSettings, RunSettings


def generate(
    checkpoint: options.Checkpoint,
    out: options.Out = None,
    variant: options.Variant = None,
    suite: options.Suite = "geneval",
    samples: options.Samples = 4,
    limit: options.Limit = None,
    steps: options.Steps = 50,
    guidance_scale: options.GuidanceScale = 7.0,
    seed: options.Seed = 42,
    batch_size: options.BatchSize = 4,
    precision: options.Precision = "auto",
    reward_target: options.RewardTarget = [],  # noqa: B006 - typer copies it
    negative_reward_target: options.NegativeRewardTarget = [],  # noqa: B006
    trust_checkpoint: options.TrustCheckpoint = False,
    device: options.Device = "auto",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Generate images only; judge and score them later, or elsewhere."""
    from harness.cli.session import run
    from harness.runs import default_directory

    generation = generation_settings(locals())
    where = out or default_directory(generation)
    settings = RunSettings(out=where, generation=generation, device=device, offline=offline)
    run(["generate"], settings, tiny_world=tiny_world)


def generation_settings(values: dict[str, Any]) -> GenerationSettings:
    """The generation part of a verb's options, by name.

    Raises:
        UserError: a reward target is not of the form axis=number.
    """
    names = GenerationSettings.__dataclass_fields__.keys() - {"reward_targets", "negative_reward_targets"}
    return GenerationSettings(
        **{name: values[name] for name in names},
        reward_targets=options.key_values(values["reward_target"], "--reward-target"),
        negative_reward_targets=options.key_values(values["negative_reward_target"], "--negative-reward-target"),
    )
