"""A grid over a checkpoint's protocol: what ``sweep`` varies, read and checked before anything is made."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from generation.checkpoint_kinds import CheckpointSource
from generation.released import reward_axes
from harness.plan.open import Model
from harness.run.settings import GenerationSettings
from wire.errors import UserError
from wire.settings import ROWS, kinds, options_of

#: Most runs one command may ask for by a grid: a mistyped step should not start a year's work.
MOST_POINTS = 1000
#: Whole numbers below it are exact as 64-bit floats.
EXACT = 2**53
#: In front of the name of a negative reward target.
NEGATIVE = "negative."
#: The option under which every name is a reward target's.
TARGET_FLAG = "--reward-target"
#: What values of tied fields may be written in.
VARIABLE = "t"
TARGETS, NEGATIVE_TARGETS = "reward_targets", "negative_reward_targets"
_FORM = "expected FIELD=FROM:TO:STEP or FIELD=A,B,C, e.g. guidance_scale=0:30:2 or aesthetic_score=0:1:0.125"
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
#: ``t``, ``1-t``, ``0.5*t``, ``0.2+0.5*t``.
_LINEAR = re.compile(rf"(?:(?P<start>{_NUMBER})(?P<sign>[+-]))?(?:(?P<slope>{_NUMBER})\*)?{VARIABLE}")

Value = float | int | str | bool


def _varying() -> dict[str, str]:
    """Settings that can vary -> kind: those that decide the images and that are of the sampling."""
    chosen = (one for one, option in options_of(GenerationSettings) if option.decides == ROWS)
    return {one.name: kinds(one)[0] for one in chosen if one.metadata["option"].panel == "Sampling"}


VARYING = {name: kind for name, kind in _varying().items() if name not in (TARGETS, NEGATIVE_TARGETS)}


@dataclass(frozen=True)
class Axis:
    """Fields that vary together."""

    values: dict[str, list[Value]]  #: field -> its value at each step; all have as many
    along: str  #: what the axis is called: the field, or the tied fields as they were written
    places: list[Value]  #: where each step lies on the axis


@dataclass(frozen=True)
class GridPoint:
    """One run of a grid: ``values`` by field, ``places`` by axis."""

    model: Model
    values: dict[str, Value]
    places: dict[str, Value]

    @property
    def name(self) -> str:
        """Of its folder: ``guidance_scale=7,negative.clip_score=0.5``."""
        return ",".join(f"{name}={_told(value)}" for name, value in self.values.items())


def _told(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else str(value)


def read_axis(text: str, flag: str = "--sweep") -> Axis:
    """Parse one axis.

    ``FIELD=0:1:0.125`` (both ends included), ``FIELD=0,0.5,1``, and tied fields: ``a=t,b=1-t,t=0:1:0.25``, or lists of
    one length.
    Raises UserError: any other form, a field that cannot vary, or values that do not fit it.
    """
    given = _assignments(text, flag)
    steps = _numbers(given.pop(VARIABLE), text, flag) if VARIABLE in given else None
    values = {field: _values(field, written, steps, text, flag) for field, written in given.items()}
    lengths = {len(own) for own in values.values()}
    if not values or len(lengths) != 1:
        raise UserError(f"{flag} {text!r}: tied fields need equally many values, or {VARIABLE}=FROM:TO:STEP")
    first = next(iter(values.values()))
    places: list[Value] = [*steps] if steps is not None else first
    if len(set(places)) < len(places):
        raise UserError(f"{flag} {text!r}: a value appears twice; {_FORM}")
    return Axis(values, next(iter(values)) if len(values) == 1 else ",".join(_tied(given)), places)


def _tied(given: Mapping[str, str]) -> list[str]:
    return [f"{field}={written}" for field, written in given.items()]


def _assignments(text: str, flag: str) -> dict[str, str]:
    """Field -> what stands behind its sign; a part without one goes on with the list before it."""
    found: dict[str, str] = {}
    name = ""
    for part in text.split(","):
        field, sign, written = (piece.strip() for piece in part.partition("="))
        if sign and field not in found:
            name = field
            found[name] = written
        elif sign or not name:
            raise UserError(f"{flag} {text!r}: {f'{field} appears twice; ' if sign else ''}{_FORM}")
        else:
            found[name] += f",{field}"
    if not all(found) or not all(found.values()):
        raise UserError(f"{flag} {text!r}: {_FORM}")
    return found


def _values(field: str, written: str, steps: Sequence[float] | None, text: str, flag: str) -> list[Value]:
    kind = VARYING.get(field, "float")
    _check_field(field, flag)
    if linear := _LINEAR.fullmatch(written.replace(" ", "")):
        if steps is None:
            raise UserError(f"{flag} {text!r}: {field} is written in {VARIABLE}; say {VARIABLE}=FROM:TO:STEP as well")
        start, slope = float(linear["start"] or 0), float(linear["slope"] or 1)
        numbers = [round(start + (-slope if linear["sign"] == "-" else slope) * step, 12) for step in steps]
    elif kind in ("str", "bool"):
        words = [word.strip() for word in written.split(",")]
        return [*words] if kind == "str" else [_flag_value(word, text, flag) for word in words]
    else:
        numbers = _numbers(written, text, flag)
    if kind == "int" and any(number != round(number) or abs(number) >= EXACT for number in numbers):
        raise UserError(f"{flag} {text!r}: {field} takes whole numbers below {EXACT}")
    return [int(number) if kind == "int" else number for number in numbers]


def _flag_value(word: str, text: str, flag: str) -> bool:
    if word not in ("true", "false"):
        raise UserError(f"{flag} {text!r}: expected true and false")
    return word == "true"


def _check_field(field: str, flag: str) -> None:
    """A setting of the sampling, or a reward target; which of these a checkpoint has is looked at later."""
    names = {one.name for one in fields(GenerationSettings)}
    if field in VARYING or field.startswith(NEGATIVE) or (field not in names and field.endswith("_score")):
        return
    if flag == TARGET_FLAG and field not in names:  # a checkpoint of the user's may call its targets anything
        return
    known = [*VARYING, "reward targets by name, e.g. aesthetic_score", f"negative ones, e.g. {NEGATIVE}aesthetic_score"]
    can = f"what can: {', '.join(known)}"
    if field in names:
        raise UserError(f"{flag} {field}: cannot vary within a sweep; {can}")
    near = difflib.get_close_matches(field, VARYING, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"{flag} {field}: no such field of a run's protocol; {meant}{can}")


def _numbers(written: str, text: str, flag: str) -> list[float]:
    try:
        numbers = _span(written) if ":" in written else [float(part) for part in written.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise UserError(f"{flag} {text!r}: {_FORM}")
    return numbers


def _span(text: str) -> list[float]:
    start, end, step = (float(part) for part in text.split(":"))
    if not all(map(math.isfinite, (start, end, step))) or step <= 0 or end < start:
        raise ValueError(text)
    steps = (end - start) / step + 1e-9
    if steps >= MOST_POINTS:
        raise UserError(f"{text}: {steps + 1:.6g} values; at most {MOST_POINTS} are run by one command")
    return [round(start + i * step, 12) for i in range(int(steps) + 1)]


def grid(base: Model, axes: Sequence[Axis]) -> list[GridPoint]:
    """Every combination, the last axis changing fastest, each checked: at most :data:`MOST_POINTS`.
    Raises UserError: a field on two axes, too many points, a value out of bounds, or a target the checkpoint lacks.
    """
    named = [field for axis in axes for field in axis.values]
    if twice := next((field for field in named if named.count(field) > 1), ""):
        raise UserError(f"--sweep: {twice} is named twice; put its values into one list")
    count = math.prod(len(axis.places) for axis in axes)
    if count > MOST_POINTS:
        raise UserError(f"the grid has {count} points; at most {MOST_POINTS} are run by one command")
    _check_targets(base.source, named)
    steps = itertools.product(*(range(len(axis.places)) for axis in axes))
    points = [_point(base, axes, chosen) for chosen in steps]
    names = [point.name for point in points]
    if twice := next((name for name, times in Counter(names).items() if times > 1), ""):
        raise UserError(f"--sweep: two points are the same, {twice}")
    return points


def _point(base: Model, axes: Sequence[Axis], chosen: Sequence[int]) -> GridPoint:
    values = {field: own[step] for axis, step in zip(axes, chosen, strict=True) for field, own in axis.values.items()}
    places = {axis.along: axis.places[step] for axis, step in zip(axes, chosen, strict=True)}
    changed: dict[str, Any] = {field: value for field, value in values.items() if field in VARYING}
    targets = {field: value for field, value in values.items() if field not in changed}
    negative = {field.removeprefix(NEGATIVE): value for field, value in targets.items() if field.startswith(NEGATIVE)}
    positive = {field: value for field, value in targets.items() if not field.startswith(NEGATIVE)}
    changed[TARGETS] = base.settings.reward_targets | positive
    changed[NEGATIVE_TARGETS] = base.settings.negative_reward_targets | negative
    settings = replace(base.settings, **changed)
    settings.check()
    return GridPoint(replace(base, settings=settings), values, places)


def _check_targets(source: CheckpointSource, named: Sequence[str]) -> None:
    """That a checkpoint has the reward targets, as far as this is known without loading it."""
    axes = reward_axes(source.name, source.repo, source.path)
    if axes is None:
        return
    for field in named:
        target = field.removeprefix(NEGATIVE)
        if field not in VARYING and target not in axes:
            has = ", ".join(axes) or "none"
            raise UserError(f"--sweep {field}: {source.name} was not trained on {target}; its reward targets are {has}")


def protocol_fields(axes: Sequence[Axis]) -> list[str]:
    """The fields of a manifest's protocol in which the points differ."""
    named = [field for axis in axes for field in axis.values]
    found = [
        field if field in VARYING else NEGATIVE_TARGETS if field.startswith(NEGATIVE) else TARGETS for field in named
    ]
    return [*dict.fromkeys(found)]
