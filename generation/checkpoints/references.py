"""Plain references between values of a configuration, ``${model.sigma_data}``, and nothing else that Hydra resolves.

OmegaConf's resolvers are functions that a configuration calls: they read the environment (``oc.env``), make nodes out
of text (``oc.create``, ``oc.decode``), evaluate. An escaped interpolation is text until something resolves it a second
time. So nothing is handed to OmegaConf here, and no ``${`` is left in what comes out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from generation.checkpoints.kinds import shown, shown_key
from wire.protocol import UserError

#: What one value may grow to: nodes, levels, and characters of a text in it.
MOST_NODES, DEEPEST, LONGEST_TEXT = 10_000, 60, 4_000

#: The names are keys of mappings, from the top of the file: MIRO's configurations use no other form.
_REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}", re.ASCII)
#: OmegaConf's mark for a value that must be set.
_MISSING = "???"


@dataclass(frozen=True)
class _Spot:
    """Where a value is wanted: its dotted key, the references that led there, and how deep it is."""

    place: str
    trail: tuple[str, ...] = ()
    depth: int = 0

    def inside(self, name: object) -> _Spot:
        return replace(self, place=f"{self.place}.{name}", depth=self.depth + 1)

    def via(self, key: str) -> _Spot:
        if key in self.trail:
            raise UserError(f"{shown_key(self.place)} refers to itself, by {shown(key)}")
        return replace(self, trail=(*self.trail, key), depth=self.depth + 1)


class References:
    """A tree of plain data, from which values are copied with their references replaced."""

    def __init__(self, tree: dict[Any, Any]) -> None:
        self._tree, self._nodes = tree, 0

    def value(self, key: str) -> Any:
        """The value under a dotted key, without references; None where it is absent, null or not set yet.
        Raises UserError: names the key at which something else than a plain reference is, or one that leads nowhere.
        """
        self._nodes = 0
        spot = _Spot(key)
        found, value = self._find(key, spot)
        return self._copy(value, spot) if found and value != _MISSING else None

    def _find(self, key: str, spot: _Spot) -> tuple[bool, Any]:
        """Whether there is such a key, and its value as it stands; sections on the way may themselves be references."""
        node: Any = self._tree
        for name in key.split("."):
            if isinstance(node, str) and "${" in node:
                node = self._copy(node, spot)
            if not isinstance(node, dict) or name not in node:
                return False, None
            node = node[name]
        return True, node

    def _copy(self, value: Any, spot: _Spot) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES or spot.depth > DEEPEST:
            raise _too_large(spot)
        if isinstance(value, dict):
            return {_plain_key(key, spot): self._copy(inner, spot.inside(key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._copy(inner, spot.inside(index)) for index, inner in enumerate(value)]
        if isinstance(value, str):
            return self._text(value, spot)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        raise UserError(f"{shown_key(spot.place)} is {shown(value)}, which is no plain value")

    def _text(self, text: str, spot: _Spot) -> Any:
        if text == _MISSING:
            raise UserError(f"{shown_key(spot.place)} is {_MISSING}: set it")
        if len(text) > LONGEST_TEXT:
            raise _too_large(spot)
        if "${" not in text:
            return text
        whole = _REFERENCE.fullmatch(text)
        return self._follow(whole[1], spot) if whole else self._joined(text, spot)

    def _follow(self, key: str, spot: _Spot) -> Any:
        further = spot.via(key)
        found, value = self._find(key, further)
        if not found:
            raise UserError(f"{shown_key(spot.place)} refers to {shown(key)}, which is not there")
        return self._copy(value, further)

    def _joined(self, text: str, spot: _Spot) -> str:
        """Text with references inside; what they are replaced by must not make up new ones with what is around."""
        parts: list[Any] = _REFERENCE.split(text)
        if "\\" in text or any("${" in part for part in parts[::2]):
            raise _refusal(text, spot)
        for place, key in list(enumerate(parts))[1::2]:
            value = self._follow(key, spot)
            if value is None or isinstance(value, (dict, list)):
                raise UserError(f"{shown_key(spot.place)} has {shown(key)} inside a text, which is no text or number")
            parts[place] = str(value)
        if sum(map(len, parts)) > LONGEST_TEXT:
            raise _too_large(spot)
        joined = "".join(parts)
        if "${" in joined:
            raise _refusal(text, spot)
        return joined


def _plain_key(key: Any, spot: _Spot) -> str:
    if not isinstance(key, str):
        raise UserError(f"{shown_key(spot.place)} has the key {shown(key)}, which is no text")
    if "${" in key:
        raise _refusal(key, spot)
    return key


def _too_large(spot: _Spot) -> UserError:
    return UserError(f"{shown_key(spot.place)} grows beyond what a configuration holds")


def _refusal(text: str, spot: _Spot) -> UserError:
    return UserError(
        f"{shown_key(spot.place)} cannot be resolved: refused, because {shown(text)} is not a plain reference to a "
        "value of the file; write the value itself, or, if you trust where it comes from, pass --trust-checkpoint"
    )
