from __future__ import annotations

from pathlib import Path

import pytest

from reports.read.rows import prompt_keys, sample_place, source_rows, source_table
from wire.errors import UserError


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


def test_error_names_the_line_in_spite_of_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"a": 1}\n\n\n{"a": 2}\n')
    second = list(source_rows(path))[1]
    with pytest.raises(UserError, match=r"results\.jsonl:4: 'a' must be text, found int '2'"):
        raise second.error("'a' must be text, found int '2'")
    with pytest.raises(UserError, match=r"results\.jsonl:4: 'a' must be text"):
        second.text("a")


def test_malformed_line(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"a": 1}\n{"a": \n{"a": 3}\n')
    with pytest.raises(UserError, match=r"results\.jsonl:2: not valid JSON"):
        list(source_rows(path))


def test_last_line_cut_short_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"a": 1}\n{"a": ')
    assert [row.values for row in source_rows(path)] == [{"a": 1}]


def test_deeply_nested_json_is_the_users_error(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text("[" * 200_000 + "]" * 200_000 + "\n")
    with pytest.raises(UserError):
        list(source_rows(path))


@pytest.mark.parametrize("value", [-1, 1.5, True, "1"])
def test_an_index_is_a_whole_number(tmp_path: Path, value: object) -> None:
    path = tmp_path / "rewards.jsonl"
    path.write_text('{"a": 1}\n')
    row = next(source_rows(path))
    row.values["prompt_index"] = value
    with pytest.raises(UserError, match="must be a whole number from 0"):
        row.index("prompt_index")


ROWS = '{"filename": "a.png", "correct": true, "details": "x"}\n{"filename": "b.png"}\n'


def test_columns_are_those_of_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(ROWS)
    whole, columns = source_table(path), source_table(path, ("filename", "correct"))
    assert len(whole) == len(columns) == 2
    for key in ("filename", "correct"):
        assert whole.column(key) == columns.column(key)
    assert columns.column("correct") == [True, None]
    assert columns.row(0).values == whole.row(0).values == {"filename": "a.png", "correct": True, "details": "x"}


def test_columns_of_no_file(tmp_path: Path) -> None:
    table = source_table(tmp_path / "results.jsonl", ("filename",))
    assert len(table) == 0
    assert table.column("filename") == []


@pytest.mark.parametrize(
    ("text", "line"),
    [(ROWS.replace("}\n{", "}{"), 1), (ROWS.replace(', "correct"', ',\n"correct"'), 1), (ROWS + "[1]\n{}\n", 3)],
    ids=["two rows on a line", "a row on two lines", "no object"],
)
def test_a_row_is_a_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    for keys in ((), ("filename", "correct")):
        with pytest.raises(UserError, match=f"results.jsonl:{line}:"):
            source_table(path, keys)


@pytest.mark.parametrize("end", ["\n", ""])
def test_what_is_passed_over_is_looked_at_once_a_row_is(tmp_path: Path, end: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(ROWS + '{"filename": "c.png", "details": "x", "details": "y"}' + end)
    table = source_table(path, ("filename",))
    assert table.column("filename") == ["a.png", "b.png", "c.png"]
    with pytest.raises(UserError, match=r"results.jsonl:3: not valid JSON"):
        table.row(0)


def test_what_is_passed_over_is_text(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(ROWS.encode() + b'{"filename": "c.png", "details": "\xf4"}\n')
    with pytest.raises(UserError, match=r"results.jsonl:3: not valid JSON"):
        source_table(path, ("filename",))
