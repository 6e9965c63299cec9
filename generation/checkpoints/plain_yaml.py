"""YAML as OmegaConf reads it, into plain data and nothing else, with bounds on what a file can ask for.

OmegaConf's own loader makes objects that resolve interpolations when they are looked at. What comes out of here is
``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and None, with :class:`Unread` where a file has another tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from generation.checkpoints.kinds import shown
from wire.protocol import UserError

#: MIRO's configurations have 10 kB, 500 nodes and 6 levels.
LARGEST_FILE, MOST_NODES, DEEPEST = 1 << 18, 10_000, 40
#: Longer scalars are text: reading a number takes time that grows with the square of its digits.
LONGEST_NUMBER = 100

#: OmegaConf's floats, which unlike YAML's need no dot: ``1e-9`` is one.
_FLOAT = re.compile(
    r"""^(?:
     [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.X,
)
_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map"))
#: What a scalar raises whose tag promises something else, e.g. ``!!bool 7``, and the scanner for odd escapes.
_WRONG_SCALAR = (ValueError, LookupError, ArithmeticError, TypeError, AttributeError)


class Unread:
    """Stands for a value with a tag that is not plain YAML's; it is refused where it is asked for."""

    def __init__(self, tag: str) -> None:
        self._tag = tag

    def __repr__(self) -> str:
        return ascii(f"<{self._tag}>")[1:-1]


class _Loader(yaml.SafeLoader):
    """Counts nodes and levels while they are composed: the composer recurses, and an alias can repeat what is large."""

    nodes = depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise UserError(
                f"line {self.peek_event().start_mark.line + 1} has a YAML alias, which training writes none of"
            )
        self.nodes, self.depth = self.nodes + 1, self.depth + 1
        if self.nodes > MOST_NODES or self.depth > DEEPEST:
            raise UserError(f"more than {MOST_NODES} values, or more than {DEEPEST} of them inside one another")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Only plain tags, and containers whole at once: what is half made could be met from inside itself."""
        if node.tag not in _KNOWN_TAGS:
            return Unread(node.tag)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag != _TAG + ("map" if isinstance(node, yaml.MappingNode) else "seq"):
            return Unread(node.tag)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        return [self.construct_object(value) for value in node.value]

    def _scalar(self, node: Any) -> Any:
        if node.tag == _TAG + "str" or len(node.value) > LONGEST_NUMBER:
            return node.value
        try:
            return super().construct_object(node)
        except _WRONG_SCALAR:
            return Unread(node.tag)

    def _mapping(self, node: Any) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else Unread(key_node.tag)
            if key in made:
                raise UserError(f"line {key_node.start_mark.line + 1} has the key {shown(key)} a second time")
            made[key] = self.construct_object(value_node)
        return made


_Loader.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+0123456789."))
#: To OmegaConf a date is text.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TAG + "timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def read_mapping(path: Path) -> dict[Any, Any]:
    """The mapping at the top of a YAML file, as plain data.
    Raises UserError: unreadable, not YAML, not a mapping, beyond the bounds, with a key twice or with an alias.
    """
    with _readable(path):
        tree = yaml.load(_text(path), _Loader)  # noqa: S506 - a SafeLoader, and stricter than that
    if not isinstance(tree, dict):
        raise UserError(f"{path}: not a Hydra configuration; expected a mapping at its top")
    return tree


def check_size(path: Path) -> None:
    """See that a YAML file which another reader is to read stays within the bounds, its aliases written out.
    Raises UserError: unreadable, not YAML, or beyond the bounds.
    """
    with _readable(path):
        _written_out(yaml.compose(_text(path), yaml.SafeLoader), {}, DEEPEST)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What is wrong and where, in one line; the parser's own text quotes the file over several."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: not a readable Hydra configuration ({error})") from error
    except (yaml.YAMLError, RecursionError, *_WRONG_SCALAR) as error:
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}: not a readable Hydra configuration ({shown(what)[1:-1]}{place})") from error


def _written_out(node: Any, known: dict[int, int], depth: int) -> int:
    """The number of values under a node; each node is counted once, and added wherever an alias repeats it."""
    if id(node) not in known:
        inside = getattr(node, "value", ())
        if isinstance(node, yaml.MappingNode):
            inside = [part for pair in inside for part in pair]
        elif isinstance(node, yaml.ScalarNode) or node is None:
            inside = ()
        known[id(node)] = MOST_NODES  # met again inside itself
        known[id(node)] = 1 + sum(_written_out(part, known, depth - 1) for part in inside) if depth else MOST_NODES
    if known[id(node)] >= MOST_NODES:
        raise UserError(f"more than {MOST_NODES} values, or more than {DEEPEST} of them inside one another")
    return known[id(node)]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise UserError(f"larger than {LARGEST_FILE} bytes")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(getattr(error, "strerror", None) or "not UTF-8") from error
