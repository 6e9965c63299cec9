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
    implied_colors,
    json_value,
    judge,
    normalise,
    select_each,
)
from wire.class_names import class_note
from wire.protocol import UserError, read_rows

Row = dict[str, Any]
#: Values of a row's ``color_source``.
PROBABILITIES, VERDICT = "probabilities", "verdict"
_KEYS = {"tag": str, "correct": bool, "reason": str, "metadata": (str, dict), "details": (str, dict)}


def rejudge(row: Row, options: JudgeOptions) -> Row:
    """The row as ``options`` decide it; a row without a verdict comes back as it is.

    Two keys are added: ``judge_options``, and ``color_source``: ``probabilities`` where the row's own color answers
    decided, ``verdict`` where they were taken from its verdict, empty where no color was needed.

    A row whose prompt GenEval cannot judge becomes unscored.
    Raises UserError: the row lacks a key, or a key is malformed.
    """
    if row.get("status") == "unscored" or row.get("correct", False) is None:  # as reports read it
        return row
    metadata, boxes = _parse(row)
    if fault := check_metadata(metadata):
        return row | _without_verdict(f"its prompt cannot be judged by GenEval ({fault})")
    kept = select_each(boxes, row["tag"], options)
    objects = {name: [boxes[name][i] for i in indices] for name, indices in kept.items()}
    # The row's lists are best first; what selects counts from the other end.
    stored = {name: [len(boxes[name]) - 1 - i for i in indices] for name, indices in kept.items()}
    places = {name: stored[name][:count] for name, count in colors_needed(objects, metadata).items()}
    source = "" if not places else PROBABILITIES if "colors" in row else VERDICT
    if source == VERDICT:
        answers = implied_colors(metadata, row["correct"], row["reason"], boxes)
    else:
        answers = color_names(row.get("colors", {}))
    common = {"details": json.dumps(objects), "judge_options": asdict(options), "color_source": source}
    if "masks" in row:
        common["masks"] = _masks(row["masks"], stored)
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
            raise UserError(f'"{key}" is {repr(row.get(key))[:40]}; expected a row of GenEval results')
    try:
        return normalise(json_value(row["metadata"])), boxes_from_details(row["details"])
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f'"metadata" or "details" is not the JSON text of GenEval results ({error})') from error


def _unanswered(places: Mapping[str, Sequence[int]], answers: Mapping[str, Sequence[str]], source: str) -> str:
    """The first class of which a needed answer is not known; empty when all are.

    What a verdict says it does not say object by object: it serves only for just the objects that it was about.
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
    Raises UserError: no such file, no rows in it, or a malformed one; the message names it.
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
    rows = [row for row in rows if "metadata" in row]
    texts = [text if isinstance(text := row["metadata"], str) else json.dumps(text) for row in rows]
    return class_note({name for row in rows for name in _classes(row)}, texts)


def _classes(row: Row) -> list[str]:
    try:
        details = json_value(row["details"])
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
