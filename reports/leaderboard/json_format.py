"""The leaderboard as JSON: every number with its interval, mark and normal form; for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reports.leaderboard.sections import SCORES, Section, scored_images, sections
from reports.summary.run_summary import GENEVAL
from wire.cards import MetricCard

if TYPE_CHECKING:
    from reports.leaderboard.table import Leaderboard

#: Version of the layout (docs/statistics.md); it changes when a key changes its meaning or goes.
SCHEMA = "miro-eval/leaderboard/1"
_COUNTS = ("images", "prompts", "unscored", "samples_per_prompt")
_SHARES = ("pooled", "any_of_n", "all_of_n", "intraclass_correlation")


def leaderboard_record(board: Leaderboard) -> dict[str, Any]:
    """The content of ``leaderboard.json``; missing numbers are null."""
    return {
        "schema": SCHEMA,
        "metrics": {metric: _metric(card) for metric, card in board.cards.items()},
        "protocols": board.protocols,
        "sections": [_section(section, board.metrics) for section in sections(board)],
        "notes": list(board.notes),
    }


def _metric(card: MetricCard) -> dict[str, Any]:
    return {"title": card.name, "scale": card.scale, "direction": card.direction, "normalised": card.formula or None}


def _section(section: Section, metrics: Sequence[str]) -> dict[str, Any]:
    runs = [_run(row, marks, metrics) for row, marks in zip(section.rows, section.marks, strict=True)]
    return {"heading": section.heading, "group": section.group, "protocol": section.protocol, "runs": runs}


def _run(row: dict[str, Any], marks: dict[str, str], metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "model": row["model"],
        "rank": _number(row["rank"]),
        "scores": {name: _value(row, name, marks) for name in SCORES},
        "rewards": {metric: _value(row, metric, marks) for metric in metrics},
        "scored_images": {name: asdict(counts) for name, counts in scored_images(row, (GENEVAL, *metrics)).items()},
        **{name: _number(row[name]) for name in (*_COUNTS, *_SHARES)},
        **{name: row[name] for name in ("suite", "fingerprint", "coverage", "scored")},
        "random_weights": bool(row["random_weights"]),
        "notes": row["notes"],
    }


def _value(row: dict[str, Any], column: str, marks: dict[str, str]) -> dict[str, Any] | None:
    if row[column] != row[column]:
        return None
    value = {"value": row[column], "low": _number(row[f"{column}_low"]), "high": _number(row[f"{column}_high"])}
    if f"{column}_normalised" in row:
        value["normalised"] = row[f"{column}_normalised"]
    return value | {"mark": marks.get(column)}


def _number(value: Any) -> Any:
    """A cell as plain Python; None for any of pandas' words for missing."""
    import pandas as pd

    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
