"""Two paths to a comparison: for a terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.compare.comparison import ComparedMetric, Comparison, compare
from reports.files import write_json, write_text
from reports.gate.inputs import read_sides, require_alike, unlike_fields
from reports.leaderboard.markdown import escape, markdown_table
from wire.cards import NO_CARDS, Cards
from wire.vocabulary import GENEVAL2_SCORES

if TYPE_CHECKING:
    from rich.console import Group

    from reports.read.selection import Selection

SCHEMA = "miro-eval/comparison/1"
HEADER = ("metric", "first", "second", "difference", "95 % interval", "p", "p (Holm)", "MDE", "pairs", "prompts")
#: As many columns as fit into 80 letters: bounds apart, counts below the table.
NARROW_HEADER = ("metric", "first", "second", "change", "low", "high", "p", "Holm", "MDE")
#: Of the usual metrics' names, "single_object".
WIDEST = 13
LEGEND = (
    "Differences are second minus first, over the same prompts and samples. 95 % interval: two-sided, from resampled "
    "prompts, not corrected for the number of lines. p: two-sided cluster-robust t test, not corrected; a "
    "leaderboard's ranks use it. p (Holm): corrected for all lines. MDE: the true difference that would be found with "
    "80 % probability (p < 0.05, not corrected). A dash: all prompts differ alike, or no difference can be so large."
)


def compare_paths(
    first: Path,
    second: Path,
    *,
    allow_unlike: bool = False,
    cards: Cards = NO_CARDS,
    names: Sequence[str] = (),
    selection: Selection | None = None,
) -> Comparison:
    """Compare two runs, wherever they come from.

    Args:
        cards: of metrics that are known anyway.
        names: of the two runs; none for their own.
        selection: compare their best images alone.

    Raises:
        UserError: one cannot be read, they share nothing, or they are not alike and that is not allowed.
    """
    left, right = read_sides(first, second, cards, names, selection)
    if not allow_unlike:
        require_alike(left, right, remedy="--allow-unlike compares them anyway")
        return compare(left, right)
    # The comparison's own notes name recorded fields; what no protocol records is told here.
    comparison = compare(left, right)
    said = " ".join(comparison.notes)
    told = [f"the runs differ in {unlike.text}" for unlike in unlike_fields(left, right) if unlike.field not in said]
    return replace(comparison, notes=(*comparison.notes, *told))


def terminal_comparison(comparison: Comparison) -> Group:
    """A table and the notes; names are shown literally."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    widest = max(WIDEST, *(len(line.metric) for line in comparison.metrics if line.metric in GENEVAL2_SCORES), 0)
    gap = int(widest == WIDEST)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), show_edge=False, pad_edge=False)
    for column in NARROW_HEADER:
        left = column == "metric"
        table.add_column(column, justify="left" if left else "right", overflow="fold", min_width=widest if left else 6)
    for line in comparison.metrics:
        interval, every = line.paired.interval, _cells(line, comparison)
        places = decimals(line.metric)
        bounds = ["-", "-"] if interval is None else [signed(interval.low, places), signed(interval.high, places)]
        table.add_row(*map(Text, [*every[:4], *bounds, *every[5:8]]))
    most = max(comparison.metrics, key=lambda line: line.paired.images).paired
    pairs = (
        f"pairs: {most.images:,} images of {most.prompts:,} prompts; low and high bound the 95 % interval, not "
        f"corrected, as p and MDE are not; Holm is p corrected for all {len(comparison.metrics)} lines"
    )
    title = Text(f"first: {comparison.first}\nsecond: {comparison.second}")
    return Group(title, table, *map(Text, (pairs, *comparison.notes)))


def markdown_comparison(comparison: Comparison) -> str:
    """A comparison as a Markdown document, ending with a line end."""
    rule = [":--", *["--:"] * (len(HEADER) - 1)]
    rows = [[*map(escape, _cells(line, comparison))] for line in comparison.metrics]
    table = markdown_table([HEADER, rule, *rows])
    heading = f"# {escape(comparison.second)} against {escape(comparison.first)}"
    notes = "\n".join(f"- {escape(note)}" for note in comparison.notes)
    return "\n\n".join(filter(None, [heading, table, LEGEND, notes])) + "\n"


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """JSON's types, at full precision."""
    return {
        "schema": SCHEMA,
        "first": comparison.first,
        "second": comparison.second,
        "metrics": [metric_record(line) for line in comparison.metrics],
        "notes": list(comparison.notes),
    }


def json_text(comparison: Comparison) -> str:
    """A comparison as JSON text, the content of ``comparison.json``."""
    return json.dumps(comparison_record(comparison), ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def write_comparison(comparison: Comparison, out: Path) -> tuple[Path, Path]:
    """Write ``comparison.md`` and ``comparison.json`` into a folder."""
    markdown = write_text(out / "comparison.md", markdown_comparison(comparison))
    return markdown, write_json(out / "comparison.json", comparison_record(comparison))


def metric_record(line: ComparedMetric) -> dict[str, Any]:
    """One metric's line in JSON's types, at full precision; an ``interval`` of null has no ``mde`` either."""
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


def _cells(line: ComparedMetric, comparison: Comparison) -> list[str]:
    """A line as text, in the order of the header."""
    paired, interval, places = line.paired, line.paired.interval, decimals(line.metric)
    return [
        comparison.label(line.metric),
        f"{line.first:.{places}f}",
        f"{line.second:.{places}f}",
        signed(paired.difference, places),
        "-" if interval is None else f"{signed(interval.low, places)} to {signed(interval.high, places)}",
        _p_text(paired.p_value),
        _p_text(line.corrected_p_value),
        "-" if paired.detectable is None else f"{paired.detectable:.{places}f}",
        f"{paired.images:,}",
        f"{paired.prompts:,}",
    ]


def decimals(metric: str) -> int:
    """How many a metric's numbers have in tables: those from 0 to 100 two, others four."""
    return 2 if metric in GENEVAL2_SCORES else 4


def signed(value: float, places: int = 4) -> str:
    """So many decimals with a sign; a difference of nothing has none."""
    return f"{value:+.{places}f}" if value else f"{0:.{places}f}"


def _p_text(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
