"""Rows and runs for tests, in the layouts that real tools write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports import ReportFiles
from reports.leaderboard.files import write_tables
from reports.leaderboard.table import make_leaderboard
from reports.read.suite import PROMPTS_PER_TAG
from reports.summary.run_summary import RunSummary
from wire.vocabulary import SEVEN_REWARDS

Row = dict[str, Any]
Counts = Mapping[str, tuple[int, int]]


def write_rows(path: Path, rows: Iterable[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_leaderboard(runs: Sequence[RunSummary], folder: Path) -> ReportFiles:
    return write_tables(make_leaderboard(runs), folder)


def read_leaderboard(path: Path) -> pd.DataFrame:
    """``leaderboard.csv`` with exactly the values that were written, whatever a run is called (even ``NA``)."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    texts = ["model", "group", "protocol", "suite", "fingerprint", "coverage", "scored", "notes"]
    for column in frame.columns.difference(texts):
        frame[column] = [_cell(text) for text in frame[column]]
    return frame


def _cell(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    if not text:
        return float("nan")
    return int(text) if text.lstrip("-").isdigit() else float(text)


def verdict(prompt: int, sample: int, tag: str, correct: bool | None, text: str | None = None, **other: Any) -> Row:
    """A row with upstream's keys."""
    text = text or f"a photo of {tag} {prompt}"
    return {
        "filename": f"{prompt:05d}/samples/{sample:04d}.png",
        "tag": tag,
        "prompt": text,
        "correct": correct,
        "reason": "" if correct else "expected bench>=1, found 0",
        "metadata": json.dumps({"tag": tag, "prompt": text}),
        "details": "{}",
        **other,
    }


def unscored(prompt: int, sample: int, tag: str, error: str = "broken image") -> Row:
    return verdict(prompt, sample, tag, None, status="unscored", error=error)


def sweep(counts: Counts, samples: int = 4, texts: Mapping[int, str] | None = None) -> list[Row]:
    """Rows with given (correct, images) per tag, prompts numbered as in the suite; the last prompts may be short."""
    rows: list[Row] = []
    first = 0
    for tag, size in PROMPTS_PER_TAG.items():
        correct, images = counts.get(tag, (0, 0))
        for image in range(images):
            prompt = first + image // samples
            text = texts[prompt] if texts else None
            rows.append(verdict(prompt, image % samples, tag, image < correct, text))
        first += size
    return rows


def official_prompts(metadata: Path) -> dict[int, str]:
    return {place: json.loads(line)["prompt"] for place, line in enumerate(metadata.read_text().splitlines())}


def rewards(prompt: int, sample: int, values: Mapping[str, float | None] | None = None, **other: Any) -> Row:
    """A row of ours; without values, all seven."""
    if values is None:
        values = {metric: 0.1 * place + 0.01 * prompt + 0.001 * sample for place, metric in enumerate(SEVEN_REWARDS)}
    return {
        "filename": f"{prompt:05d}/samples/{sample:04d}.png",
        "prompt": f"prompt {prompt}",
        "prompt_index": prompt,
        "sample_index": sample,
        "image_sha256": f"{prompt:032x}{sample:032x}",
        **values,
        "unscored": {},
        **other,
    }


#: Two prompts of four images for each tag: enough for every number to be defined.
SMALL: dict[str, tuple[int, int]] = {
    "single_object": (7, 8),
    "two_object": (5, 8),
    "counting": (3, 8),
    "colors": (6, 8),
    "position": (1, 8),
    "color_attr": (2, 8),
}
