"""The verdict on one image, and its reason in the reference implementation's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geneval.judge.boxes import Box, relations
from geneval.judge.options import JudgeOptions
from wire.vocabulary import COLORS

Objects = Mapping[str, Sequence[Box]]
Clause = Mapping[str, Any]
#: The objects that met each include clause so far; None for a clause that was not met.
Groups = list[Sequence[Box] | None]


@dataclass(frozen=True)
class Verdict:
    """Whether the image shows what its prompt asks for; ``reason`` has a line for each clause that is not met."""

    correct: bool
    reason: str


def colors_needed(objects: Objects, metadata: Mapping[str, Any]) -> dict[str, int]:
    """How many objects of which class need a color answer: the first so many of ``objects[class]``."""
    needed: dict[str, int] = {}
    for clause in metadata["include"]:
        name, count = clause["class"], clause["count"]
        if "color" in clause and len(objects.get(name, ())) >= count:
            needed[name] = max(count, needed.get(name, 0))
    return needed


def judge(
    objects: Objects, metadata: Mapping[str, Any], colors: Mapping[str, Sequence[str]], options: JudgeOptions
) -> Verdict:
    """Decide one image.

    Args:
        objects: for each class the detections that count, best first (:func:`select_objects`).
        metadata: the prompt's line of the suite: all ``include`` clauses must hold and no ``exclude`` clause may.
        colors: color names of the objects that :func:`colors_needed` asks for, in the objects' order.
        options: thresholds; only ``position_threshold`` matters here.

    Raises:
        KeyError: a needed color answer is missing.
    """
    groups: Groups = []
    failures: list[str] = []
    for clause in metadata["include"]:
        found = objects.get(clause["class"], ())[: clause["count"]]
        failure = _include_failure(clause, found, groups, colors, options)
        groups.append(None if failure else found)
        failures += [failure] if failure else []
    failures += _exclude_failures(objects, metadata.get("exclude", ()))
    return Verdict(not failures, "\n".join(failures))


def _include_failure(
    clause: Clause, found: Sequence[Box], groups: Groups, colors: Mapping[str, Sequence[str]], options: JudgeOptions
) -> str:
    name, count = clause["class"], clause["count"]
    if len(found) < count:
        return f"expected {name}>={count}, found {len(found)}"
    failure = ""
    if "color" in clause:
        failure = _color_failure(clause, colors[name][:count])
    if "position" in clause and not failure:
        failure = _position_failure(clause, found, groups, options)
    return failure


def _color_failure(clause: Clause, answers: Sequence[str]) -> str:
    name, count, wanted = clause["class"], clause["count"], clause["color"]
    right = answers.count(wanted)
    if right >= count:
        return ""
    tally = ", ".join(f"{answers.count(color)} {color}" for color in COLORS if color in answers)
    return f"expected {wanted} {name}>={count}, found {right} {wanted}; and {tally}"


def _position_failure(clause: Clause, found: Sequence[Box], groups: Groups, options: JudgeOptions) -> str:
    name, (wanted, group) = clause["class"], clause["position"]
    targets = groups[group]
    if targets is None:
        return f"no target for {name} to be {wanted}"
    for box in found:
        for target in targets:
            actual = relations(box, target, options.position_threshold)
            if wanted not in actual:
                return f"expected {name} {wanted} target, found {' and '.join(actual)} target"
    return ""


def _exclude_failures(objects: Objects, clauses: Sequence[Clause]) -> list[str]:
    counts = [(clause["class"], clause["count"], len(objects.get(clause["class"], ()))) for clause in clauses]
    return [f"expected {name}<{count}, found {found}" for name, count, found in counts if found >= count]
