"""The leaderboard as one HTML file that needs nothing else: sortable, dark and light, readable on a phone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.leaderboard.markdown import count_text, fixed
from reports.leaderboard.sections import SCORES, Section, sections
from reports.pages import render
from reports.statistics.resampling import RESAMPLES, SEED
from reports.summary.notes import RANDOM_WEIGHTS
from reports.summary.scored import WHOLE
from wire.cards import MetricCard

if TYPE_CHECKING:
    from reports.leaderboard.table import Leaderboard

_TEMPLATES = Path(__file__).with_name("templates")
#: Width of an interval's picture, in its own units.
_SCALE = 100.0


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        text: as shown; empty where there is none.
        sort: full precision, what the column is sorted by; empty where there is none.
        mark: ``best``, ``second`` or empty.
        title: interval and normal form, shown on hovering.
    """

    text: str
    sort: str
    mark: str = ""
    title: str = ""


@dataclass(frozen=True)
class Bar:
    """Where the overall score and its interval lie between the section's lowest and highest bound, as 0 to 100."""

    low: float
    width: float
    value: float


@dataclass(frozen=True)
class Line:
    """One run as the table shows it; what it lacks is empty."""

    rank: str
    model: str
    random: bool
    interval: str
    bar: Bar | None
    scores: tuple[Cell, ...]
    rewards: tuple[Cell, ...]
    counts: tuple[Cell, ...]
    coverage: str
    scored: str
    fingerprint: str
    notes: str


def leaderboard_html(board: Leaderboard) -> str:
    """A leaderboard as one HTML file."""
    style, script = (_TEMPLATES.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    found = [metric for metric in board.metrics if board.frame[metric].notna().any()]
    parts = [(section, section.found(found)) for section in sections(board)]
    return render(
        _TEMPLATES,
        "leaderboard.html.j2",
        style,
        script,
        sections=[(section, _cards(board, own), list(_lines(section, own))) for section, own in parts],
        score_names=SCORES,
        metrics=_cards(board, found),
        notes=board.notes,
        random=list(board.frame["model"][board.frame["random_weights"]]),
        random_note=RANDOM_WEIGHTS,
        whole=f"{WHOLE:.0%}",
        resamples=f"{RESAMPLES:,}",
        seed=SEED,
    )


def _cards(board: Leaderboard, metrics: Sequence[str]) -> list[MetricCard]:
    return [board.cards[metric] for metric in metrics]


def _lines(section: Section, metrics: Sequence[str]) -> Iterator[Line]:
    bounds = [row[name] for row in section.rows for name in ("overall_low", "overall_high") if row[name] == row[name]]
    low, high = min(bounds, default=0.0), max(bounds, default=1.0)
    for row, marks in zip(section.rows, section.marks, strict=True):
        yield Line(
            rank=count_text(row["rank"]),
            model=row["model"],
            random=bool(row["random_weights"]),
            interval=_interval(row, "overall"),
            bar=_bar(row, low, high),
            scores=tuple(_cell(row, name, marks) for name in SCORES),
            rewards=tuple(_cell(row, name, marks) for name in metrics),
            counts=tuple(Cell(count_text(row[name]), str(row[name])) for name in ("images", "prompts", "unscored")),
            coverage=row["coverage"],
            scored=row["scored"],
            fingerprint=row["fingerprint"],
            notes=row["notes"],
        )


def _cell(row: dict[str, Any], column: str, marks: dict[str, str]) -> Cell:
    value = row[column]
    if value != value:
        return Cell("", "")
    parts = [f"95 % interval {interval}"] if (interval := _interval(row, column)) else []
    if f"{column}_normalised" in row:
        parts.append(f"MIRO-normalised {row[f'{column}_normalised']:.4f}")
    return Cell(fixed(value), repr(float(value)), marks.get(column, ""), "; ".join(parts))


def _interval(row: dict[str, Any], column: str) -> str:
    low, high = fixed(row[f"{column}_low"]), fixed(row[f"{column}_high"])
    return f"{low} to {high}" if low else ""


def _bar(row: dict[str, Any], lowest: float, highest: float) -> Bar | None:
    if row["overall_low"] != row["overall_low"]:
        return None
    unit = _SCALE / max(highest - lowest, 1e-9)
    low, high, value = ((row[name] - lowest) * unit for name in ("overall_low", "overall_high", "overall"))
    return Bar(round(low, 2), round(high - low, 2), round(value, 2))
