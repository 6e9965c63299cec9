"""``miro-eval sweep``: one checkpoint over a grid of reward targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.cli.signature import takes_settings, without
from harness.run.settings import GenerationSettings, GenevalSettings, RewardSettings, RunSettings
from harness.terminal.echo import echo
from wire.errors import UserError

_AXIS = "an axis and its values, aesthetic_score=0:1:0.125 or aesthetic_score=0,0.5,1; repeatable"
RewardTarget = Annotated[list[str], typer.Option(help=_AXIS, rich_help_panel="Sampling")]
Out = Annotated[Path | None, typer.Option(help="folder of the points' runs [default: beside all's, NAME-sweep]")]


@takes_settings
def sweep(
    generation: Annotated[GenerationSettings, without("backend", "generator", "resolution", "reward_targets")],
    geneval: GenevalSettings,
    rewards: RewardSettings,
    run: Annotated[RunSettings, without("executor", "shards", "partition", "gres", "arguments")],
    checkpoint: options.Checkpoint,
    reward_target: RewardTarget,
    out: Out = None,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Run `all` at every point of a grid of reward targets; one leaderboard, one table, one plot.

    Each point has a run directory of its own; models are loaded once for all. The same command again continues.
    """
    from harness.cli.session import run_evaluations
    from harness.environments.manager import environment_backend
    from harness.plan.evaluations import evaluations
    from harness.plan.open import default_directory
    from harness.plan.selection import axis_values, each_point, point_directories, with_defaults
    from reports.analysis.sweep import write_sweep
    from rewards.scorers import CARDS

    axes = dict(axis_values(pair) for pair in reward_target)
    if len(axes) < len(reward_target):
        raise UserError("--reward-target: an axis is named twice; put its values into one list")
    base = with_defaults(replace(generation, checkpoint=checkpoint))
    points = each_point(base, axes)
    plain = default_directory(base.source)
    folder = out or plain.with_name(f"{plain.name}-sweep")
    places = point_directories(folder, axes, points)
    backend = environment_backend(geneval.detector, run.env_backend)
    common = replace(run, out=folder, geneval=geneval, rewards=rewards, env_backend=backend)
    runs = evaluations(points, places, common)
    run_evaluations(runs, tiny_world=tiny_world, report=folder / "report", across=["reward_targets"])
    targets = [{axis: point.settings.reward_targets[axis] for axis in axes} for point in points]
    files = write_sweep(list(zip(targets, places, strict=True)), folder / "report", CARDS)
    echo(f"sweep: {files.csv} and {files.image}")
