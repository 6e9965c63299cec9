"""GenEval rows (``results.jsonl``, ours or upstream's) as a table of verdicts, one row an image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.vocabulary import TAGS
from reports.rows import SourceRow, prompt_keys, sample_place, source_rows

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("filename", "tag", "prompt", "metadata", "sample_index", "correct", "reason", "image_sha256")


def read_verdicts(path: Path) -> pd.DataFrame:
    """Read a GenEval result file.

    Boxes (``details``) are left in the file: they are most of its size, and no statistic needs them.

    Returns:
        One row an image, sorted by prompt and file name, whatever the order in the file: ``prompt_key`` (identity
        of the prompt within the file), ``filename``, ``tag``, ``prompt``, ``metadata`` (JSON text), ``sample_index``,
        ``correct`` (nullable boolean: NA is *unscored*), ``reason`` (of the verdict, or for being unscored),
        ``image_sha256`` (empty where not recorded). Empty where the file has no rows.

    Raises:
        UserError: a malformed line, a foreign tag, or one image with two verdicts; the message names file and line.
    """
    import pandas as pd

    records = _latest(source_rows(path))
    keys = prompt_keys(
        [record["prompt_index"] for record in records],
        [record["filename"] for record in records],
        [record["metadata"] for record in records],
    )
    frame = pd.DataFrame.from_records(records, columns=list(COLUMNS)).astype({"correct": "boolean"})
    frame.insert(0, "prompt_key", pd.Series(keys, dtype=object))
    return frame.sort_values(["prompt_key", "filename"], kind="stable", ignore_index=True)


def _latest(rows: Iterable[SourceRow]) -> list[dict[str, Any]]:
    """One record an image: of rows about the same bytes a verdict stands over none; else the later row stands."""
    records: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        record = _record(row)
        image = (record["filename"], record["metadata"])
        records[image] = _standing(records[image], record, row) if image in records else record
    return list(records.values())


def _standing(earlier: dict[str, Any], later: dict[str, Any], row: SourceRow) -> dict[str, Any]:
    if earlier["image_sha256"] != later["image_sha256"] or earlier["correct"] is None:
        return later
    if later["correct"] not in (None, earlier["correct"]):
        name = later["filename"]
        raise row.error(f"{name!r} is judged both correct and wrong; is the file two runs in one? Split or remove one")
    return earlier


def _record(row: SourceRow) -> dict[str, Any]:
    correct = _verdict(row)
    filename = row.text("filename")
    prompt = row.optional_text("prompt")
    metadata = row.optional_text("metadata") or row.text("prompt")
    sample = row.index("sample_index")
    place = sample_place(filename) if sample is None else None
    return {
        "filename": filename,
        "tag": _tag(row),
        "prompt": prompt,
        "metadata": metadata,
        "prompt_index": row.index("prompt_index"),
        "sample_index": place[1] if place else sample,
        "correct": correct,
        "reason": row.optional_text("reason") if correct is not None else _why_unscored(row),
        "image_sha256": row.optional_text("image_sha256"),
    }


def _verdict(row: SourceRow) -> bool | None:
    """True, False, or None for unscored. Some tools write 0 and 1."""
    if row.values.get("status") == "unscored":
        return None
    if "correct" not in row.values:
        raise row.error(
            "no 'correct': not a GenEval row (expected upstream's keys filename, tag, prompt, correct, ...)"
        )
    correct = row.values["correct"]
    if correct not in (None, True, False):
        raise row.error(f"'correct' must be true, false or null, found {str(correct)[:40]!r}")
    return None if correct is None else bool(correct)


def _tag(row: SourceRow) -> str:
    tag = row.text("tag")
    if tag not in TAGS:
        raise row.error(f"unknown tag {tag[:40]!r}; GenEval's are {', '.join(TAGS)}")
    return tag


def _why_unscored(row: SourceRow) -> str:
    return row.optional_text("error") or row.optional_text("reason") or "no reason given"
