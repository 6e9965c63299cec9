"""Accuracy by what a prompt asks for: object class, relation, color, count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reports.analysis.findings import Finding
from reports.read.rows import json_object
from reports.statistics.clusters import Clusters
from reports.statistics.intervals import mean_interval

if TYPE_CHECKING:
    import pandas as pd


def breakdown(verdicts: pd.DataFrame | None) -> Iterator[Finding]:
    """Accuracy with its interval over prompts, best first; prompts whose metadata say nothing are left out.

    An image counts for each class, relation and color of its prompt: the verdict is on the whole image, so that
    a class shares in the failures of those it is asked for with.
    """
    if verdicts is None:
        return
    scored = verdicts[verdicts["correct"].notna()]
    asked: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for prompt, metadata, correct in zip(scored["prompt_key"], scored["metadata"], scored["correct"], strict=True):
        for subject in dict.fromkeys(_asked(metadata)):
            asked.setdefault(subject, []).append((prompt, float(correct)))
    for analysis in ("class", "relation", "color", "count"):
        own = [_finding(analysis, name, images) for (kind, name), images in asked.items() if kind == analysis]
        yield from sorted(own, key=lambda one: (-one.value, one.subject))


def _asked(metadata: str) -> Iterator[tuple[str, str]]:
    """(analysis, subject) of each clause of a prompt."""
    record = json_object(metadata)
    clauses = record.get("include")
    for clause in clauses if isinstance(clauses, list) else []:
        if not isinstance(clause, dict):
            continue
        yield from _texts("class", clause.get("class"))
        yield from _texts("color", clause.get("color"))
        position = clause.get("position")
        yield from _texts("relation", position[0] if isinstance(position, list) and position else None)
        if record.get("tag") == "counting" and isinstance(clause.get("count"), int):
            yield "count", str(clause["count"])


def _texts(analysis: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield analysis, value


def _finding(analysis: str, subject: str, images: list[tuple[str, float]]) -> Finding:
    prompts, correct = zip(*images, strict=True)
    interval = mean_interval(Clusters.gather(prompts, [""] * len(images), correct), proportion=True)
    accuracy = sum(correct) / len(images)
    if interval is None:
        return Finding(analysis, subject, "accuracy", accuracy, len(images))
    return Finding(analysis, subject, "accuracy", accuracy, len(images), low=interval.low, high=interval.high)
