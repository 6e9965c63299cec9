"""What a value of a training configuration may be, so that nothing else reaches the code that uses it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wire.protocol import UserError

#: Characters of a value or a key that an error shows.
SHOWN = 60
#: Far above any MIRO: a width, and a number of layers. A typing error should not fill the memory.
LARGEST_SIZE, LARGEST_COUNT = 1 << 16, 1 << 10
LARGEST_NUMBER = 1e9
LONGEST_TEXT, LONGEST_LIST = 1000, 64

_NAME = re.compile(r"[A-Za-z][\w-]{0,99}", re.ASCII)
_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,99}/[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
#: Of a branch, a tag, a subfolder: no part starts with a dot, so none leads out of the repository.
_INSIDE_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,99}(/[A-Za-z0-9][\w.-]{0,99}){0,9}", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """One kind of value; ``name`` is what an error says was expected."""

    name: str
    accepts: Callable[[Any], bool]

    def check(self, value: Any, key: str) -> None:
        """Refuse any other kind with a UserError that names the key."""
        if not self.accepts(value):
            raise UserError(f"{shown_key(key)} is {shown(value)}; expected {self.name}")


def shown(value: Any) -> str:
    """A value as an error shows it: short, in ASCII, and never the content of a container."""
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = ascii(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def shown_key(key: str) -> str:
    """A dotted key as an error shows it: its end is cut, where it is long."""
    text = ascii(key)[1:-1]
    return text if len(text) <= 3 * SHOWN else text[: 3 * SHOWN] + "..."


def choice(*values: Any) -> Kind:
    """Exactly one of these, of the same type: true is not 1."""
    allowed = {(type(value), value) for value in values}
    return Kind(
        " or ".join(map(str, values)),
        lambda value: isinstance(value, (bool, int, float, str)) and (type(value), value) in allowed,
    )


def optional(kind: Kind) -> Kind:
    """A kind that also takes null."""
    return Kind(f"{kind.name} or null", lambda value: value is None or kind.accepts(value))


def list_of(kind: Kind, name: str) -> Kind:
    """A list, of no unreasonable length, of values of one kind."""

    def accepts(value: Any) -> bool:
        return isinstance(value, list) and len(value) <= LONGEST_LIST and all(map(kind.accepts, value))

    return Kind(name, accepts)


def _is_targets(value: Any) -> bool:
    fits = isinstance(value, dict) and len(value) <= LONGEST_LIST
    return fits and all(NAME.accepts(name) and NUMBER.accepts(number) for name, number in value.items())


def is_folder(text: str) -> bool:
    """Whether there is a folder of this name; text that cannot be a name is none."""
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):
        return False


def _whole(lowest: int, highest: int) -> Kind:
    return Kind(
        f"a whole number from {lowest} to {highest}", lambda value: type(value) is int and lowest <= value <= highest
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST_NUMBER and math.isfinite(value)


def _text(name: str, pattern: re.Pattern[str]) -> Kind:
    return Kind(name, lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None)


def _is_text(value: Any) -> bool:
    """Printable, so that halves of characters, which no file can hold, are none."""
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()


def _is_pretrained(value: Any) -> bool:
    """A folder, or what the hub takes for a repository; a file of that name would be opened instead of either."""
    if not _is_text(value) or not value:
        return False
    return is_folder(value) or (_REPO_ID.fullmatch(value) is not None and not Path(value).exists())


SIZE = _whole(1, LARGEST_SIZE)
COUNT = _whole(0, LARGEST_COUNT)
INDEX = _whole(-LARGEST_COUNT, LARGEST_COUNT)
NUMBER = Kind("a finite number", _is_number)
SHARE = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
TEXT = Kind("a short text of printable characters", _is_text)
NAME = _text("a name", _NAME)
NAMES = list_of(NAME, "a list of names")
TARGETS = Kind("a mapping from names to numbers", _is_targets)
_NUMBERS = list_of(NUMBER, "a list of numbers")
DECAYS = Kind(f"{NUMBER.name} or {_NUMBERS.name}", lambda value: NUMBER.accepts(value) or _NUMBERS.accepts(value))
PRETRAINED = Kind("owner/name of a hub repository, or a folder", _is_pretrained)
INSIDE_REPO = optional(_text("a name in a hub repository", _INSIDE_REPO))
