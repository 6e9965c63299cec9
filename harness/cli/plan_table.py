"""What ``miro-eval plan`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from harness.plan.cost import Cost, Hardware


def plan_table(costs: Sequence[Cost], hardware: Hardware, utilisation: float) -> Table:
    """A line for each model, summed over the checkpoints, and one for each stage."""
    table = Table("stage", "model", "computes in", "TFLOP", "GPU minutes", box=None)
    for column in table.columns[3:]:
        column.justify = "right"
    for stage in costs[0].stages:
        for part in (part for part in costs[0].parts if part.stage == stage):
            flops = sum(one.flops for cost in costs for one in cost.parts if one.name == part.name)
            minutes = flops / hardware.rate(part.number_format) / utilisation / 60
            table.add_row(stage, part.name, part.number_format, f"{flops / 1e12:,.0f}", f"{minutes:,.2f}")
        flops = sum(cost.flops(stage) for cost in costs)
        table.add_row(stage, "all", "", f"{flops / 1e12:,.0f}", f"{_minutes(costs, stage, hardware, utilisation):,.2f}")
        table.add_section()
    return table


def totals(costs: Sequence[Cost], hardware: Hardware, utilisation: float, gpus: int) -> Iterator[str]:
    """Images, time, disk and what binds, a line each."""
    minutes = {stage: _minutes(costs, stage, hardware, utilisation) for stage in costs[0].stages}
    whole = sum(minutes.values())
    binding = max(minutes, key=minutes.__getitem__)
    shared = f"; {whole / gpus:,.1f} on {gpus} devices side by side" if gpus > 1 else ""
    images, rows = sum(cost.image_bytes for cost in costs), sum(cost.row_bytes for cost in costs)
    yield f"checkpoints: {len(costs)}, prompts: {costs[0].prompts}, images: {sum(cost.images for cost in costs):,}"
    yield f"GPU minutes: {whole:,.1f} at {utilisation:.0%} of the data sheet's rate{shared}"
    yield f"binds: {binding}, {minutes[binding] / whole:.0%} of the time"
    yield f"disk: at most {images / 1e9:.2f} GB of images and {rows / 1e9:.2f} GB of rows"
    for note in costs[0].notes:
        yield f"assumed: {note}"


def _minutes(costs: Sequence[Cost], stage: str, hardware: Hardware, utilisation: float) -> float:
    return sum(cost.seconds(stage, hardware, utilisation) for cost in costs) / 60
