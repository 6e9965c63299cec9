"""The leaderboard as one HTML file that needs nothing else: sortable, dark and light, readable on a phone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from reports.leaderboard.markdown import GENEVAL2_TEXT, count_text, interval_legend, interval_text, shown
from reports.leaderboard.sections import Section, headlines, sections
from reports.pages import render
from reports.statistics.resampling import SEED
from reports.summary.notes import RANDOM_WEIGHTS
from reports.summary.scored import WHOLE
from wire.vocabulary import GENEVAL2_LABELS, GENEVAL2_SCORES, TAGS

if TYPE_CHECKING:
    from reports.leaderboard.table import Leaderboard

_TEMPLATES = Path(__file__).with_name("templates")
#: Width of an interval's picture, in its own units.
_SCALE = 100.0
#: The bars' axis begins and ends on a multiple of this.
_ROUND = 0.05


def leaderboard_html(board: Leaderboard, galleries: Mapping[str, str] = MappingProxyType({})) -> str:
    """A leaderboard as one HTML file; ``galleries`` are addresses by model, for links."""
    style, script = (_TEMPLATES.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    found = [metric for metric in board.metrics if board.frame[metric].notna().any()]
    parts, ranked_by = [], headlines(board)
    for section in sections(board):
        own, axis = section.found(found), _axis(section)
        parts.append((section, [board.cards[metric] for metric in own], axis, list(_lines(section, own, axis))))
    return render(
        _TEMPLATES,
        "leaderboard.html.j2",
        style,
        script,
        sections=parts,
        labels=GENEVAL2_LABELS,
        geneval2=GENEVAL2_TEXT,
        ranked_by=ranked_by,
        interval=interval_legend(ranked_by) if ranked_by else "",
        tags=TAGS,
        galleries=galleries,
        compared=[row["model"] for section, *_ in parts for row in section.rows if len(section.rows) > 1],
        metrics=[board.cards[metric] for metric in found],
        notes=board.notes,
        several=len(board.frame) > 1,
        marked=any(mark for section, *_ in parts for mark in section.marks),
        random=board.random,
        random_note=RANDOM_WEIGHTS,
        whole=f"{WHOLE:.0%}",
        seed=SEED,
    )


def _headline(section: Section) -> str:
    return section.scores[0] if section.scores else "overall"


def _axis(section: Section) -> tuple[float, float]:
    """From where to where the section's interval bars reach: all its bounds, on round numbers."""
    first = _headline(section)
    names, unit = (f"{first}_low", f"{first}_high"), _ROUND * (_SCALE if first in GENEVAL2_SCORES else 1)
    bounds = [row[name] for row in section.rows for name in names if row[name] == row[name]]
    low, high = min(bounds, default=0.0), max(bounds, default=1.0)
    return math.floor(low / unit) * unit, max(math.ceil(high / unit), math.floor(low / unit) + 1) * unit


def _lines(section: Section, metrics: Sequence[str], axis: tuple[float, float]) -> Iterator[dict[str, Any]]:
    """The runs as the template shows them; what one lacks is empty."""
    for row, marks in zip(section.rows, section.marks, strict=True):
        yield {
            "rank": count_text(row["rank"]),
            "about": " ".join(str(row[name]) for name in ("suite", "protocol", "fingerprint", "group")),
            "model": row["model"],
            "random": row["random_weights"],
            "interval": interval_text(row, _headline(section)),
            "bar": _bar(row, _headline(section), *axis),
            "scores": [_cell(row, name, marks) for name in section.scores],
            "rewards": [_cell(row, name, marks) for name in metrics],
            "counts": [
                {"text": count_text(row[name]), "sort": row[name]} for name in ("images", "prompts", "unscored")
            ],
            **{name: row[name] for name in ("coverage", "scored", "fingerprint", "notes")},
        }


def _cell(row: dict[str, Any], column: str, marks: dict[str, str]) -> dict[str, str]:
    """A number as shown, in full as the column is sorted by it, its mark, and what hovering shows."""
    value = row[column]
    if value != value:
        return {"text": "", "sort": ""}
    parts = [f"95 % interval {interval}"] if (interval := interval_text(row, column)) else []
    if f"{column}_normalised" in row:
        parts.append(f"MIRO-normalised {row[f'{column}_normalised']:.4f}")
    texts = {"text": shown(row, column), "sort": repr(float(value)), "title": "; ".join(parts)}
    return texts | ({"mark": marks[column]} if column in marks else {})


def _bar(row: dict[str, Any], score: str, lowest: float, highest: float) -> dict[str, float] | None:
    """Where a score and its interval lie on the section's axis, from 0 to 100."""
    if row[f"{score}_low"] != row[f"{score}_low"]:
        return None
    unit = _SCALE / (highest - lowest)
    low, high, value = ((row[name] - lowest) * unit for name in (f"{score}_low", f"{score}_high", score))
    return {"low": round(low, 2), "width": round(high - low, 2), "value": round(value, 2)}
