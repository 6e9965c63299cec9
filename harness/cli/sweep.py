"""``miro-eval sweep``: one checkpoint over a grid of reward targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.cli.generate import chosen_model
from harness.run.settings import RewardSettings, RunSettings
from harness.terminal.echo import say
from wire.errors import UserError


def sweep(
    checkpoint: options.Checkpoint,
    reward_target: Annotated[
        list[str],
        typer.Option(help="an axis and its values, aesthetic_score=0:1:0.125 or aesthetic_score=0,0.5,1; repeatable"),
    ],
    out: Annotated[
        Path | None, typer.Option(help="folder of the points' runs [default: beside all's, NAME-sweep]")
    ] = None,
    variant: options.Variant = None,
    suite: options.Suite = "geneval",
    samples: options.Samples = 4,
    limit: options.Limit = None,
    steps: options.ModelSteps = None,
    guidance_scale: options.ModelGuidance = None,
    seed: options.Seed = 42,
    batch_size: options.BatchSize = 4,
    precision: options.ModelPrecision = "auto",
    negative_reward_target: options.NegativeRewardTarget = [],  # noqa: B006 - typer copies it
    trust_checkpoint: options.TrustCheckpoint = False,
    metric: options.Metric = [],  # noqa: B006
    device: options.Device = "auto",
    gpus: options.Gpus = "",
    env_backend: options.EnvBackend = "auto",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Run `all` at every point of a grid of reward targets; one leaderboard, one table, one plot.

    Each point has a run directory of its own; models are loaded once for all. The same command again continues.
    """
    from harness.cli.session import run_evaluations
    from harness.plan.evaluations import evaluations
    from harness.plan.open import default_directory
    from harness.plan.selection import axis_values, each_point, point_directories
    from reports.analysis.sweep import write_sweep

    axes = dict(axis_values(pair) for pair in reward_target)
    if len(axes) < len(reward_target):
        raise UserError("--reward-target: an axis is named twice; put its values into one list")
    base = chosen_model(locals() | {"reward_target": []})
    points = each_point(base, axes)
    plain = default_directory(base.source)
    folder = out or plain.with_name(f"{plain.name}-sweep")
    places = point_directories(folder, axes, points)
    common = RunSettings(
        out=folder,
        rewards=RewardSettings(tuple(metric) or RewardSettings.metrics),
        device=device,
        gpus=options.gpu_ids(gpus),
        env_backend=env_backend,
        offline=offline,
    )
    runs = evaluations(points, places, common)
    run_evaluations(runs, tiny_world=tiny_world, report=folder / "report", across=["reward_targets"])
    targets = [{axis: point.settings.reward_targets[axis] for axis in axes} for point in points]
    files = write_sweep(list(zip(targets, places, strict=True)), folder / "report")
    say(f"sweep: {files.csv} and {files.image}")
