"""YAML of others: the same values as OmegaConf reads, and bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml", reason="runs in the generation environment")

from generation.checkpoints import plain_yaml
from generation.checkpoints.plain_yaml import Unread, read_mapping
from wire.errors import UserError


def read(tmp_path: Path, text: str | bytes) -> dict[Any, Any]:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_mapping(path)


SCALARS = (
    *(
        "1e-9",
        "1e-3",
        "-1E+5",
        "1.5",
        ".5",
        "1.",
        "+1",
        "0x1F",
        "010",
        "1_000",
        "0b11",
        "1:30",
        "1:30.5",
        ".inf",
        "-.inf",
    ),
    *(
        "null",
        "~",
        "",
        "yes",
        "No",
        "on",
        "TRUE",
        "x",
        "'1'",
        '"a\\tb"',
        "2024-01-01",
        "1e",
        "e5",
        "!!str 1",
        "!!float 1",
    ),
    *("'${a.b}'", "\\${a}", "[1, 2.0, a]", "{b: {c: 1}}", "|\n  text\n", "é", "16-mixed"),
)


@pytest.mark.parametrize("scalar", SCALARS)
def test_values_are_those_of_omegaconf(tmp_path: Path, scalar: str) -> None:
    omegaconf = pytest.importorskip("omegaconf")
    mine = read(tmp_path, f"a: {scalar}\nb: 1\n")
    theirs = omegaconf.OmegaConf.to_container(omegaconf.OmegaConf.load(tmp_path / "config.yaml"), resolve=False)
    assert mine == theirs
    assert type(mine["a"]) is type(theirs["a"])


def test_numbers_without_a_dot_are_floats(tmp_path: Path) -> None:
    assert read(tmp_path, "clip_min: 1e-9") == {"clip_min": 1e-9}


BOMB = "a: &a [x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
FAULTS = {
    "an alias bomb": (BOMB, "line 2 has a YAML alias"),
    "an alias of itself": ("a: &a {b: *a}", "YAML alias"),
    "a merge bomb": ("a: &a {x: 1}\nb: {<<: [*a, *a]}", "YAML alias"),
    "lists in lists": ("a: " + "[" * 5000 + "]" * 5000, "inside one another"),
    "mappings in mappings": ("a: " + "{a: " * 5000, "inside one another"),
    "lists on one line": ("- " * 5000, "inside one another"),
    "keys that are mappings": ("? " * 5000, "inside one another"),
    "many values": ("a: [" + "1," * 20_000 + "]", "more than 10000 values"),
    "a large file": ("a: " + "x" * (1 << 18), "larger than 262144 bytes"),
    "a key twice": ("a: 1\nb: 2\na: 3", "line 3 has the key 'a' a second time"),
    "a key twice, inside": ("a: {b: 1, 'b': 2}", "the key 'b' a second time"),
    "no character": ('a: "\\UFFFFFFFF"', "not a readable Hydra configuration"),
    "bytes": (b"a: \xff", "not UTF-8"),
    "a control character": ("a: \x00", "not a readable"),
    "two documents": ("a: 1\n---\nb: 1", "not a readable"),
    "no mapping": ("- 1\n", "expected a mapping at its top"),
    "nothing": ("", "expected a mapping at its top"),
    "an open list": ("a: [", "line 1"),
    "a tab": ("\tx", "line 1"),
}


@pytest.mark.parametrize(("text", "reason"), FAULTS.values(), ids=FAULTS)
def test_what_is_refused(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'config.yaml'}: not a")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Is a directory"):
        read_mapping(tmp_path)


TAGS = [
    "!!python/object/apply:os.system [id]",
    "!!binary aGk=",
    "!!set {a}",
    "!!bool 7",
    "!!int x",
    "!!timestamp 2024-01-01",
]


@pytest.mark.parametrize("value", TAGS)
def test_other_tags_are_made_into_nothing(tmp_path: Path, value: str) -> None:
    tree = read(tmp_path, f"a: {value}\nb: 1")
    assert isinstance(tree["a"], Unread)
    assert tree["b"] == 1


def test_a_tag_is_shown_in_one_line(tmp_path: Path) -> None:
    assert repr(read(tmp_path, "a: !<x%0Ay> 1")["a"]) == r"<x\ny>"


def test_merge_keys_are_made_into_nothing(tmp_path: Path) -> None:
    tree = read(tmp_path, "a: {<<: {b: 1}, c: 2}")
    assert "b" not in tree["a"]
    assert tree["a"]["c"] == 2


def test_long_digits_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_yaml.yaml.SafeLoader, "construct_yaml_int", None)
    digits = "1" * 5000
    assert read(tmp_path, f"a: {digits}") == {"a": digits}
