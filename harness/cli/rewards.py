"""``miro-eval rewards``: images and prompts to reward scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.run.settings import RewardSettings, RunSettings
from harness.terminal.echo import say
from wire.errors import UserError

Directory = Annotated[
    Path | None, typer.Argument(help="directory of images: 00000/metadata.jsonl, 00000/samples/0000.png, ...")
]
Scorer = Annotated[
    list[str],
    typer.Option(
        help="a scorer of your own, module:Class, file.py:Class or an installed package's name for it; repeatable; "
        "without --metric alone"
    ),
]
Rescore = Annotated[
    list[str], typer.Option(help="metric id to compute again although it is there; repeatable; without --metric alone")
]
Cards = Annotated[bool, typer.Option("--list", help="print what each metric is (of --metric and --scorer, else all)")]


def rewards(
    directory: Directory = None,
    metric: options.Metric = [],  # noqa: B006 - typer copies it
    scorer: Scorer = [],  # noqa: B006
    rescore: Rescore = [],  # noqa: B006
    cards: Cards = False,
    reward_precision: options.RewardPrecision = "reference",
    reward_batch_size: options.RewardBatchSize = 16,
    device: options.Device = "auto",
    gpus: options.Gpus = "",
    executor: options.Executor = "local",
    shards: options.Shards = None,
    partition: options.Partition = None,
    gres: options.Gres = None,
    slurm_arg: options.SlurmArg = [],  # noqa: B006
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Score the images in a directory, whoever made them; writes rewards.jsonl and rewards_summary.json there."""
    from harness.cli.session import run

    if cards:
        say(_cards(metric, scorer))
        return
    if directory is None:
        raise UserError("name a directory of images, or --list to see what the metrics are")
    chosen = RewardSettings(
        _metrics(metric, scorer, rescore), reward_precision, reward_batch_size, tuple(scorer), tuple(rescore)
    )
    settings = RunSettings(
        out=directory,
        rewards=chosen,
        device=device,
        gpus=options.gpu_ids(gpus),
        offline=offline,
        executor=executor,
        shards=shards,
        slurm=options.slurm_settings(partition, gres, slurm_arg),
    )
    run(["rewards"], settings, tiny_world=tiny_world)


def _metrics(metrics: list[str], scorers: list[str], rescored: list[str]) -> tuple[str, ...]:
    """Our metrics that are asked for: those named, else those rescored, else all seven unless there are own scorers."""
    from rewards.scorers import SCORERS

    named = metrics or [metric for metric in rescored if metric in SCORERS or not scorers]
    return tuple(named) or (() if scorers else RewardSettings.metrics)


def _cards(metrics: list[str], scorers: list[str]) -> str:
    """Spec cards as text, with a blank line between two."""
    from harness.stages.rewards import own_scorers
    from rewards.own_scorer import load_scorers, with_own
    from rewards.scorers import SCORERS

    everything = [] if metrics or scorers else list(SCORERS)
    own, chosen = own_scorers(RewardSettings(tuple(metrics or everything), scorers=tuple(scorers)))
    registry = with_own(load_scorers(own))
    return "\n\n".join(registry[metric].card.describe(_fast_measured(metric)) for metric in chosen)


def _fast_measured(metric: str) -> str | None:
    """What ``calibrate --update`` has stored at both precisions: of the published weights, else of the tiny world's."""
    from harness.cli.calibrate import default_golden
    from rewards.calibration.golden import Golden

    for tiny_world, where in ((False, ""), (True, " (the tiny world's random weights; see calibrate for real ones)")):
        if found := Golden.read(default_golden(tiny_world)).precision_difference(metric):
            return found + where
    return None
