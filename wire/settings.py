"""A stage's settings as data: what a user reads of each, which values it takes, whether it decides the rows.

Standard library only and Python >= 3.10: each stage has one settings class, used on both sides of the process wall. The
orchestrator makes verbs' options from its fields and plans with it; the worker reads the same class from its job.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wire.errors import UserError

T = TypeVar("T")

#: What a setting decides: the rows' values; how much is made; nothing that could be seen in the rows.
ROWS, EXTENT, IDLE = "rows", "extent", "idle"


@dataclass(frozen=True)
class Option:
    """What there is to know of a setting beyond its name, its type and its default.

    Attributes:
        help: for the user, without the default.
        panel: heading under which a verb's help shows it; none for what verbs take in a way of their own.
        name: of the option, without dashes; by default the field's. One of a list is named in the singular.
        alone: a shorter name, for verbs that work with one stage alone.
        unset: for the user, what holds where nothing is chosen and the option's own default does not say it.
        open: the command line tells a default from a choice.
        choices: words allowed.
        low, high: bounds of a number, both included; None for none.
        metavar: in place of the type.
        parse: from the command line's text to the value; of a mapping, from one ``NAME=VALUE`` to a pair.
        decides: one of ``ROWS``, ``EXTENT``, ``IDLE``.
        compared: two comparable runs share it; part of the protocol in ``run.json``.
        added: came after runs had been recorded: told only where it differs from its default, so that those runs
            stay what they are.
    """

    help: str
    panel: str
    name: str = ""
    alone: str = ""
    unset: str = ""
    open: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    metavar: str | None = None
    parse: Callable[[str], Any] | None = None
    decides: str = ROWS
    compared: bool = True
    added: bool = False


def option(default: Any, help: str, panel: str, **facts: Any) -> Any:  # noqa: A002 - the word users know
    """A dataclass's field that a user can set; ``facts`` are those of :class:`Option`."""
    if facts.get("open") and "unset" not in facts:
        facts["unset"] = f"{default}"
    metadata = {"option": Option(help, panel, **facts)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def group(kind: type[Any]) -> Any:
    """A field that holds settings of its own class; a user sees one list of options."""
    return dataclasses.field(default_factory=kind, metadata={"group": kind})


def options_of(kind: type[Any]) -> dict[str, tuple[dataclasses.Field[Any], Option]]:
    """The fields of a settings class that a user can set, by name."""
    own = {field.name: field for field in dataclasses.fields(kind) if "option" in field.metadata}
    return {name: (field, field.metadata["option"]) for name, field in own.items()}


def flag(name: str, one: Option) -> str:
    """The option as it is typed: ``--batch-size``."""
    return "--" + (one.name or name.replace("_", "-"))


def values(settings: Any, decides: Collection[str] = (ROWS,)) -> dict[str, Any]:
    """Those settings that decide such things, by name; all that came in the course of time only where chosen."""
    return _told(settings, lambda one: one.decides in decides)


def protocol(settings: Any) -> dict[str, Any]:
    """Those settings that comparable runs share, by name."""
    return _told(settings, lambda one: one.compared)


def _told(settings: Any, wanted: Callable[[Option], bool]) -> dict[str, Any]:
    every, chosen = dataclasses.asdict(settings), options_of(type(settings))
    hidden = {name for name, (field, one) in chosen.items() if one.added and every[name] == field.default}
    return {name: every[name] for name, (_, one) in chosen.items() if wanted(one) and name not in hidden}


def read(kind: type[T], record: Mapping[str, Any], what: str) -> T:
    """Settings from a record, unchecked.

    Raises:
        UserError: the record holds something unknown; the message calls it ``what``.
    """
    known = [field.name for field in dataclasses.fields(kind) if field.init]  # type: ignore[arg-type]
    if unknown := [name for name in record if name not in known]:
        raise UserError(f"unknown {what} {unknown[0]!r}: choose from {', '.join(known)}")
    return kind(**record)


def check(settings: Any) -> None:
    """See that every setting has a value of its type, among its choices and within its bounds.

    Raises:
        UserError: one has not; the message names the option.
    """
    for name, (field, one) in options_of(type(settings)).items():
        value, types = getattr(settings, name), kinds(field)
        if types[0] in ("bool", "int", "float", "str") and not _fits(value, types, one):
            raise UserError(f"{flag(name, one)} {value!r}: expected {_expected(types, one)}")


def kinds(field: dataclasses.Field[Any]) -> list[str]:
    """A field's type in parts: ``int | None`` is ``int`` and ``None``."""
    return [part.strip() for part in str(field.type).split("|")]


def _fits(value: Any, types: list[str], one: Option) -> bool:
    if value is None or isinstance(value, bool):
        return ("None" if value is None else "bool") in types
    if isinstance(value, str):
        return "str" in types and (not one.choices or value in one.choices)
    whole = isinstance(value, int) and "int" in types
    if not whole and not (isinstance(value, int | float) and "float" in types and math.isfinite(value)):
        return False
    return (one.low is None or value >= one.low) and (one.high is None or value <= one.high)


def _expected(types: list[str], one: Option) -> str:
    bounds = "" if one.low is None else f", {one.low:g} or more"
    if one.high is not None:
        bounds = f" from {one.low or 0:g} to {one.high:g}"
    words = {"bool": "true or false", "int": f"a whole number{bounds}", "float": f"a number{bounds}", "str": "a text"}
    found = [words[name] for name in types if name in words and not (name == "str" and one.choices)]
    choices = [" or ".join(filter(None, (", ".join(one.choices[:-1]), one.choices[-1])))] if one.choices else []
    return ", or ".join([*found, *choices])
