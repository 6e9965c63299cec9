"""``miro-eval rewards``: images and prompts to reward scores."""

from __future__ import annotations

import typer  # noqa: F401 - options.py's annotations are resolved here

from harness.cli import options
from harness.settings import RewardSettings, RunSettings


def rewards(
    directory: options.RunDir,
    metric: options.Metric = [],  # noqa: B006 - typer copies it
    reward_precision: options.RewardPrecision = "reference",
    reward_batch_size: options.RewardBatchSize = 16,
    device: options.Device = "auto",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Score the images in a directory, whoever made them; writes rewards.jsonl and rewards_summary.json there."""
    from harness.cli.session import run

    chosen = RewardSettings(tuple(metric) or RewardSettings.metrics, reward_precision, reward_batch_size)
    settings = RunSettings(out=directory, rewards=chosen, device=device, offline=offline)
    run(["rewards"], settings, tiny_world=tiny_world)
