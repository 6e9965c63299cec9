"""A stage's settings as data: what a user reads of each, which values it takes, whether it decides the rows.

Standard library only and Python >= 3.10: each stage has one settings class, used on both sides of the process wall. The
orchestrator makes verbs' options from its fields and plans with it; the worker reads the same class from its job.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, TypeVar

from wire.errors import UserError

T = TypeVar("T")

#: What a setting decides: the rows' values; how much is made; nothing that could be seen in the rows.
ROWS, EXTENT, IDLE = "rows", "extent", "idle"


@dataclass(frozen=True)
class Option:
    """What there is to know of a setting beyond its name, its type and its default."""

    help: str  #: for the user, without the default
    panel: str  #: heading under which a verb's help shows it; none for what verbs take in a way of their own
    name: str = ""  #: of the option, without dashes; by default the field's. One of a list is named in the singular.
    alone: str = ""  #: a shorter name, for verbs that work with one stage alone
    unset: str = ""  #: for the user, what holds where nothing is chosen and the option's own default does not say it
    open: bool = False  #: the command line tells a default from a choice
    choices: tuple[str, ...] = ()
    #: low, high: bounds of a number, both included; None for none.
    low: float | None = None
    high: float | None = None
    metavar: str | None = None
    #: From the command line's text to the value; of a mapping, from one ``NAME=VALUE`` to a pair.
    parse: Callable[[str], Any] | None = None
    decides: str = ROWS  #: one of ``ROWS``, ``EXTENT``, ``IDLE``
    #: Two comparable runs share it, as ``run.json``'s protocol says; None: if it decides the rows.
    compared: bool | None = None
    #: Came after runs had been recorded: written only where it differs from its default, so that those runs stay what
    #: they are.
    added: bool = False


def option(default: Any, help: str, panel: str, **facts: Any) -> Any:  # noqa: A002 - the word users know
    """A dataclass's field that a user can set; ``facts`` are those of :class:`Option`."""
    if facts.get("open"):
        facts.setdefault("unset", str(default))
    known = {"option": Option(help, panel, **facts)}
    return field(default_factory=dict, metadata=known) if default == {} else field(default=default, metadata=known)


def group(kind: type[Any]) -> Any:
    """A field that holds settings of its own class; a user sees one list of options."""
    return field(default_factory=kind, metadata={"group": kind})


def options_of(settings: Any) -> list[tuple[Field[Any], Option]]:
    """The fields of a settings class, or of settings, that a user can set."""
    return [(one, one.metadata["option"]) for one in fields(settings) if "option" in one.metadata]


def flag(setting: Field[Any]) -> str:
    """The option as it is typed: ``--batch-size``."""
    return "--" + (setting.metadata["option"].name or setting.name.replace("_", "-"))


def pair(flag: str, form: str, value: Callable[[str], Any] = str) -> Callable[[str], tuple[str, Any]]:
    """What parses one ``NAME=VALUE`` of a mapping; ``form`` is for the user whose text is of another."""

    def parse(text: str) -> tuple[str, Any]:
        name, _, given = text.partition("=")
        try:
            if name and given:
                return name.removeprefix("--"), value(given)
        except ValueError:
            pass
        raise UserError(f"{flag} {text!r}: expected {form}")

    return parse


def mapping(flag: str, parse: Callable[[str], tuple[str, Any]], given: Iterable[str]) -> dict[str, Any]:
    """An option that may be given several times, each with another name; a UserError where one is given twice."""
    found: dict[str, Any] = {}
    for name, value in map(parse, given):
        if name in found:
            raise UserError(f"{flag} {name}: given twice; keep one of them")
        found[name] = value
    return found


def values(settings: Any, decides: Collection[str] = (ROWS,)) -> dict[str, Any]:
    """Those settings that decide such things, by name."""
    return _chosen(settings, lambda one: one.decides in decides)


def protocol(settings: Any) -> dict[str, Any]:
    """Those settings that comparable runs share, by name."""
    return _chosen(settings, lambda one: one.decides == ROWS if one.compared is None else one.compared)


def _chosen(settings: Any, wanted: Callable[[Option], bool]) -> dict[str, Any]:
    every, known = asdict(settings), [(its.name, its.default, one) for its, one in options_of(settings) if wanted(one)]
    return {name: every[name] for name, default, one in known if not (one.added and every[name] == default)}


def read(kind: type[T], record: Mapping[str, Any], what: str) -> T:
    """Settings from a record, unchecked.
    Raises UserError: the record holds something unknown; the message calls it ``what``.
    """
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    if unknown := [name for name in record if name not in known]:
        raise UserError(f"unknown {what} {unknown[0]!r}: choose from {', '.join(known)}")
    return kind(**record)


def check(settings: Any) -> None:
    """See that every setting has a value of its type, among its choices and within its bounds.
    Raises UserError: one has not; the message names the option.
    """
    for fault in faults(settings):
        raise UserError(fault)


def faults(settings: Any) -> Iterator[str]:
    """What :func:`check` finds wrong, all of it: a line for each setting that names the option."""
    for setting, one in options_of(settings):
        value, types = getattr(settings, setting.name), kinds(setting)
        if not _fits(value, types, one):
            yield f"{flag(setting)} {value!r}: expected {_expected(types, one)}"


def kinds(setting: Field[Any]) -> list[str]:
    """A field's type in parts: ``int | None`` is ``int`` and ``None``, any mapping is ``dict``."""
    return [part.strip().partition("[")[0] for part in str(setting.type).split("|")]


def _fits(value: Any, types: list[str], one: Option) -> bool:
    """Lists and mappings have checks of their own."""
    if types[0] in ("dict", "tuple"):
        return True
    if value is None or isinstance(value, bool):
        return ("None" if value is None else "bool") in types
    if isinstance(value, str):
        return "str" in types and (not one.choices or value in one.choices)
    whole = isinstance(value, int) and "int" in types
    number = "float" in types and (isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)))
    if not whole and not number:
        return False
    return (one.low is None or value >= one.low) and (one.high is None or value <= one.high)


def _expected(types: list[str], one: Option) -> str:
    bounds = "" if one.low is None else f", {one.low:g} or more"
    if one.high is not None:
        bounds = f" from {one.low or 0:g} to {one.high:g}"
    choices = ", ".join(one.choices[:-1]) + " or " * (len(one.choices) > 1) + "".join(one.choices[-1:])
    words = {"bool": "true or false", "int": f"a whole number{bounds}", "float": f"a number{bounds}"}
    return ", or ".join(words.get(name, choices or "a text") for name in types if name != "None")
