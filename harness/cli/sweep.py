"""``miro-eval sweep``: checkpoints over a grid of their protocol."""

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

_AXIS = (
    "an axis: guidance_scale=0:30:2, steps=10,25,50, negative.aesthetic_score=0:1:0.25; tied fields: "
    "negative.clip_score=t,negative.vqa_score=1-t,t=0:1:0.25; repeatable"
)
_TARGET = "the same for a reward target, aesthetic_score=0:1:0.125 or aesthetic_score=0,0.5,1; repeatable"
Sweep = Annotated[list[str] | None, typer.Option(help=_AXIS, rich_help_panel="Sampling", metavar="AXIS")]
RewardTarget = Annotated[list[str] | None, typer.Option(help=_TARGET, rich_help_panel="Sampling", metavar="AXIS")]
Out = Annotated[
    Path | None, typer.Option(help="folder for the runs [default: NAME-sweep, beside the usual run directory]")
]


@takes_settings
def sweep(
    generation: Annotated[GenerationSettings, without("generator", "reward_targets")],
    geneval: GenevalSettings,
    rewards: RewardSettings,
    run: Annotated[RunSettings, without("executor", "shards", "partition", "gres", "arguments")],
    checkpoint: options.Checkpoints,
    sweep: Sweep = None,
    reward_target: RewardTarget = None,
    out: Out = None,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Run `all` at every point of a grid of settings; one leaderboard, one table, one plot per axis.

    Each point has a run directory of its own; models are loaded once for all. Several checkpoints go over the same
    grid, into a folder each. Run the same command again to resume.
    """
    from harness.cli.session import run_evaluations
    from harness.environments.manager import environment_backend
    from harness.plan.evaluations import evaluations
    from harness.plan.grid import TARGET_FLAG, grid, protocol_fields, read_axis
    from harness.plan.selection import each_checkpoint, grid_directories
    from reports.analysis.sweep import SweepPoint, write_sweep
    from rewards.scorers import CARDS

    axes = [read_axis(text) for text in sweep or []]
    axes += [read_axis(text, TARGET_FLAG) for text in reward_target or []]
    if not axes:
        raise UserError("name at least one axis, e.g. --sweep guidance_scale=0:30:2")
    models = each_checkpoint(generation, checkpoint)
    for fault in (model.fault for model in models if model.fault):
        raise fault
    folder, names = grid_directories(models, out)
    points = [(name, point) for name, model in zip(names, models, strict=True) for point in grid(model, axes)]
    places = [folder / name / point.name for name, point in points]
    backend = environment_backend(geneval.detector, run.env_backend)
    common = replace(run, out=folder, geneval=geneval, rewards=rewards, env_backend=backend)
    runs = evaluations([point.model for _, point in points], places, common)
    run_evaluations(runs, tiny_world=tiny_world, report=folder / "report", across=protocol_fields(axes))
    drawn = [
        SweepPoint(point.values, point.places, place, name) for (name, point), place in zip(points, places, strict=True)
    ]
    files = write_sweep(drawn, folder / "report", CARDS)
    echo(f"sweep: {files.csv}, {', '.join(map(str, files.images))}")
