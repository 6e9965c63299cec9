"""``miro-eval all``: the main job, from a checkpoint to a leaderboard."""

from __future__ import annotations

import typer  # noqa: F401 - options.py's annotations are resolved here

from harness.cli import options
from harness.cli.generate import generation_settings
from harness.settings import RewardSettings, RunSettings


def all_stages(
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
    metric: options.Metric = [],  # noqa: B006
    device: options.Device = "auto",
    env_backend: options.EnvBackend = "auto",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Generate the sweep, judge it, score it, report. The same command again continues or finds nothing to do."""
    from harness.cli.session import run
    from harness.runs import default_directory

    generation = generation_settings(locals())
    settings = RunSettings(
        out=out or default_directory(generation),
        generation=generation,
        rewards=RewardSettings(metrics=tuple(metric) or RewardSettings.metrics),
        device=device,
        env_backend=env_backend,
        offline=offline,
    )
    run(["generate", "geneval", "rewards"], settings, tiny_world=tiny_world, report=True)
