"""``miro-eval plan``: what a sweep will cost, before anything runs."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import options
from harness.cli.signature import only, takes_settings
from harness.run.settings import GenerationSettings, RewardSettings
from harness.terminal.echo import echo

Hardware = Annotated[str, typer.Option(help="h200, h100, a100, l40s or rtx4090")]
Tflops = Annotated[float | None, typer.Option(help="rate in TFLOP/s of hardware not in the list", min=0.001)]
Utilisation = Annotated[float, typer.Option(help="share of that rate expected to be reached", min=0.01, max=1)]


@takes_settings
def plan(
    generation: Annotated[GenerationSettings, only("suite", "samples", "limit", "steps")],
    rewards: Annotated[RewardSettings, only("metrics")],
    checkpoint: options.Checkpoints,
    variants: options.Variants = None,
    hardware: Hardware = "h200",
    tflops: Tflops = None,
    utilisation: Utilisation = 0.35,
    gpus: Annotated[int, typer.Option(help="devices that share the work", min=1)] = 1,
) -> None:
    """Images, arithmetic, expected GPU minutes and disk of `all` on these checkpoints, and the stage that binds.

    Nothing is loaded or run. Minutes are arithmetic over the hardware's data-sheet rate times --utilisation; loading
    and files come on top.
    """
    from rich.console import Console

    from harness.cli.plan_table import plan_table, totals
    from harness.plan import cost
    from harness.plan.selection import each_checkpoint

    chosen = each_checkpoint(generation, checkpoint, variants)
    device = cost.Hardware(tflops, tflops) if tflops else cost.find_hardware(hardware)
    costs = [cost.sweep_cost(one, rewards) for one in chosen]
    Console(soft_wrap=True).print(plan_table(costs, device, utilisation))
    for line in totals(costs, device, utilisation, gpus):
        echo(line)
