"""Deciding stored rows again under other options, without images and models; standard library only.

A row holds the boxes that counted when it was made, so that thresholds can only become stricter; and it holds the
color answers of the objects that were asked about then. Rows of other tools hold no color answers: theirs are taken
from verdict and reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from geneval.judge import (
    Box,
    JudgeOptions,
    boxes_from_details,
    check_metadata,
    color_names,
    colors_needed,
    judge,
    normalise,
    select,
    told_colors,
)
from wire.class_names import class_note
from wire.protocol import UserError, read_rows

Row = dict[str, Any]
#: Values of a row's ``color_source``.
PROBABILITIES, VERDICT = "probabilities", "verdict"
_KEYS = {"tag": str, "correct": bool, "reason": str, "metadata": str, "details": str}


def rejudge(row: Row, options: JudgeOptions) -> Row:
    """The row as ``options`` decide it; a row without a verdict comes back as it is.

    Two keys are added: ``judge_options``, and ``color_source``: ``probabilities`` where the row's own color answers
    decided, ``verdict`` where they were taken from its verdict, empty where no color was needed.

    A row whose prompt GenEval cannot judge becomes unscored.

    Raises:
        UserError: the row lacks a key, or a key is malformed.
    """
    if row.get("status", "scored") != "scored":
        return row
    metadata, boxes = _parse(row)
    if fault := check_metadata(metadata):
        return row | _without_verdict(f"its prompt cannot be judged by GenEval ({fault})")
    kept = _kept(boxes, row["tag"], options)
    objects = {name: [boxes[name][i] for i in indices] for name, indices in kept.items()}
    needed = colors_needed(objects, metadata)
    places = {name: _stored(kept[name][:count], boxes[name]) for name, count in needed.items()}
    source = _source(row, needed)
    answers = _answers(row, metadata, source)
    common = {"details": json.dumps(objects), "judge_options": asdict(options), "color_source": source}
    if "masks" in row:
        common["masks"] = _masks(row["masks"], {name: _stored(kept[name], boxes[name]) for name in kept})
    if unknown := _unanswered(places, answers, source):
        error = f"no color answer is stored for this {unknown}: run the geneval stage with these options"
        return row | common | _without_verdict(error)
    verdict = judge(objects, metadata, _pick(answers, places), options)
    decided: Row = {"correct": verdict.correct, "reason": verdict.reason, "status": "scored", "error": ""}
    if "colors" in row:
        decided["colors"] = _pick(row["colors"], places)
    return row | decided | common


def _without_verdict(error: str) -> Row:
    return {"correct": None, "reason": "", "status": "unscored", "error": error}


def _parse(row: Row) -> tuple[dict[str, Any], dict[str, list[Box]]]:
    """The row's metadata, and its boxes in the order that :func:`geneval.judge.select` expects."""
    for key, kind in _KEYS.items():
        if not isinstance(row.get(key), kind):
            raise UserError(f'"{key}" is {row.get(key)!r}, not a {kind.__name__}; expected a row of GenEval results')
    try:
        metadata = normalise(json.loads(row["metadata"]))
        boxes = boxes_from_details(row["details"])
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f'"metadata" or "details" is not the JSON text of GenEval results ({error})') from error
    return metadata, boxes


def _kept(boxes: Mapping[str, Sequence[Box]], tag: str, options: JudgeOptions) -> dict[str, list[int]]:
    kept = {name: select(found, options.threshold(tag), options) for name, found in boxes.items()}
    return {name: indices for name, indices in kept.items() if indices}


def _stored(indices: Sequence[int], boxes: Sequence[Box]) -> list[int]:
    """Places in the row: its lists are best first, :func:`geneval.judge.select` counts from the other end."""
    return [len(boxes) - 1 - index for index in indices]


def _source(row: Row, needed: Mapping[str, int]) -> str:
    if not needed:
        return ""
    return PROBABILITIES if "colors" in row else VERDICT


def _answers(row: Row, metadata: Mapping[str, Any], source: str) -> dict[str, list[str]]:
    if source == VERDICT:
        return told_colors(metadata, row["correct"], row["reason"])
    return color_names(row.get("colors", {}))


def _unanswered(places: Mapping[str, Sequence[int]], answers: Mapping[str, Sequence[str]], source: str) -> str:
    """The first class of which a needed answer is not known; empty when all are.

    What a verdict tells is not told object by object: it serves only for just the objects that it was about.
    """
    for name, wanted in places.items():
        others = source == VERDICT and list(wanted) != list(range(len(wanted)))
        if others or max(wanted) >= len(answers.get(name, ())):
            return name
    return ""


def _pick(values: Mapping[str, Sequence[Any]], places: Mapping[str, Sequence[int]]) -> dict[str, list[Any]]:
    return {name: [values[name][place] for place in wanted] for name, wanted in places.items()}


def _masks(stored: Any, places: Mapping[str, Sequence[int]]) -> dict[str, list[Any]]:
    """Of the boxes that are kept; none at all where the row does not hold one for each."""
    try:
        return _pick(stored, places)
    except (TypeError, KeyError, IndexError):
        return {}


def rejudge_file(path: Path, options: JudgeOptions) -> list[tuple[Row, Row]]:
    """Each row of a JSONL file, as it is and as ``options`` decide it.

    Raises:
        UserError: no such file, no rows in it, or a malformed one; the message names it.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected rows of GenEval results")
    decided = [(row, _rejudge_numbered(row, options, path, n)) for n, row in enumerate(read_rows(path), start=1)]
    if not decided:
        raise UserError(f"{path}: holds no rows")
    return decided


def _rejudge_numbered(row: Row, options: JudgeOptions, path: Path, number: int) -> Row:
    try:
        return rejudge(row, options)
    except UserError as error:
        raise UserError(f"{path}: row {number}: {error}") from error


def note_on_classes(rows: Iterable[Row]) -> str:
    """One line about boxes under names that GenEval does not have; see :func:`wire.class_names.class_note`."""
    parsed = [(row["metadata"], _classes(row)) for row in rows if isinstance(row.get("metadata"), str)]
    return class_note({name for _, names in parsed for name in names}, [metadata for metadata, _ in parsed])


def _classes(row: Row) -> list[str]:
    try:
        details = json.loads(row["details"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return []  # of a row without a verdict, which is not looked at
    return list(details) if isinstance(details, dict) else []


def out_of_reach(options: JudgeOptions, stored: JudgeOptions) -> list[str]:
    """Names of options that ask for detections which rows made under ``stored`` do not hold."""
    looser = {
        "confidence_threshold": options.confidence_threshold < stored.confidence_threshold,
        "counting_threshold": options.counting_threshold < stored.counting_threshold,
        "max_objects": options.max_objects > stored.max_objects,
        "max_overlap": options.max_overlap > stored.max_overlap,
    }
    return [name for name, beyond in looser.items() if beyond]
