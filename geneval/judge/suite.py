"""What a prompt's metadata must hold for the judge to decide it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wire.vocabulary import COLORS, OBJECT_CLASSES

RELATIONS = ("left of", "right of", "above", "below")


def check_metadata(metadata: Mapping[str, Any]) -> str:
    """What is wrong with a suite's line, in a few words; empty when the judge can decide it."""
    if not isinstance(metadata.get("tag"), str):
        return 'no "tag"'
    if not isinstance(metadata.get("include"), list):
        return 'no list "include"'
    if not isinstance(metadata.get("exclude", []), list):
        return '"exclude" is not a list'
    clauses = [*enumerate(metadata["include"]), *((0, clause) for clause in metadata.get("exclude", []))]
    return next((fault for index, clause in clauses if (fault := _clause_fault(clause, index))), "")


def _clause_fault(clause: Any, index: int) -> str:
    if not isinstance(clause, dict):
        return f"clause {clause!r} is not an object"
    if clause.get("class") not in OBJECT_CLASSES:
        return f"class {clause.get('class')!r} is not one of the detector's {len(OBJECT_CLASSES)}"
    if not _is_natural(clause.get("count"), 1):
        return f"count {clause.get('count')!r} is not a whole number from 1"
    if "color" in clause and clause["color"] not in COLORS:
        return f"color {clause['color']!r} is not one of {', '.join(COLORS)}"
    return _position_fault(clause["position"], index) if "position" in clause else ""


def _position_fault(position: Any, index: int) -> str:
    if not isinstance(position, list) or len(position) != 2 or position[0] not in RELATIONS:
        return f"position {position!r} is not [relation, clause], the relation one of {', '.join(RELATIONS)}"
    if not _is_natural(position[1], 0) or position[1] >= index:
        return f"position {position!r} names no earlier clause"
    return ""


def _is_natural(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
