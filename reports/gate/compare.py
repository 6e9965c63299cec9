"""Two paths to a comparison, and its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reports.compare.comparison import Comparison, compare
from reports.files import write_json, write_text
from reports.gate.comparability import require_alike, unlike_fields
from reports.gate.comparison_formats import comparison_record, markdown_comparison
from reports.gate.inputs import read_sides
from wire.cards import NO_CARDS, Cards

NAME = "comparison"


def compare_paths(
    first: Path, second: Path, *, allow_unlike: bool = False, cards: Cards = NO_CARDS, names: Sequence[str] = ()
) -> Comparison:
    """Compare two runs, wherever they come from.

    Args:
        cards: of metrics that are known anyway.
        names: of the two runs; none for their own.

    Raises:
        UserError: one cannot be read, they share nothing, or they are not alike and that is not allowed.
    """
    left, right = read_sides(first, second, cards, names)
    if not allow_unlike:
        require_alike(left, right, remedy="with --allow-unlike they are compared all the same")
        return compare(left, right)
    # The comparison's own notes name recorded fields; what no protocol records is told here.
    comparison = compare(left, right)
    said = " ".join(comparison.notes)
    told = [f"the runs differ in {unlike.text}" for unlike in unlike_fields(left, right) if unlike.field not in said]
    return replace(comparison, notes=(*comparison.notes, *told))


def json_text(comparison: Comparison) -> str:
    """A comparison as JSON text, the content of ``comparison.json``."""
    return json.dumps(comparison_record(comparison), ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def write_comparison(comparison: Comparison, out: Path) -> tuple[Path, Path]:
    """Write ``comparison.md`` and ``comparison.json`` into a folder."""
    markdown = write_text(out / f"{NAME}.md", markdown_comparison(comparison))
    return markdown, write_json(out / f"{NAME}.json", comparison_record(comparison))
