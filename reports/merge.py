"""All stages of a run in one table, one row an image: what ``scores.csv`` is made of."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.vocabulary import SEVEN_REWARDS
from reports.reward_rows import RewardTable
from reports.runs import Run

if TYPE_CHECKING:
    import pandas as pd

#: What a merged table says of an image itself.
IMAGE_COLUMNS = (
    *("model", "prompt_key", "sample_index", "filename", "tag", "prompt"),
    *("correct", "reason", "image_sha256"),
)
#: Columns that every merged table begins with; further metrics follow.
LEADING = (*IMAGE_COLUMNS, *SEVEN_REWARDS)


def merge_stages(run: Run) -> pd.DataFrame:
    """One row an image that has a row of any stage, sorted by prompt and file name.

    Images are joined by file name; by file name and prompt where a run has one file name for several prompts.

    Returns:
        :data:`LEADING` columns, then further metrics, then ``unscored_rewards`` (``metric: reason``, joined by "; ").
        ``correct`` is NA where unscored, a reward NaN.
    """
    import pandas as pd

    images = _joined(run.verdicts, _with_reasons(run.rewards))
    metrics = run.rewards.metrics if run.rewards else ()
    further = [metric for metric in metrics if metric not in SEVEN_REWARDS]
    columns: dict[str, Any] = {"model": [run.name] * len(images)}
    for column in (*IMAGE_COLUMNS[1:], *SEVEN_REWARDS, *further, "unscored_rewards"):
        columns[column] = images[column].array if column in images else [None] * len(images)
    return pd.DataFrame(columns)


def _with_reasons(rewards: RewardTable | None) -> pd.DataFrame | None:
    if rewards is None:
        return None
    texts: dict[str, list[str]] = {}
    if not any(rewards.reasons.values()):
        return rewards.frame.assign(unscored_rewards="")
    for metric, reasons in rewards.reasons.items():
        for name, reason in reasons.items():
            texts.setdefault(name, []).append(f"{metric}: {reason}")
    unscored = ["; ".join(texts.get(name, ())) for name in rewards.frame["filename"]]
    return rewards.frame.assign(unscored_rewards=unscored)


def _joined(verdicts: pd.DataFrame | None, rewards: pd.DataFrame | None) -> pd.DataFrame:
    """Outer join of the stages; what both know (prompt, sample, hash) is the verdict's where it has it."""
    if verdicts is None or rewards is None:
        found = verdicts if rewards is None else rewards
        if found is None:
            raise AssertionError("a run has rows of some stage")
        return found
    if verdicts["filename"].tolist() == rewards["filename"].tolist() and verdicts["filename"].is_unique:
        return verdicts.assign(**{name: rewards[name].array for name in rewards.columns.difference(verdicts.columns)})
    unique = verdicts["filename"].is_unique and rewards["filename"].is_unique
    place = ["filename"] if unique else ["filename", "prompt"]
    joined = verdicts.merge(rewards, on=place, how="outer", suffixes=("", "_of_rewards"))
    for column in ("prompt_key", "prompt", "sample_index", "image_sha256"):
        other = f"{column}_of_rewards"
        if other in joined:
            joined[column] = joined[column].where(joined[column].notna() & (joined[column] != ""), joined[other])
    return joined.sort_values(["prompt_key", "filename"], kind="stable", ignore_index=True)


def write_part(run: Run, path: Path) -> tuple[str, ...]:
    """Write a run's merged rows as CSV without a header; returns the columns."""
    frame = merge_stages(run)
    columns = [_texts(frame[column]) for column in frame.columns]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
    path.write_bytes(text.getvalue().encode("utf-8", "backslashreplace"))
    return tuple(map(str, frame.columns))


def _texts(column: pd.Series[Any]) -> list[Any]:
    """Cells as written: empty where missing, whole sample numbers, floats in full precision."""
    if column.name == "sample_index":
        return ["" if value != value or value is None else int(value) for value in column.tolist()]
    values: list[Any] = column.tolist()
    missing = column.isna()
    if missing.all():
        return [""] * len(values)
    if missing.any():
        return ["" if absent else value for absent, value in zip(missing.tolist(), values, strict=True)]
    return values


def join_parts(parts: Sequence[tuple[Path, tuple[str, ...]]], path: Path) -> Path:
    """Make one CSV file of the parts of all runs; it appears whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    known = {name for _, columns in parts for name in columns}
    further = sorted(known - {*LEADING, "unscored_rewards"})
    columns = (*LEADING, *further, "unscored_rewards")
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as joined:
            joined.write(_csv_line(columns))
            for part, own in parts:
                _append(part, own, columns, joined)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written ({error.strerror}); name another folder") from error
    return path


def _append(part: Path, own: tuple[str, ...], columns: tuple[str, ...], joined: io.BufferedWriter) -> None:
    if own == columns:
        with part.open("rb") as content:
            shutil.copyfileobj(content, joined, 1 << 20)
        return
    place = {name: number for number, name in enumerate(own)}
    with part.open(encoding="utf-8", newline="") as content:
        for row in csv.reader(content):
            joined.write(_csv_line([row[place[name]] if name in place else "" for name in columns]))


def _csv_line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8")
