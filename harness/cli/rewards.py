"""``miro-eval rewards``: images and prompts to reward scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.errors import UserError
from harness.settings import RewardSettings, RunSettings

Directory = Annotated[
    Path | None, typer.Argument(help="directory of images: 00000/metadata.jsonl, 00000/samples/0000.png, ...")
]
Scorer = Annotated[
    list[str],
    typer.Option(help="a scorer of your own, module:Class or file.py:Class; repeatable; without --metric alone"),
]
Cards = Annotated[bool, typer.Option("--list", help="print what each metric is (of --metric and --scorer, else all)")]


def rewards(
    directory: Directory = None,
    metric: options.Metric = [],  # noqa: B006 - typer copies it
    scorer: Scorer = [],  # noqa: B006
    cards: Cards = False,
    reward_precision: options.RewardPrecision = "reference",
    reward_batch_size: options.RewardBatchSize = 16,
    device: options.Device = "auto",
    gpus: options.Gpus = "",
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Score the images in a directory, whoever made them; writes rewards.jsonl and rewards_summary.json there."""
    from harness.cli.session import run

    if cards:
        typer.echo(_cards(metric, scorer))
        return
    if directory is None:
        raise UserError("name a directory of images, or --list to see what the metrics are")
    metrics = tuple(metric) or (() if scorer else RewardSettings.metrics)
    chosen = RewardSettings(metrics, reward_precision, reward_batch_size, tuple(scorer))
    settings = RunSettings(out=directory, rewards=chosen, device=device, gpus=options.gpu_ids(gpus), offline=offline)
    run(["rewards"], settings, tiny_world=tiny_world)


def _cards(metrics: list[str], scorers: list[str]) -> str:
    """Spec cards as text, with a blank line between two."""
    from harness.stages.rewards import own_scorers
    from rewards.own_scorer import load_scorers, with_own
    from rewards.scorers import SCORERS

    everything = [] if metrics or scorers else list(SCORERS)
    own, chosen = own_scorers(RewardSettings(tuple(metrics or everything), scorers=tuple(scorers)))
    registry = with_own(load_scorers(own))
    return "\n\n".join(registry[metric].card.describe() for metric in chosen)
