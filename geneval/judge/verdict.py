"""The verdict on one image, its reason in the reference implementation's words, and the color answers it rests on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from geneval.judge.boxes import Box, JudgeOptions, relations
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


def color_names(probabilities: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, list[str]]:
    """The likeliest color of each object; the earlier of ``COLORS`` among equals."""
    return {name: [COLORS[row.index(max(row))] for row in rows] for name, rows in probabilities.items()}


def judge(
    objects: Objects, metadata: Mapping[str, Any], colors: Mapping[str, Sequence[str]], options: JudgeOptions
) -> Verdict:
    """Decide one image: all ``include`` clauses of the prompt's line must hold and no ``exclude`` clause may.

    ``objects`` are for each class the detections that count, best first (:func:`select_each`); ``colors`` the color
    names of those that :func:`colors_needed` asks for, in their order. Of the options only ``position_threshold``
    matters here.
    Raises KeyError: a needed color answer is missing.
    """
    groups: Groups = []
    failures: list[str] = []
    for clause in metadata["include"]:
        found = objects.get(clause["class"], ())[: clause["count"]]
        failure = _include_failure(clause, found, groups, colors, options)
        groups.append(None if failure else found)
        failures += [failure] if failure else []
    for clause in metadata.get("exclude", ()):
        number = len(objects.get(clause["class"], ()))
        if number >= clause["count"]:
            failures.append(f"expected {clause['class']}<{clause['count']}, found {number}")
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


def implied_colors(
    metadata: Mapping[str, Any], correct: bool, reason: str, objects: Mapping[str, Sequence[Any]]
) -> dict[str, list[str]]:
    """The color answers that a verdict implies: those its reason lists, else the wanted ones.

    At most one for each of ``objects[class]``, whatever number the text claims. A reason lists how many objects have
    which color, not which object has it: where two clauses on one class imply different answers, or a wrong verdict
    gives no reason, or none that can be read, the class is left out.
    """
    if not correct and not reason.strip():
        return {}
    implied: dict[str, Counter[str]] = {}
    disputed: set[str] = set()
    for clause in metadata["include"]:
        if "color" in clause:
            answers = _answers(clause, reason)
            if not answers or implied.setdefault(clause["class"], answers) != answers:
                disputed.add(clause["class"])
    known = {name: answers for name, answers in implied.items() if name not in disputed}
    return {name: [*islice(answers.elements(), len(objects.get(name, ())))] for name, answers in known.items()}


def _answers(clause: Clause, reason: str) -> Counter[str]:
    """How many objects have which color; empty where the reason's list cannot be read."""
    name, count, color = re.escape(clause["class"]), clause["count"], clause["color"]
    line = re.search(rf"^expected {color} {name}>={count}, found \d+ {color}(?:; and )?(.*)$", reason, re.MULTILINE)
    if line is None:
        return Counter({color: clause["count"]})
    tally = [re.fullmatch(r"(\d{1,9}) (\w+)", part) for part in line[1].split(", ")]
    return Counter({part[2]: int(part[1]) for part in tally if part} if all(tally) else {})
