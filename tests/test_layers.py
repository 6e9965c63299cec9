"""The plan of the house: which part may import which. Every arrow runs down, and there is no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Parts by floor; a part imports only what lies on a lower one. The stages share a floor: they do not know each other.
FLOORS = (("wire",), ("generation", "geneval", "rewards"), ("reports",), ("harness",), ("miro_eval",), ("bench",))
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
#: The most rooms, folders and lone files, that may lie directly inside a part.
ROOMS = {"harness": 12, "reports": 15}


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of ours."""
    files = [*ROOT.glob("*.py"), *(file for part in FLOOR for file in (ROOT / part).rglob("*.py"))]
    named = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}
    return {name: file for name, file in named.items() if part_of(name) in FLOOR}


def part_of(module: str) -> str:
    return module.partition(".")[0]


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imported(file: Path) -> Iterator[str]:
    """Every module of ours that a file imports, in functions too; what only type checkers import does not count."""
    for node in running(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from inside & modules().keys()
            if node.module in modules() and not inside <= modules().keys():
                yield node.module


def running(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from running(node)


@cache
def arrows() -> frozenset[tuple[str, str]]:
    return frozenset((name, other) for name, file in modules().items() for other in imported(file) if other != name)


def test_every_arrow_between_parts_runs_down() -> None:
    crossing = [(here, there) for here, there in arrows() if part_of(here) != part_of(there)]
    assert len(crossing) > 100
    assert [(here, there) for here, there in crossing if FLOOR[part_of(here)] <= FLOOR[part_of(there)]] == []


def test_reports_know_no_stage() -> None:
    stages = FLOORS[1]
    assert [arrow for arrow in arrows() if part_of(arrow[0]) == "reports" and part_of(arrow[1]) in stages] == []


@pytest.mark.parametrize("unit", [lambda name: name, room_of, part_of], ids=["modules", "rooms", "parts"])
def test_there_is_no_circle(unit: object) -> None:
    assert callable(unit)
    graph: dict[str, set[str]] = {}
    for here, there in arrows():
        if unit(here) != unit(there) and not here.startswith(f"{there}."):
            graph.setdefault(unit(here), set()).add(unit(there))
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("part", ROOMS)
def test_a_part_has_few_rooms(part: str) -> None:
    inside = {room_of(name) for name in modules() if part_of(name) == part} - {part}
    assert len(inside) <= ROOMS[part], sorted(inside)


def test_an_import_against_the_rule_would_be_seen(tmp_path: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import harness.cli\n"
    (tmp_path / "a.py").write_text(source + "def f():\n    from harness import plan\n    import wire.errors\n")
    assert set(imported(tmp_path / "a.py")) == {"harness.plan", "wire.errors"}
