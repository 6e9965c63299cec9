"""Writing the leaderboard in every format, and reading it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import ReportFiles
from reports.files import write_json, write_text
from reports.leaderboard.html import leaderboard_html
from reports.leaderboard.json_format import leaderboard_record
from reports.leaderboard.latex import leaderboard_latex
from reports.leaderboard.markdown import leaderboard_markdown
from reports.leaderboard.model_index import model_index
from reports.leaderboard.table import Leaderboard

if TYPE_CHECKING:
    import pandas as pd


def write_tables(board: Leaderboard, out_dir: Path) -> ReportFiles:
    """Write the leaderboard's files, without the rows': the same runs give the same bytes.

    Raises:
        MiroEvalError: see :func:`reports.files.writing`.
    """
    files = ReportFiles.within(out_dir, board)
    write_text(files.markdown, leaderboard_markdown(board))
    write_text(files.csv, board.frame.to_csv(index=False, lineterminator="\n"))
    write_text(files.latex, leaderboard_latex(board))
    write_text(files.html, leaderboard_html(board))
    write_json(files.json, leaderboard_record(board))
    write_text(files.index, model_index(board))
    return files


def read_leaderboard(path: Path) -> pd.DataFrame:
    """Read ``leaderboard.csv`` with exactly the values that were written, whatever a run is called (even ``NA``)."""
    import pandas as pd

    texts = {"model", "group", "protocol", "suite", "fingerprint", "coverage", "scored", "notes"}
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
