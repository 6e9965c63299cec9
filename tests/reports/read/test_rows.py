from __future__ import annotations

import math
from pathlib import Path

import pytest

from reports.read.rows import prompt_keys, read_rows, sample_place
from wire.errors import UserError
from wire.row_files import MAX_LINE


@pytest.mark.parametrize(
    ("filename", "place"),
    [
        ("00012/samples/0003.png", (12, 3)),
        ("./outputs/00020/samples/00001.png", (20, 1)),
        ("C:\\out\\00020\\samples\\00001.jpg", (20, 1)),
        ("00012/0003.png", None),
        ("a-photo-of-a-bench.png", None),
    ],
)
def test_place_in_upstreams_layout(filename: str, place: tuple[int, int] | None) -> None:
    assert sample_place(filename) == place


def test_prompt_index_comes_first() -> None:
    assert prompt_keys([3, 3], ["00007/samples/0.png", "00008/samples/0.png"], ["a", "a"]) == ["00003", "00003"]


def test_folder_number_without_an_index() -> None:
    assert prompt_keys([None, 3], ["00007/samples/0.png", "00008/samples/0.png"], ["a", "b"]) == ["00007", "00008"]


def test_text_where_folders_do_not_tell_prompts_apart() -> None:
    files = ["rank0/00000/samples/0.png", "rank1/00000/samples/0.png"]
    assert prompt_keys([None, None], files, ["a", "b"]) == ["a", "b"]


def test_one_text_in_two_folders_is_two_prompts() -> None:
    assert prompt_keys([None, None], ["00000/samples/0.png", "00001/samples/0.png"], ["a", "a"]) == ["00000", "00001"]


def rows_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "results.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_error_names_the_line_in_spite_of_blank_lines(tmp_path: Path) -> None:
    rows = read_rows(rows_file(tmp_path, '{"a": "x"}\n\n\n{"a": 2}\n'))
    assert str(rows.error(1, "odd")).endswith("results.jsonl:4: odd")
    with pytest.raises(UserError, match=r"results\.jsonl:4: 'a' must be text, found int '2'"):
        rows.texts("a")
    with pytest.raises(UserError, match=r"results\.jsonl:4: 'a' must be text"):
        rows.at([1]).texts("a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a": \n{"a": 3}\n', ":2: not valid JSON"),
        ('{"a": 1}{"a": 2}\n', ":1: not valid JSON"),
        ('{"a": 1}\n{"a":\n1}\n', ":2: not valid JSON"),
        ('{"a": 1}\n[1]\n{}\n', ":2: expected a JSON object, found list"),
        (b'{"a": "x"}\n{"a": "\xf4"}\n', ":2: not valid JSON"),
        ("[" * 200_000 + "]" * 200_000 + "\n", ":1: not valid JSON"),
        (" " * (MAX_LINE + 1), ":1: a line of more than 16 MB"),
    ],
    ids=["cut", "two rows on a line", "a row on two lines", "no object", "no text", "deep", "long"],
)
def test_a_row_is_a_line_with_an_object(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError) as error:
        read_rows(rows_file(tmp_path, content))
    assert f"results.jsonl{message}" in str(error.value)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('{"a": 1, "a": 2}', 2),
        ('{"a": 1e400}', math.inf),
        ('{"a": "\\ud800"}', "\\ud800"),
        ('{"a": {"\\ud800": ["\\ud800"]}}', {"\\ud800": ["\\ud800"]}),
        ('\ufeff{"a": 1}\r', 1),
    ],
    ids=["the last of two", "a large number", "half a character", "halves within", "byte order mark"],
)
def test_odd_json_is_read(tmp_path: Path, line: str, value: object) -> None:
    assert read_rows(rows_file(tmp_path, f'{line}\n{{"b": 0}}\n')).column("a") == [value, None]


def test_last_line_cut_short_is_dropped(tmp_path: Path) -> None:
    assert read_rows(rows_file(tmp_path, '{"a": 1}\n{"a": ')).records == [{"a": 1}]


def test_no_rows_of_no_file(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "results.jsonl").column("filename") == []


@pytest.mark.parametrize("value", ["-1", "1.5", "true", '"1"'])
def test_an_index_is_a_whole_number(tmp_path: Path, value: str) -> None:
    rows = read_rows(rows_file(tmp_path, f'{{"prompt_index": {value}}}'))
    with pytest.raises(UserError, match="must be a whole number from 0"):
        rows.indices("prompt_index")
