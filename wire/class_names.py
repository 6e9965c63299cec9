"""Boxes under names that the suite does not know: what they should be called, and what they cost.

Standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable

from wire.vocabulary import OBJECT_CLASSES

#: Names of COCO's classes in COCO itself, Pascal VOC, Objects365 and everyday use -> GenEval's.
_ALIASES = {
    "keyboard": "computer keyboard",
    "mouse": "computer mouse",
    "remote": "tv remote",
    "remote control": "tv remote",
    "aeroplane": "airplane",
    "plane": "airplane",
    "motorbike": "motorcycle",
    "bike": "bicycle",
    "sofa": "couch",
    "tv monitor": "tv",
    "television": "tv",
    "hair dryer": "hair drier",
    "doughnut": "donut",
    "mobile phone": "cell phone",
    "fridge": "refrigerator",
}
#: Names written out before the rest is only counted, and letters of each.
NAMED, LETTERS = 8, 40


def class_note(found: Collection[str], lines: Iterable[str]) -> str:
    """One line about classes of boxes that are not GenEval's, nor asked for by the suite; empty where there are none.
    ``found``: names of classes in the rows' ``details``.
    ``lines``: the rows' ``metadata``, as JSON text.
    """
    texts = set(lines)
    strange = sorted(set(found) - set(OBJECT_CLASSES))
    meant = {name: own_name(name) for name in strange if not any(json.dumps(name) in text for text in texts)}
    if not meant:
        return ""
    lost = {f'"{own}"' for own in meant.values() if own and own not in found}
    prompts = sum(any(own in text for own in lost) for text in texts)
    known = [f"{_shown(name)} (GenEval: {own})" for name, own in meant.items() if own]
    unknown = [_shown(name) for name, own in meant.items() if not own]
    parts = _listed(known) + [f"{', '.join(_listed(unknown))} (not in GenEval)"] * bool(unknown)
    cost = f"; prompts that ask for these classes can only fail: {prompts}" if prompts else ""
    return f"boxes under names that the suite does not know: {', '.join(parts)}{cost}"


def own_name(name: str) -> str:
    """What GenEval calls a class of another list; empty where it has none like it."""
    return _OWN.get(_compact(name), "")


def _compact(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


_OWN = {_compact(name): own for name, own in _ALIASES.items()} | {_compact(own): own for own in OBJECT_CLASSES}


def _listed(names: list[str]) -> list[str]:
    return names if len(names) <= NAMED else [*names[:NAMED], f"{len(names) - NAMED} more"]


def _shown(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable())[:LETTERS]
