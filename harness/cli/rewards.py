"""``miro-eval rewards``: images and prompts to reward scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from harness.cli import options
from harness.cli.signature import takes_settings, without
from harness.run.settings import RewardSettings, RunSettings
from harness.terminal.echo import show_text
from wire.errors import UserError

Cards = Annotated[bool, typer.Option("--list", help="print what each metric is (of --metric and --scorer, else all)")]


@takes_settings
def rewards(
    chosen: RewardSettings,
    run: Annotated[RunSettings, without("env_backend")],
    directory: options.RunDirectory = None,
    cards: Cards = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Score the images in a directory with reward models; writes rewards.jsonl and rewards_summary.json there."""
    from harness.cli.session import run as run_stages

    if cards:
        show_text(_cards(chosen))
        return
    if directory is None:
        raise UserError("name a directory of images, or --list to see what the metrics are")
    run_stages(["rewards"], replace(run, out=directory, rewards=chosen), tiny_world=tiny_world)


def _cards(asked: RewardSettings) -> str:
    """Spec cards as text, with a blank line between two; all there are where no metric is named."""
    from harness.stages.rewards import own_scorers
    from rewards.own_scorer import registry
    from rewards.scorers import SCORERS

    own, chosen = own_scorers(asked if asked.named else replace(asked, metrics=tuple(SCORERS)))
    known = registry(own)
    return "\n\n".join(known[metric].card.describe(_fast_measured(metric)) for metric in chosen)


def _fast_measured(metric: str) -> str | None:
    """What ``calibrate --update`` has stored at both precisions: of the published weights, else of the tiny world's."""
    from harness.cli.calibrate import default_golden
    from rewards.calibration.golden import Golden

    for tiny_world, where in ((False, ""), (True, " (the tiny world's random weights; see calibrate for real ones)")):
        if found := Golden.read(default_golden(tiny_world)).precision_difference(metric):
            return found + where
    return None
