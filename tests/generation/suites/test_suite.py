"""Suites from files of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation.suites import SUITES, geneval_jsonl, load_suite
from wire.errors import UserError


def test_named_suite() -> None:
    assert load_suite("geneval") is SUITES["geneval"]


def test_file_of_the_users_keeps_its_lines_in_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "a cat"}\n\n{"prompt": "\u00fcber\u2028line", "tag": "x"}')
    suite = load_suite(str(path))
    assert suite.id == "mine"
    assert suite.lines == [{"prompt": "a cat"}, {"prompt": "\u00fcber\u2028line", "tag": "x"}]


def test_file_with_the_content_of_geneval_is_geneval(tmp_path: Path) -> None:
    path = tmp_path / "copy.jsonl"
    path.write_bytes(geneval_jsonl().replace(b"\n", b"\n\n"))
    assert load_suite(str(path)).id == "geneval"


def test_hash_follows_the_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text('{"prompt": "a cat"}\n')
    two.write_text('{"prompt": "a dog"}\n')
    assert load_suite(str(one)).sha256 != load_suite(str(two)).sha256


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "not valid JSON"),
        ("[1]", "expected a JSON object, found list"),
        ('{"text": "a cat"}', "needs a string under 'prompt'"),
        ('{"prompt": null}', "needs a string under 'prompt'"),
        ('{"prompt": 3}', "needs a string under 'prompt'"),
        ('{"prompt": "a", "n": 1e999}', "a number that is not finite"),
        ('{"prompt": "a", "n": NaN}', "a number that is not finite"),
        ('{"prompt": "a", "prompt": "b"}', "the key 'prompt' appears twice"),
        ('{"prompt": "a", "n": ' + 70 * "[" + 70 * "]" + "}", "nested too deep"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"prompt": "a cat"}\n' + line + "\n")
    with pytest.raises(UserError) as caught:
        load_suite(str(path))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert complaint in str(caught.value)


def test_unknown_name_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="known suites: geneval"):
        load_suite(str(tmp_path / "none"))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe"])
def test_file_without_prompts(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"empty\.jsonl: "):
        load_suite(str(path))
