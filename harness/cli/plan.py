"""``miro-eval plan``: what a sweep will cost, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options
from harness.cli.signature import only, takes_settings
from harness.run.settings import GenerationSettings, RewardSettings
from harness.terminal.echo import echo

if TYPE_CHECKING:
    from rich.table import Table

    from harness.plan.cost import Cost, Hardware

Utilisation = Annotated[float, typer.Option(help="share of that rate expected to be reached", min=0.01, max=1)]


@takes_settings
def plan(
    generation: Annotated[GenerationSettings, only("suite", "samples", "limit", "steps")],
    rewards: Annotated[RewardSettings, only("metrics")],
    checkpoint: options.Checkpoints,
    variants: options.Variants = None,
    hardware: Annotated[str, typer.Option(help="h200, h100, a100, l40s or rtx4090")] = "h200",
    tflops: Annotated[float | None, typer.Option(help="rate in TFLOP/s of hardware not in the list", min=0.001)] = None,
    utilisation: Utilisation = 0.35,
    gpus: Annotated[int, typer.Option(help="devices that share the work", min=1)] = 1,
) -> None:
    """Estimate what `all` costs on these checkpoints: images, FLOPs, GPU minutes, disk, and the slowest stage.

    Nothing is loaded or run. Minutes are FLOPs divided by the hardware's rate (of its data sheet) times
    --utilisation; loading models and writing files are not counted.
    """
    from rich.console import Console

    from harness.plan import cost
    from harness.plan.selection import each_checkpoint

    chosen = each_checkpoint(generation, checkpoint, variants)
    device = cost.Hardware(tflops, tflops) if tflops else cost.find_hardware(hardware)
    costs = [cost.sweep_cost(one, rewards) for one in chosen]
    minutes = {stage: sum(one.seconds(stage, device, utilisation) for one in costs) / 60 for stage in costs[0].stages}
    Console(soft_wrap=True).print(_table(costs, device, utilisation, minutes))
    whole, binding = sum(minutes.values()), max(minutes, key=minutes.__getitem__)
    shared = f"; {whole / gpus:,.1f} on {gpus} devices side by side" if gpus > 1 else ""
    images, rows = sum(one.image_bytes for one in costs), sum(one.row_bytes for one in costs)
    echo(f"checkpoints: {len(costs)}, prompts: {costs[0].prompts}, images: {sum(one.images for one in costs):,}")
    echo(f"GPU minutes: {whole:,.1f} at {utilisation:.0%} of the data sheet's rate{shared}")
    echo(f"bottleneck: {binding}, {minutes[binding] / whole:.0%} of the time")
    echo(f"disk: at most {images / 1e9:.2f} GB of images and {rows / 1e9:.2f} GB of rows")
    for note in costs[0].notes:
        echo(f"assumed: {note}")


def _table(costs: Sequence[Cost], hardware: Hardware, utilisation: float, minutes: dict[str, float]) -> Table:
    """A line for each model, summed over the checkpoints, and one for each stage."""
    from rich.table import Table

    table = Table("stage", "model", "computes in", "TFLOP", "GPU minutes", box=None)
    for column in table.columns[3:]:
        column.justify = "right"
    for stage in costs[0].stages:
        for part in (part for part in costs[0].parts if part.stage == stage):
            flops = sum(one.flops for cost in costs for one in cost.parts if one.name == part.name)
            own = flops / hardware.rate(part.number_format) / utilisation / 60
            table.add_row(stage, part.name, part.number_format, f"{flops / 1e12:,.0f}", f"{own:,.2f}")
        flops = sum(cost.flops(stage) for cost in costs)
        table.add_row(stage, "all", "", f"{flops / 1e12:,.0f}", f"{minutes[stage]:,.2f}")
        table.add_section()
    return table
