"""``miro-eval all``: the main job, from a checkpoint to a leaderboard."""

from __future__ import annotations

import typer

from harness.cli import options
from harness.cli.generate import generation_settings
from harness.errors import UserError
from harness.settings import RewardSettings, RunSettings


def all_stages(
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
    metric: options.Metric = [],  # noqa: B006
    device: options.Device = "auto",
    gpus: options.Gpus = "",
    env_backend: options.EnvBackend = "auto",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Generate the sweep, judge it, score it, report. The same command again continues or finds nothing to do.

    A folder of images made already is judged and scored where it is.
    """
    from harness.cli.session import run
    from harness.runs import default_directory, describe_images

    generation = generation_settings(locals())
    images = describe_images(generation)
    if images and out:
        raise UserError("images made already are judged where they are: leave --out away")
    for line in images:
        typer.echo(line, err=True)
    settings = RunSettings(
        out=out or default_directory(generation),
        generation=None if images else generation,
        rewards=RewardSettings(metrics=tuple(metric) or RewardSettings.metrics),
        device=device,
        gpus=options.gpu_ids(gpus),
        env_backend=env_backend,
        offline=offline,
    )
    stages = ["geneval", "rewards"] if images else ["generate", "geneval", "rewards"]
    run(stages, settings, tiny_world=tiny_world, report=True)
