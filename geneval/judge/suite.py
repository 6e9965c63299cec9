"""What a prompt's metadata must hold for the judge to decide it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wire.class_names import own_name
from wire.vocabulary import COLORS, OBJECT_CLASSES, TAGS

RELATIONS = ("left of", "right of", "above", "below")


def normalise(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A suite's line as the judge reads it: null is absent, and 1.0 is 1, for other tools write them so."""
    line = {key: value for key, value in metadata.items() if value is not None}
    clauses = {key: [*map(_clause, line[key])] for key in ("include", "exclude") if isinstance(line.get(key), list)}
    return line | clauses


def _clause(clause: Any) -> Any:
    if not isinstance(clause, dict):
        return clause
    given = {key: value for key, value in clause.items() if value is not None}
    return {key: [*map(_whole, value)] if isinstance(value, list) else _whole(value) for key, value in given.items()}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_for_geneval(metadata: Mapping[str, Any]) -> bool:
    """Whether a suite's line is meant to be judged by GenEval: without a tag and a list of objects it is only text."""
    return isinstance(metadata.get("tag"), str) and isinstance(metadata.get("include"), list)


def check_metadata(metadata: Mapping[str, Any]) -> str:
    """What is wrong with a suite's line, in a few words; empty when the judge can decide it, once normalised."""
    metadata = normalise(metadata)
    if metadata.get("tag") not in TAGS:
        return f"tag {metadata['tag']!r} is not one of {', '.join(TAGS)}" if "tag" in metadata else 'no "tag"'
    if not isinstance(metadata.get("include"), list):
        return '"include" is not a list' if "include" in metadata else 'no list "include"'
    if not isinstance(metadata.get("exclude", []), list):
        return '"exclude" is not a list'
    clauses = [*enumerate(metadata["include"]), *((0, clause) for clause in metadata.get("exclude", []))]
    return next((fault for index, clause in clauses if (fault := _clause_fault(clause, index))), "")


def _clause_fault(clause: Any, index: int) -> str:
    """``index`` is how many clauses come before it, which its position may name."""
    if not isinstance(clause, dict):
        return f"clause {clause!r} is not an object"
    name, count = clause.get("class"), clause.get("count")
    if name not in OBJECT_CLASSES:
        own = own_name(name) if isinstance(name, str) else ""
        hint = f"; GenEval says {own!r}" if own else ""
        return f"class {name!r} is not one of the detector's {len(OBJECT_CLASSES)}{hint}"
    if not _is_natural(count) or count < 1:
        return f"count {count!r} is not a whole number from 1"
    if "color" in clause and clause["color"] not in COLORS:
        return f"color {clause['color']!r} is not one of {', '.join(COLORS)}"
    if "position" not in clause:
        return ""
    position = clause["position"]
    if not isinstance(position, list) or len(position) != 2 or position[0] not in RELATIONS:
        return f"position {position!r} is not [relation, clause], the relation one of {', '.join(RELATIONS)}"
    if not _is_natural(position[1]) or position[1] >= index:
        return f"position {position!r} names no earlier clause"
    return ""


def _is_natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
