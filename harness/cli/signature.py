"""A verb's options are made from the settings classes it takes: each fact about an option stands in its class alone.

    @takes_settings
    def generate(generation: GenerationSettings, run: Annotated[RunSettings, without("env_backend")], out: Out = None)

offers an option for each setting, and calls the function with the settings made of what was chosen. A parameter's
default is where the options' defaults come from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Annotated, Any, get_args, get_origin

import typer

from wire.errors import UserError
from wire.settings import Option, flag, kinds, mapping, options_of

_keyword = partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
#: Digits; Python itself refuses to read more than 4,300.
LONGEST_NUMBER = 18
_TYPES: dict[str, Any] = {"bool": bool, "int": int, "float": float, "str": str}


#: Whether a verb offers a settings class's field of that name.
Wanted = Callable[[str], bool]


def only(*names: str) -> Wanted:
    """These settings alone."""
    return lambda name: name in names


def without(*names: str) -> Wanted:
    """All settings but these."""
    return lambda name: name not in names


@dataclass(frozen=True)
class _Choice:
    """One setting as an option: its field, what is known of it, and what the option is where it is not given."""

    field: Field[Any]
    option: Option
    default: Any

    @property
    def label(self) -> str:
        return flag(self.field)[2:].replace("-", "_")

    def parameter(self, taken: set[str]) -> inspect.Parameter:
        """The option as the command-line library reads it; ``taken`` are names that other options have."""
        one, types = self.option, [name for name in kinds(self.field) if name != "None"]
        short = [f"--{one.alone}"] if one.alone and one.alone not in taken else []
        kind: Any = list[str] if self.default == [] else str if one.parse else _TYPES[types[-1 if one.choices else 0]]
        shown = typer.Option(
            *short,
            *([flag(self.field)] if one.name else []),
            help=one.help + (f" [default: {one.unset}]" if one.unset and self.default in (None, []) else ""),
            min=int(one.low) if one.low is not None and kind is int else None,
            metavar=one.metavar,
            rich_help_panel=one.panel,
        )
        kind = kind | None if self.default is None else kind
        return _keyword(self.label, default=self.default, annotation=Annotated[kind, shown])

    def value(self, given: Any) -> Any:
        """What was chosen, as the settings class has it."""
        parse: Any = self.option.parse
        if isinstance(given, list):
            return mapping(flag(self.field), parse, given) if parse else tuple(given)
        if isinstance(given, str) and given.isdecimal() and "int" in kinds(self.field):
            if len(given) > LONGEST_NUMBER:
                raise UserError(f"{flag(self.field)}: a number of {len(given)} digits; expected a smaller one")
            return int(given)
        return parse(given) if parse else given

    def is_made(self, given: Any) -> bool:
        """Whether the settings class's own default gives way: None is a choice where the class knows it."""
        return "None" in kinds(self.field) if given is None else given != []


@dataclass(frozen=True)
class _Settings:
    """A settings class that a verb takes, with the classes inside it."""

    make: Callable[..., Any]
    choices: list[_Choice]
    inside: Mapping[str, _Settings]

    @classmethod
    def of(cls, kind: type[Any], wanted: Wanted, base: Any = None) -> _Settings:
        chosen = [(field, one) for field, one in options_of(kind) if wanted(field.name) and one.panel]
        choices = [_Choice(field, one, _default(field, one, base)) for field, one in chosen]
        groups = {one.name: cls.of(one.metadata["group"], wanted) for one in fields(kind) if "group" in one.metadata}
        make = getattr(kind, "from_options", kind) if base is None else lambda **given: replace(base, **given)
        return cls(make, choices, {name: group for name, group in groups.items() if [*group.all()]})

    def all(self) -> Iterator[_Choice]:
        yield from self.choices
        for group in self.inside.values():
            yield from group.all()

    def made(self, given: Mapping[str, Any]) -> Any:
        """The settings, of the verb's options by name. Raises UserError: one has no fit value."""
        chosen = {one.field.name: one.value(given[one.label]) for one in self.choices if one.is_made(given[one.label])}
        settings = self.make(**chosen, **{name: group.made(given) for name, group in self.inside.items()})
        if hasattr(settings, "check"):
            settings.check()
        return settings


def _default(field: Field[Any], one: Option, base: Any) -> Any:
    """The option's default: nothing, where the help says what that means; text, of what is parsed."""
    types = kinds(field)
    if types[0] in ("dict", "tuple"):
        return "" if one.parse and types[0] == "tuple" else []
    if base is None and one.open:
        return None
    default = field.default if base is None else getattr(base, field.name)
    return str(default) if "str" in types and default is not None else default


def takes_settings(function: Callable[..., None]) -> Callable[..., None]:
    """The function with an option for each setting of the classes that its parameters are annotated with."""
    groups: dict[str, _Settings] = {}
    own: list[inspect.Parameter] = []
    for one in inspect.signature(function, eval_str=True).parameters.values():
        kind, *notes = get_args(one.annotation) if get_origin(one.annotation) is Annotated else (one.annotation,)
        if isinstance(kind, type) and is_dataclass(kind):
            base = None if one.default is one.empty else one.default
            groups[one.name] = _Settings.of(kind, notes[0] if notes else without(), base)
        else:
            own.append(one.replace(kind=one.KEYWORD_ONLY))
    choices = [choice for group in groups.values() for choice in group.all()]
    taken = {flag(choice.field)[2:] for choice in choices}

    def verb(**given: Any) -> None:
        settings = {name: group.made(given) for name, group in groups.items()}
        function(**settings, **{one.name: given[one.name] for one in own})

    verb.__doc__, verb.__name__, verb.__module__ = function.__doc__, function.__name__, function.__module__
    verb.__annotations__ = {}
    parameters = [*(choice.parameter(taken) for choice in choices), *own]
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return verb
