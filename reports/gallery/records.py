"""What the gallery shows of each image, as plain JSON, and which images of runs stand side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.compare.pairing import image_places
from reports.gallery.pictures import Pictures
from reports.leaderboard.merge import merge_stages
from reports.read.questions import QUESTIONS
from reports.read.rows import json_object, read_rows, within_run
from reports.read.runs import RESULTS, Run, RunSource, read_source
from wire.cards import Cards
from wire.vocabulary import COLORS

Record = dict[str, Any]
#: Pixels are whole, scores and probabilities are told apart by three decimals: a third of the bytes.
DECIMALS = 3


@dataclass(frozen=True, eq=False)
class GalleryRun:
    """One run, as the page needs it."""

    name: str
    random_weights: bool
    metrics: tuple[str, ...]  #: metric ids, in the order of each record's ``rewards``
    cards: Cards  #: of the metrics, as far as they are known
    #: One an image: ``file``, ``image`` and ``size`` (see :meth:`Pictures.shown`), ``key`` (of the prompt), ``prompt``,
    #: ``tag``, ``correct`` (None: unscored), ``reason``, ``asked`` (classes of the prompt), ``boxes`` (class, x1, y1,
    #: x2, y2, score, probabilities of the ten colors or None), ``questions`` (text, answer, skill, probability),
    #: ``rewards`` (None where unscored), ``unscored`` (why), ``seed``, ``sample``.
    records: list[Record]
    places: list[tuple[str, int]]  #: of each record, equal in all runs for images that answer to each other


@dataclass(frozen=True)
class Card:
    """One entry of the gallery."""

    places: tuple[int | None, ...]  #: index of the record of each run; None where the run has no such image
    flip: bool = False  #: right in one run and wrong in another


def matched(runs: Sequence[GalleryRun]) -> list[Card]:
    """The images of one run, or of several side by side; changed verdicts first, else in the first runs' order."""
    numbers = [{place: number for number, place in enumerate(run.places)} for run in runs]
    cards = []
    for place in dict.fromkeys(place for run in runs for place in run.places):
        places = tuple(own.get(place) for own in numbers)
        verdicts = {run.records[at]["correct"] for run, at in zip(runs, places, strict=True) if at is not None}
        cards.append(Card(places, flip={True, False} <= verdicts))
    return sorted(cards, key=lambda card: not card.flip)


def gallery_run(source: RunSource, pictures: Pictures) -> GalleryRun:
    """Read a run's rows, boxes included. Raises UserError: no rows, or a malformed one."""
    run = read_source(source)
    frame = merge_stages(run)
    metrics = run.rewards.metrics if run.rewards else ()
    judged = source.path / RESULTS if source.path.is_dir() else source.path
    objects = {} if run.verdicts is None else _objects(judged)
    manifest = source.manifest
    seed = manifest.protocol.get("seed", "")
    asked = _questions(run)
    with ThreadPoolExecutor() as pool:  # decoding and scaling leave the interpreter to others
        shown = pool.map(pictures.shown, frame["filename"])
        rows = zip(frame.to_dict("records"), shown, strict=True)
        records = [_record(row, metrics, objects, seed) | image for row, image in rows]
    for record in records:
        record["questions"] = asked.get((record["file"], record["prompt"]), [])
    return GalleryRun(source.name, manifest.random_weights, metrics, manifest.cards, records, image_places(frame))


def _record(
    row: Mapping[Any, Any], metrics: tuple[str, ...], objects: Mapping[tuple[str, str], Record], seed: str
) -> Record:
    found = objects.get((row["filename"], row["prompt"])) or objects.get((row["filename"], "")) or {}
    return {
        "file": row["filename"],
        "key": _text(row["prompt_key"]),
        "prompt": _text(row["prompt"]) or _text(row["prompt_key"]),
        "tag": _text(row["tag"]),
        "correct": bool(row["correct"]) if isinstance(row["correct"], bool) else None,
        "reason": _text(row["reason"]),
        "asked": found.get("asked", []),
        "boxes": found.get("boxes", []),
        "rewards": [round(row[metric], 6) if math.isfinite(row[metric]) else None for metric in metrics],
        "unscored": _text(row["unscored_rewards"]),
        "seed": found.get("seed") or seed,
        "sample": _whole(row["sample_index"]),
    }


def _questions(run: Run) -> dict[tuple[str, str], list[list[Any]]]:
    """(file name, prompt) -> what was asked of the image, as far as rows tell."""
    frame = None if run.rewards is None else run.rewards.frame
    if frame is None or QUESTIONS not in frame:
        return {}
    columns = (frame[name].tolist() for name in ("filename", "prompt", QUESTIONS))
    return {
        (name, prompt): [[*question[:-1], round(question.p, DECIMALS)] for question in questions]
        for name, prompt, questions in zip(*columns, strict=True)
        if questions
    }


def _objects(path: Path) -> dict[tuple[str, str], Record]:
    """(file name, prompt) -> boxes and asked classes, of the last row of an image that has any.

    What is malformed in them is left out: the verdict stands without.
    """
    found: dict[tuple[str, str], Record] = {}
    rows = read_rows(path)
    names = within_run(rows.texts("filename"), path.parent)
    for key, values in zip(zip(names, rows.optional_texts("prompt"), strict=True), rows.records, strict=True):
        boxes = list(_boxes(values))
        if boxes or key not in found:
            seed = values.get("seed")
            found[key] = {"boxes": boxes, "asked": _asked(values), "seed": "" if seed is None else str(seed)}
    return found


def _boxes(values: Mapping[str, Any]) -> Iterator[list[Any]]:
    colors = json_object(values.get("colors"))
    for name, boxes in json_object(values.get("details")).items():
        answers = _list(colors.get(name))
        for place, box in enumerate(_list(boxes)):
            numbers = _numbers(box, 5)
            if numbers:
                answer = _numbers(answers[place], len(COLORS)) if place < len(answers) else []
                corners = [round(value) for value in numbers[:4]]
                shares = [round(share, DECIMALS) for share in answer]
                yield [name, *corners, round(numbers[4], DECIMALS), shares or None]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _numbers(values: Any, count: int) -> list[float]:
    """``count`` finite numbers, or none at all."""
    if not isinstance(values, list) or len(values) != count:
        return []
    fine = all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
    return values if fine else []


def _asked(values: Mapping[str, Any]) -> list[str]:
    clauses = _list(json_object(values.get("metadata")).get("include"))
    names = [clause.get("class") for clause in clauses if isinstance(clause, dict)]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return None if value is None or value != value else int(value)
