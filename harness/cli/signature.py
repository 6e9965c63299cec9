"""A verb's options are made from the settings classes it takes: each fact about an option stands in its class alone.

    @takes_settings
    def generate(generation: GenerationSettings, run: Annotated[RunSettings, without("env_backend")], out: Out = None)

offers an option for each setting, and calls the function with the settings made from what was chosen. A default of the
parameter is where the options' defaults come from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Annotated, Any, get_args, get_origin

import typer

from wire.settings import Option, kinds, options_of

_TYPES: dict[str, Any] = {"bool": bool, "int": int, "float": float, "str": str}


@dataclass(frozen=True)
class Fields:
    """Which fields of a settings class a verb offers: those named, or all others."""

    names: frozenset[str] = frozenset()
    offered: bool = False

    def __contains__(self, name: object) -> bool:
        return (name in self.names) == self.offered


def only(*names: str) -> Fields:
    """These settings alone."""
    return Fields(frozenset(names), offered=True)


def without(*names: str) -> Fields:
    """All settings but these."""
    return Fields(frozenset(names))


@dataclass(frozen=True)
class _Setting:
    """One field of a settings class as an option."""

    name: str
    types: tuple[str, ...]
    option: Option
    default: Any

    @property
    def label(self) -> str:
        return (self.option.name or self.name).replace("-", "_")

    @property
    def repeatable(self) -> bool:
        return self.types[0].startswith("dict") or (self.types[0].startswith("tuple") and not self.option.parse)

    def parameter(self, taken: set[str]) -> inspect.Parameter:
        one, whole = self.option, self.types[0] == "int" and not self.option.parse
        names = [f"--{name}" for name in (one.alone, one.name) if name and (name != one.alone or name not in taken)]
        text = one.help + (f" [default: {one.unset}]" if one.unset and self.default in (None, []) else "")
        low, high = (None if bound is None or not whole else int(bound) for bound in (one.low, one.high))
        shown = typer.Option(*names, help=text, min=low, max=high, metavar=one.metavar, rich_help_panel=one.panel)
        return inspect.Parameter(
            self.label, inspect.Parameter.KEYWORD_ONLY, default=self.default, annotation=Annotated[self._type, shown]
        )

    @property
    def _type(self) -> Any:
        if self.repeatable:
            return list[str]
        if self.option.parse:
            return str
        kind = _TYPES[self.types[0]]
        return kind | None if self.default is None else kind

    def value(self, given: Any) -> Any:
        """What was chosen, as the settings class has it."""
        parse = self.option.parse
        if self.repeatable:
            return dict(map(parse, given)) if parse else tuple(given)
        return parse(given) if parse else given

    def is_chosen(self, given: Any) -> bool:
        """Whether the settings class's own default gives way; None is a choice where the class knows it."""
        return "None" in self.types if given is None else given != []


@dataclass(frozen=True)
class _Group:
    """A settings class that a verb takes, with those inside it."""

    kind: type[Any]
    settings: tuple[_Setting, ...]
    inside: Mapping[str, _Group] = field(default_factory=dict)
    base: Any = None

    def all(self) -> Iterator[_Setting]:
        yield from self.settings
        for group in self.inside.values():
            yield from group.all()

    def make(self, given: Mapping[str, Any]) -> Any:
        """The settings from the verb's options by name."""
        chosen = {one.name: one.value(given[one.label]) for one in self.settings if one.is_chosen(given[one.label])}
        chosen |= {name: group.make(given) for name, group in self.inside.items()}
        if self.base is not None:
            return replace(self.base, **chosen)
        make: Callable[..., Any] = getattr(self.kind, "from_options", self.kind)
        return make(**chosen)


def _group(kind: type[Any], offered: Fields, base: Any = None) -> _Group:
    found = {name: (declared, one) for name, (declared, one) in options_of(kind).items() if one.panel}
    settings = tuple(
        _Setting(name, tuple(kinds(declared)), one, _default(declared, one, base))
        for name, (declared, one) in found.items()
        if name in offered
    )
    inside = {one.name: _group(one.metadata["group"], offered) for one in fields(kind) if "group" in one.metadata}
    return _Group(kind, settings, {name: group for name, group in inside.items() if [*group.all()]}, base)


def _default(declared: Any, one: Option, base: Any) -> Any:
    """The option's default: of a list none, for its own says what that means; of what is parsed, text."""
    types = kinds(declared)
    if types[0].startswith(("tuple", "dict")):
        return "" if one.parse and types[0].startswith("tuple") else []
    if base is None and one.open:
        return None
    value = declared.default if base is None else getattr(base, declared.name)
    return str(value) if one.parse else value


def takes_settings(function: Callable[..., None]) -> Callable[..., None]:
    """The function with an option for each setting of the classes that its parameters are annotated with."""
    groups: dict[str, _Group] = {}
    own: list[inspect.Parameter] = []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        kind, offered = _annotated(parameter.annotation)
        if is_dataclass(kind) and isinstance(kind, type):
            base = None if parameter.default is parameter.empty else parameter.default
            groups[parameter.name] = _group(kind, offered, base)
        else:
            own.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    settings = [one for group in groups.values() for one in group.all()]
    taken = {(one.option.name or one.name).replace("_", "-") for one in settings} | {one.name for one in own}

    def verb(**given: Any) -> None:
        made = {name: group.make(given) for name, group in groups.items()}
        function(**made, **{one.name: given[one.name] for one in own})

    verb.__doc__, verb.__name__, verb.__module__ = function.__doc__, function.__name__, function.__module__
    verb.__annotations__ = {}
    parameters = [*(one.parameter(taken) for one in settings), *own]
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return verb


def _annotated(annotation: Any) -> tuple[Any, Fields]:
    if get_origin(annotation) is not Annotated:
        return annotation, Fields()
    kind, *notes = get_args(annotation)
    return kind, next((note for note in notes if isinstance(note, Fields)), Fields())
