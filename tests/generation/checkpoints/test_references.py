"""References between values, and nothing else that an interpolation can be."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytest.importorskip("yaml", reason="runs in the generation environment")

from generation.checkpoints.plain_yaml import Unread
from generation.checkpoints.references import References
from wire.errors import UserError


def value(of: Any, **others: Any) -> Any:
    return References({"a": of, **others}).value("a")


def refusal(of: Any, **others: Any) -> str:
    with pytest.raises(UserError) as caught:
        value(of, **others)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


def test_plain_references_keep_the_type() -> None:
    others = {"b": {"c": 1e-9, "d": [True, None]}, "e": "${b.d}", "f": {"g": "${b}"}}
    assert value("${b.c}", **others) == 1e-9
    assert value("${e}", **others) == [True, None]
    assert value({"x": ["${f.g.c}"]}, **others) == {"x": [1e-9]}


def test_references_inside_text() -> None:
    assert (
        value("vae_embeddings_mean_${data.img_resolution}", data={"img_resolution": 256}) == "vae_embeddings_mean_256"
    )
    assert value("${b}/${b}", b="x") == "x/x"


def test_sections_on_the_way_may_be_references() -> None:
    assert value("${b.c}", b="${d}", d={"c": 3}) == 3
    assert References({"b": "${d}", "d": {"c": 3}}).value("b.c") == 3


def test_what_is_not_there_null_or_open() -> None:
    tree = References({"a": None, "b": "???", "c": {"d": 1}})
    assert [tree.value(key) for key in ("a", "b", "x", "c.x", "c.d.x")] == [None] * 5


FORMS = (
    *("${oc.env:HF_TOKEN}", "${oc.env:HF_TOKEN,x}", "${oc.create:{b: 1}}", "${oc.decode:'1'}", "${oc.deprecated:b}"),
    *("${oc.select:b}", "${oc.dict.keys:b}", "${oc.dict.values:b}", "${eval:1}", "${hydra:runtime.cwd}", "${now:%Y}"),
    *(
        "${env:HOME}",
        "${python_version:}",
        "${.b}",
        "${..b}",
        "${b[0]}",
        "${[b]}",
        "${ b }",
        "${b.}",
        "${}",
        "${",
        "x${",
    ),
    *("\\${b}", "\\\\${b}", "\\\\\\${b}", "\\${oc.create:{_target_: os.system, command: id}}", "x\\${b}", "x \\${b} y"),
    *(
        "${${b}}",
        "${b.${b}}",
        "${oc.env:${b}}",
        "x${oc.env:HF_TOKEN}y",
        "$${oc.env:HF_TOKEN}",
        "${b}${oc.env:HF_TOKEN}",
    ),
    *("${oc.env:\nHF_TOKEN}", "${bé}", "${b}\n${oc.env:HF_TOKEN}"),
)


@pytest.mark.parametrize("text", FORMS)
def test_every_other_form_is_refused_wherever_it_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    places: list[Any] = [
        text,
        [text],
        {"x": text},
        {"x": [{"y": text}]},
        {text: 1},
        {"x": [{text: 1}]},
        "${c}",
        "x${c}",
    ]
    for place in places:
        message = refusal(place, b="b", c=text)
        assert message.startswith("a")
        assert "not a plain reference" in message
        assert "--trust-checkpoint" in message
        assert "hf_secret" not in message


def test_the_key_is_named() -> None:
    assert refusal({"x": [{"y": "${eval:1}"}]}).startswith("a.x.0.y cannot be resolved: refused, because '${eval:1}'")


@pytest.mark.parametrize(("text", "b"), [("$${b}", "{oc.env:HF_TOKEN}"), ("${b}{c}", "$"), ("${b}${b}", "{x}$")])
def test_references_do_not_make_up_an_interpolation(text: str, b: str) -> None:
    assert "not a plain reference" in refusal(text, b=b, c="x")


def test_sections_that_are_not_asked_for_may_hold_anything() -> None:
    tree = References(
        {"a": 1, "b": {"c": "${oc.env:HOME}", 7: Unread("!x"), "d": "${nowhere}"}, "root_dir": "${hydra:x}"}
    )
    assert tree.value("a") == 1


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"a": "${a}"}, "refers to itself, by 'a'"),
        ({"a": "x${b}", "b": "${a}"}, "refers to itself"),
        ({"a": {"b": "${a}"}}, "a.b.b refers to itself, by 'a'"),
        ({"a": ["${c.d}"], "c": {"d": "${c}"}}, "refers to itself"),
        ({"a": "${b.c}", "b": "${b.c}"}, "refers to itself"),
        ({"a": "${nowhere.x}"}, "a refers to 'nowhere.x', which is not there"),
        ({"a": "${b}", "b": "???"}, "set it"),
        ({"a": "x${b}", "b": None}, "which is no text or number"),
        ({"a": "x${b}", "b": [1]}, "which is no text or number"),
        ({"a": {1: 2}}, "has the key 1, which is no text"),
        ({"a": [Unread("!x")]}, "a.0 is <!x>, which is no plain value"),
    ],
)
def test_faults(others: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError) as caught:
        References(others).value("a")
    assert reason in str(caught.value)


JOINS = {
    "text": lambda one: one + one,
    "list": lambda one: [one, one],
    "mapping": lambda one: {"l": one, "r": one},
}


def doubling(first: Any, join: Any, levels: int = 60) -> dict[str, Any]:
    return {"a": f"${{x{levels}}}", "x0": first} | {f"x{n + 1}": join(f"${{x{n}}}") for n in range(levels)}


@pytest.mark.parametrize("first", ["x", "", "x" * 4000], ids=["short", "empty", "long"])
@pytest.mark.parametrize("join", JOINS.values(), ids=JOINS)
@pytest.mark.parametrize("levels", [20, 60])
def test_growth_is_bounded(first: Any, join: Any, levels: int) -> None:
    started = time.process_time()
    with pytest.raises(UserError, match="grows beyond what a configuration holds"):
        References(doubling(first, join, levels)).value("a")
    assert time.process_time() - started < 2


def test_a_long_way_is_no_recursion_error() -> None:
    chain = {f"x{n}": f"${{x{n + 1}}}" for n in range(5000)}
    assert "grows beyond" in refusal("${x0}", **chain)


def test_many_references_in_one_text() -> None:
    assert "grows beyond" in refusal("${b}" * 900, b="x" * 4000)
    assert "grows beyond" in refusal("${b}" * 900, b="x" * 40)
    assert "grows beyond" in refusal("${b}" * 9000, b="")


def test_a_text_longer_than_any() -> None:
    assert value("x" * 4000) == "x" * 4000
    assert "grows beyond" in refusal({"b": "x" * 4001})
