"""A comparison of two runs for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.compare.comparison import ComparedMetric, Comparison
from reports.leaderboard.markdown import escape, markdown_table

if TYPE_CHECKING:
    from rich.console import Group

SCHEMA = "miro-eval/comparison/1"
HEADER = ("metric", "first", "second", "difference", "95 % interval", "p", "p (Holm)", "MDE", "pairs", "prompts")
NARROW_HEADER = ("metric", "first", "second", "change", "low", "high", "p", "Holm", "MDE")
#: Of the usual metrics' names, "single_object".
WIDEST = 13
LEGEND = (
    "Second minus first over the pairs: same prompt, same sample. 95 % interval: two-sided, resampled prompts, each "
    "line by itself, not corrected. p: two-sided cluster-robust t test, not corrected, on which a leaderboard's ranks "
    "rest; p (Holm): corrected for all lines. MDE: the true difference that would be found (p < 0.05, not corrected) "
    "with 80 % probability. A dash: no spread, as every prompt differs alike, or no difference can be so large."
)


def terminal_comparison(comparison: Comparison) -> Group:
    """A table and the notes; names are shown literally."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for column in NARROW_HEADER:
        left = column == "metric"
        table.add_column(column, justify="left" if left else "right", overflow="fold", min_width=WIDEST if left else 6)
    for line in comparison.metrics:
        table.add_row(*map(Text, _narrow_cells(line, comparison.label(line.metric))))
    title = Text(f"first: {comparison.first}\nsecond: {comparison.second}")
    return Group(title, table, *(Text(note) for note in (_pairs(comparison), *comparison.notes)))


def _narrow_cells(line: ComparedMetric, label: str) -> list[str]:
    """As many columns as fit into 80 letters: bounds apart, counts below the table."""
    interval, every = line.paired.interval, cells(line, label)
    bounds = ["-", "-"] if interval is None else [signed(interval.low), signed(interval.high)]
    return [*every[:4], *bounds, *every[5:8]]


def _pairs(comparison: Comparison) -> str:
    most = max(comparison.metrics, key=lambda line: line.paired.images).paired
    return (
        f"pairs: {most.images:,} images of {most.prompts:,} prompts; low and high bound the 95 % interval, not "
        f"corrected, as p and MDE are not; Holm is p corrected for all {len(comparison.metrics)} lines"
    )


def markdown_comparison(comparison: Comparison) -> str:
    """A comparison as a Markdown document, ending with a line end."""
    rule = [":--", *["--:"] * (len(HEADER) - 1)]
    lines = ([escape(cell) for cell in cells(line, comparison.label(line.metric))] for line in comparison.metrics)
    table = markdown_table([list(HEADER), rule, *lines])
    heading = f"# {escape(comparison.second)} against {escape(comparison.first)}"
    notes = [f"- {escape(note)}" for note in comparison.notes]
    return "\n\n".join([heading, table, LEGEND, *(["\n".join(notes)] if notes else [])]) + "\n"


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """JSON's types, at full precision; an ``interval`` of null has no ``mde`` either."""
    return {
        "schema": SCHEMA,
        "first": comparison.first,
        "second": comparison.second,
        "metrics": [metric_record(line) for line in comparison.metrics],
        "notes": list(comparison.notes),
    }


def metric_record(line: ComparedMetric) -> dict[str, Any]:
    """One metric's line of a comparison in JSON's types, at full precision."""
    interval = line.paired.interval
    return {
        "metric": line.metric,
        "first": line.first,
        "second": line.second,
        "difference": line.paired.difference,
        "interval": None if interval is None else {"low": interval.low, "high": interval.high},
        "standard_error": None if interval is None else interval.standard_error,
        "p_value": line.paired.p_value,
        "p_value_holm": line.corrected_p_value,
        "mde": line.paired.detectable,
        "pairs": line.paired.images,
        "prompts": line.paired.prompts,
        "left_out": line.left_out,
    }


def cells(line: ComparedMetric, label: str) -> list[str]:
    """A line as text, in the order of the header, under a label of the metric."""
    paired = line.paired
    return [
        label,
        f"{line.first:.4f}",
        f"{line.second:.4f}",
        signed(paired.difference),
        interval_text(line),
        p_text(paired.p_value),
        p_text(line.corrected_p_value),
        "-" if paired.detectable is None else f"{paired.detectable:.4f}",
        f"{paired.images:,}",
        f"{paired.prompts:,}",
    ]


def signed(value: float) -> str:
    """Four decimals with a sign; a difference of nothing has none."""
    return f"{value:+.4f}" if value else "0.0000"


def interval_text(line: ComparedMetric) -> str:
    """E.g. ``-0.0100 to +0.0200``; a dash where there is none."""
    interval = line.paired.interval
    return "-" if interval is None else f"{signed(interval.low)} to {signed(interval.high)}"


def p_text(value: float) -> str:
    """Three decimals; what is smaller is said to be."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"
