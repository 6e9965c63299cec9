"""Writing the leaderboard in every format, and reading it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.files import write_json, write_text
from reports.leaderboard.html import leaderboard_html
from reports.leaderboard.json_format import leaderboard_record
from reports.leaderboard.latex import leaderboard_latex
from reports.leaderboard.markdown import leaderboard_markdown
from reports.leaderboard.table import Leaderboard

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LeaderboardFiles:
    """Where a leaderboard was written."""

    markdown: Path
    csv: Path
    latex: Path
    html: Path
    json: Path


def write_tables(board: Leaderboard, out_dir: Path) -> LeaderboardFiles:
    """Write ``leaderboard.md``, ``.csv``, ``.tex``, ``.html`` and ``.json``: the same runs give the same bytes.

    Raises:
        MiroEvalError: see :func:`reports.files.writing`.
    """
    return LeaderboardFiles(
        markdown=write_text(out_dir / "leaderboard.md", leaderboard_markdown(board)),
        csv=write_text(out_dir / "leaderboard.csv", board.frame.to_csv(index=False, lineterminator="\n")),
        latex=write_text(out_dir / "leaderboard.tex", leaderboard_latex(board)),
        html=write_text(out_dir / "leaderboard.html", leaderboard_html(board)),
        json=write_json(out_dir / "leaderboard.json", leaderboard_record(board)),
    )


def read_leaderboard(path: Path) -> pd.DataFrame:
    """Read ``leaderboard.csv`` with exactly the values that were written, whatever a run is called (even ``NA``)."""
    import pandas as pd

    texts = {"model", "group", "protocol", "suite", "fingerprint", "coverage", "notes"}
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in frame.columns.difference(list(texts)):
        frame[column] = [_cell(text) for text in frame[column]]
    return frame


def _cell(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    if not text:
        return float("nan")
    return int(text) if text.lstrip("-").isdigit() else float(text)
