from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports.gallery.pictures import Pictures
from reports.gallery.records import GalleryRun, gallery_run, matched
from reports.read.runs import find_run
from tests.reports.builders import rewards, unscored, write_rows
from tests.reports.gallery.runs import ANSWER, judged, make_run
from tests.reports.geneval2 import made_up_lines, random_answers, write_run


def read(path: Path) -> GalleryRun:
    source = find_run(path)
    return gallery_run(source, Pictures(source.folder, path))


def only_record(tmp_path: Path, row: dict[str, Any]) -> dict[str, Any]:
    (record,) = read(write_rows(tmp_path / "results.jsonl", [row])).records
    return record


def test_a_record_has_all_that_the_rows_have(tmp_path: Path) -> None:
    run = read(make_run(tmp_path / "a", wrong={0}))
    first = run.records[0]
    assert first["boxes"] == [["dog", 1, 2, 30, 40, 0.4, None], ["bench", 8, 8, 56, 60, 0.912, ANSWER]]
    assert (first["asked"], first["correct"], first["reason"]) == (["bench"], False, "expected bench>=1, found 0")
    assert dict(zip(run.metrics, first["rewards"], strict=True)) == {"image_reward": 0.0, "vqa": 0.5}
    assert (first["seed"], first["sample"], first["tag"]) == ("42", 0, "single_object")
    assert (first["image"], run.records[-1]["image"]) == ("00000/samples/0000.png", None)


def test_a_record_has_the_questions_that_were_asked(tmp_path: Path) -> None:
    lines = made_up_lines(2)
    lines[1]["vqa_list"][0][0] = "<b>Is it?</b>"
    run = read(write_run(tmp_path / "run", lines, random_answers(lines, 2)))
    assert [len(record["questions"]) for record in run.records] == [4, 4, 5, 5]
    asked = json.loads((tmp_path / "run" / "rewards.jsonl").read_text().splitlines()[2])["details"]["soft_tifa"][0]
    assert run.records[2]["questions"][0] == ["<b>Is it?</b>", "Yes", "object", round(asked["p"], 3)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("details", "not json"),
        ("details", '{"bench": 3, "dog": [[1, 2], ["a", 1, 2, 3, 4], [1, 2, 3, 4, NaN]]}'),
        ("details", "[" * 100_000),
        ("colors", {"bench": 4, "dog": [[1.0]]}),
        ("metadata", '{"include": {"class": 3}}'),
        ("metadata", '{"include": [{"class": ["x"]}, 7]}'),
    ],
)
def test_malformed_parts_are_left_out(tmp_path: Path, key: str, value: Any) -> None:
    record = only_record(tmp_path, judged(0, 0, "colors", True, **{key: value}))
    assert record["correct"] is True
    if key == "details":
        assert record["boxes"] == []
    if key == "metadata":
        assert record["asked"] == []


def test_an_unscored_image_says_why(tmp_path: Path) -> None:
    record = only_record(tmp_path, unscored(0, 0, "colors", "broken image"))
    assert (record["correct"], record["reason"], record["boxes"]) == (None, "broken image", [])


def test_rewards_alone_will_do(tmp_path: Path) -> None:
    row = rewards(0, 0, {"vqa": None}, unscored={"vqa": "too long"})
    run = read(write_rows(tmp_path / "rewards.jsonl", [row]))
    assert run.records[0]["rewards"] == [None]
    assert run.records[0]["unscored"] == "vqa: too long"
    assert run.records[0]["tag"] == ""


def test_flips_come_first_and_lone_images_last(tmp_path: Path) -> None:
    first, second = read(make_run(tmp_path / "a", wrong={0})), read(make_run(tmp_path / "b", wrong={0, 4}))
    cards = matched([first, second])
    assert [card.places for card in cards if card.flip] == [(8, 8), (9, 9)]
    assert [card.flip for card in cards[:3]] == [True, True, False]
    rows = [judged(0, 0, "single_object", True), judged(7, 0, "colors", True)]
    other = read(write_rows(tmp_path / "c" / "results.jsonl", rows))
    assert [card.places for card in matched([other, first])][:3] == [(0, 0), (1, None), (None, 1)]


def test_images_of_other_layouts_meet_by_prompt_and_sample(tmp_path: Path) -> None:
    first = read(make_run(tmp_path / "a"))
    rows = [json.loads(line) for line in (tmp_path / "a" / "results.jsonl").read_text().splitlines()]
    moved = [row | {"filename": f"./out/{row['filename']}"} for row in reversed(rows)]
    second = read(write_rows(tmp_path / "elsewhere.jsonl", moved))
    for left, right in (card.places for card in matched([first, second])):
        assert left is not None
        assert right is not None
        assert second.records[right]["file"] == first.records[left]["file"]
        assert second.records[right]["boxes"] == first.records[left]["boxes"]
