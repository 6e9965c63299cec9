"""Writing the leaderboard in every format, JSON and the hub's model-index among them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import ReportFiles
from reports.files import write_json, write_text
from reports.leaderboard.html import leaderboard_html
from reports.leaderboard.latex import leaderboard_latex
from reports.leaderboard.markdown import leaderboard_markdown
from reports.leaderboard.sections import SCORES, scored_images, sections
from reports.leaderboard.table import FURTHER_SCORES, Leaderboard
from reports.summary.run_summary import GENEVAL
from reports.summary.scored import scored_text
from wire.cards import MetricCard
from wire.vocabulary import GENEVAL2_LABELS, GENEVAL2_SCORES, SOFT_TIFA

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

#: Version of the layout (docs/statistics.md); it changes when a key changes its meaning or goes.
SCHEMA = "miro-eval/leaderboard/1"
_TEXTS = ("suite", "fingerprint", "coverage", "scored")


def write_tables(board: Leaderboard, out_dir: Path) -> ReportFiles:
    """Write the leaderboard's files, without the rows: the same runs give the same bytes.
    Raises MiroEvalError: see :func:`reports.files.writing`.
    """
    files = ReportFiles.within(out_dir, board)
    write_text(files.markdown, leaderboard_markdown(board))
    write_text(files.csv, board.frame.to_csv(index=False, lineterminator="\n"))
    write_text(files.latex, leaderboard_latex(board))
    write_text(files.html, leaderboard_html(board))
    write_json(files.json, leaderboard_record(board))
    write_text(files.index, model_index(board))
    return files


def leaderboard_record(board: Leaderboard) -> dict[str, Any]:
    """The content of ``leaderboard.json``: every number with its interval, mark and normal form; missing ones null."""
    facts = {
        metric: {
            "title": card.name,
            "scale": card.scale,
            "direction": card.direction,
            "normalised": card.formula or None,
        }
        for metric, card in board.cards.items()
    }
    parts = [
        {
            "heading": section.heading,
            "group": section.group,
            "protocol": section.protocol,
            "runs": [
                _run(*both, board.metrics, section.scores or SCORES)
                for both in zip(section.rows, section.marks, strict=True)
            ],
        }
        for section in sections(board)
    ]
    notes = list(board.notes)
    return {"schema": SCHEMA, "metrics": facts, "protocols": board.protocols, "sections": parts, "notes": notes}


def _run(row: dict[str, Any], marks: dict[str, str], metrics: Sequence[str], scores: Sequence[str]) -> dict[str, Any]:
    counts = ("images", "prompts", "unscored", *FURTHER_SCORES)
    return {
        "model": row["model"],
        "rank": _plain(row["rank"]),
        "scores": {name: _value(row, name, marks) for name in scores},
        "rewards": {metric: _value(row, metric, marks) for metric in metrics},
        "scored_images": {name: asdict(found) for name, found in scored_images(row, (GENEVAL, *metrics)).items()},
        **{name: _plain(row[name]) for name in counts},
        **{name: row[name] for name in _TEXTS},
        "random_weights": bool(row["random_weights"]),
        "notes": row["notes"],
    }


def _value(row: dict[str, Any], column: str, marks: dict[str, str]) -> dict[str, Any] | None:
    if row[column] != row[column]:
        return None
    value = {"value": row[column], "low": _plain(row[f"{column}_low"]), "high": _plain(row[f"{column}_high"])}
    if f"{column}_normalised" in row:
        value["normalised"] = row[f"{column}_normalised"]
    return value | {"mark": marks.get(column)}


def _plain(value: Any) -> Any:
    """A cell as plain Python; None for any of pandas' words for missing."""
    import pandas as pd

    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def model_index(board: Leaderboard) -> str:
    """The ``model-index`` block of a card's YAML head on the Hugging Face hub: one entry a run, to be copied.

    Runs with random weights are left out, for their scores are none. Made by huggingface_hub's own classes.
    """
    from huggingface_hub.repocard_data import CardData, eval_results_to_model_index

    entries: list[Any] = []
    for row in board.frame[~board.frame["random_weights"]].to_dict("records"):
        results = [*_geneval_results(row), *_geneval2_results(row), *_reward_results(row, board.cards)]
        if results:
            entries += eval_results_to_model_index(str(row["model"]), results)
    head: dict[str, Any] = {"model-index": entries}
    return CardData(**head).to_yaml() + "\n"


def _geneval_results(row: dict[Any, Any]) -> Iterator[EvalResult]:
    about = f"{row['coverage']}; {_images(row, GENEVAL)}"
    for name in SCORES:
        if row[name] == row[name]:
            yield _result("GenEval", "geneval", f"geneval_{name}", f"GenEval {name} ({about})", row[name])


def _geneval2_results(row: dict[Any, Any]) -> Iterator[EvalResult]:
    for name in GENEVAL2_SCORES:
        if math.isfinite(row.get(name, math.nan)):
            about = f"{row['coverage']}; {_images(row, SOFT_TIFA)}"
            title = f"GenEval 2 {GENEVAL2_LABELS[name]} ({about}), 0 to 100"
            yield _result("GenEval 2", "geneval2", name, title, row[name])


def _reward_results(row: dict[Any, Any], cards: Mapping[str, MetricCard]) -> Iterator[EvalResult]:
    for metric, card in cards.items():
        if row[metric] == row[metric]:
            direction = f"{card.direction}; " if card.lower else ""
            name = f"mean {card.name} ({direction}{_images(row, metric)})"
            yield _result(f"prompts of {row['suite']}", str(row["suite"]), metric, name, row[metric])


def _images(row: dict[Any, Any], name: str) -> str:
    return f"{scored_text(scored_images(row, [name]))} images"


def _result(dataset: str, kind: str, metric: str, name: str, value: float) -> EvalResult:
    from huggingface_hub import EvalResult

    return EvalResult("text-to-image", kind, dataset, metric, float(value), metric_name=name)
