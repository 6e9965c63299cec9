"""Prompts from every format that is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation.suites import load_suite
from wire.errors import UserError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "a cat\r\n\n  a dog\n"),
        ("a.TXT", "\ufeffa cat\na dog"),
        ("a.json", '["a cat", {"prompt": "a dog"}]'),
        ("a.csv", 'Prompts\n"a cat"\n"a dog"\n'),
        ("a.tsv", "text\na cat\na dog\n"),
        ("a.jsonl", '{"prompt": "a cat"}\n{"prompt": "a dog"}\n'),
        ("a", '{"prompt": "a cat"}\n{"prompt": "a dog"}'),
    ],
)
def test_two_prompts(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    suite = load_suite(str(tmp_path / name))
    assert suite.id == "a"
    assert suite.lines == [{"prompt": "a cat"}, {"prompt": "a dog"}]
    assert not suite.has_geneval


def test_columns_are_kept_where_they_are_filled(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('Category,Prompt,Note\nAnimals,"a cat, ""sitting""",\nPlaces,a dog\n')
    assert load_suite(str(path)).lines == [
        {"prompt": 'a cat, "sitting"', "category": "Animals"},
        {"prompt": "a dog", "category": "Places"},
    ]


def test_a_column_called_prompt_goes_before_others_also_where_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("text,prompt,\na long caption,a dog,\nanother,,\n")
    assert [line["prompt"] for line in load_suite(str(tmp_path / "mine.csv")).lines] == ["a dog", ""]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.txt", "\n \n", "no prompts in it"),
        ("a.json", "{}", "expected a JSON list, found dict"),
        ("a.json", "[1]", ", entry 1: expected a JSON object, found int"),
        ("a.json", '["a cat", {"prompt": null}]', ", entry 2: needs a string"),
        ("a.json", "[", "not valid JSON"),
        ("a.csv", "title\na cat\n", "its heading names no column prompt, prompts, text"),
        ("a.tsv", "x\tprompt\ny\ta cat\nz\n", ":3: needs a string"),
        ("a.csv", "", "its heading names no column"),
        ("a.csv", "prompt\na cat, a dog\n", ":2: more cells than the heading has (1): write prompts with commas"),
        ("a.tsv", "prompt\na cat\na\tdog\n", ":3: more cells than the heading has (1): write prompts with tabs in"),
        ("a.csv", "prompt,Prompt\na,b\n", "its heading names 'prompt' twice"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_suite(str(path))
    assert str(caught.value).startswith(str(path))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '["a cat", "", " "]'),
        ("a.jsonl", '{"prompt": "a cat"}\n\n{"prompt": ""}\n{"prompt": " "}\n'),
        ("a.csv", 'prompt,x\na cat,1\n,2\n\n" ",3\n'),
    ],
)
def test_an_empty_prompt_is_a_prompt_and_an_empty_line_is_none(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert [line["prompt"] for line in load_suite(str(path)).lines] == ["a cat", "", " "]
