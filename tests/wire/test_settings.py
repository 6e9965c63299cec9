"""Settings as data: what they decide, how a record is read, and which values are refused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from wire.errors import UserError
from wire.settings import EXTENT, IDLE, check, flag, group, option, options_of, pair, protocol, read, values

_one = partial(option, help="a setting", panel="A")


@dataclass(frozen=True)
class Inner:
    share: float = _one(0.5, low=0, high=1)


@dataclass(frozen=True)
class Settings:
    """With one of each kind."""

    inner: Inner = group(Inner)
    steps: int | None = _one(50, low=1)
    size: int | str = _one(4, low=1, choices=("auto",))
    mode: str = _one("a", choices=("a", "b", "c"), name="the-mode")
    name: str | None = _one(None, compared=False)
    fast: bool = _one(False, decides=IDLE)
    limit: int | None = _one(None, decides=EXTENT)
    samples: int = _one(4, decides=EXTENT, compared=True)
    targets: dict[str, float] = _one({})
    late: float = _one(1.0, low=0, added=True)
    device: str = "auto"


def test_what_settings_decide() -> None:
    chosen = Settings(steps=None, targets={"x": 1.0})
    deciding = {"steps": None, "size": 4, "mode": "a", "name": None, "targets": {"x": 1.0}}
    assert values(chosen) == deciding
    assert list(values(chosen)) == list(deciding), "in the order of the fields, as files have it"
    assert values(chosen, (IDLE, EXTENT)) == {"fast": False, "limit": None, "samples": 4}
    told = protocol(chosen)
    assert told == {"steps": None, "size": 4, "mode": "a", "samples": 4, "targets": {"x": 1.0}}
    assert protocol(Settings(late=2.0))["late"] == values(Settings(late=2.0))["late"] == 2.0
    assert Settings().targets is not Settings().targets


def test_a_record_is_read_by_the_fields_names() -> None:
    assert read(Settings, {"steps": 3, "device": "cpu"}, "thing") == Settings(steps=3, device="cpu")
    with pytest.raises(UserError, match="unknown thing 'stepps': choose from inner, steps, size"):
        read(Settings, {"stepps": 3}, "thing")


def test_fit_values_pass() -> None:
    for changed in ({}, {"steps": None}, {"size": "auto"}, {"late": 0}, {"mode": "b", "fast": True, "name": ""}):
        check(Settings(**changed))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"steps": 0}, "--steps 0: expected a whole number, 1 or more"),
        ({"steps": True}, "--steps True: expected a whole number, 1 or more"),
        ({"steps": 2.0}, "--steps 2.0: expected a whole number, 1 or more"),
        ({"size": "many"}, "--size 'many': expected a whole number, 1 or more, or auto"),
        ({"size": None}, "--size None: expected a whole number, 1 or more, or auto"),
        ({"mode": "d"}, "--the-mode 'd': expected a, b or c"),
        ({"name": 3}, "--name 3: expected a text"),
        ({"fast": 1}, "--fast 1: expected true or false"),
        ({"late": float("inf")}, "--late inf: expected a number, 0 or more"),
        ({"late": "1"}, "--late '1': expected a number, 0 or more"),
    ],
)
def test_others_are_refused_by_the_option_s_name(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        check(Settings(**change))
    assert str(caught.value) == complaint


def test_bounds_on_both_sides() -> None:
    with pytest.raises(UserError, match=r"--share 1\.5: expected a number from 0 to 1"):
        check(Inner(1.5))
    assert [flag(field) for field, _ in options_of(Inner)] == ["--share"]


def test_pairs() -> None:
    parse = pair("--target", "AXIS=NUMBER", float)
    assert parse("a=0.5") == ("a", 0.5)
    for text in ("a", "=1", "a=", "a=x"):
        with pytest.raises(UserError, match=r"--target '.*': expected AXIS=NUMBER"):
            parse(text)
