from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import reports
from reports.read.runs import read_run
from reports.read.verdicts import read_verdicts
from reports.summary.run_summary import summarise_run
from tests.reports.builders import SMALL, sweep, unscored, verdict, write_rows
from wire.errors import UserError


def read(tmp_path: Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
    return read_verdicts(write_rows(tmp_path / "results.jsonl", rows))


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = sweep(SMALL)
    pd.testing.assert_frame_equal(read(tmp_path, rows), read(tmp_path, rows[::-1]))


def test_unscored_is_neither_true_nor_false(tmp_path: Path) -> None:
    frame = read(tmp_path, [unscored(0, 0, "colors"), verdict(0, 1, "colors", None), verdict(0, 2, "colors", False)])
    assert frame["correct"].isna().tolist() == [True, True, False]
    assert frame["reason"].tolist()[0] == "broken image"


@pytest.mark.parametrize("tag", ["", "mood"])
def test_a_row_without_a_verdict_may_have_another_tag(tmp_path: Path, tag: str) -> None:
    frame = read(tmp_path, [verdict(0, 0, "colors", True), unscored(1, 0, tag)])
    assert frame["tag"].tolist() == ["colors", tag]


@pytest.mark.parametrize(("written", "meant"), [(1, True), (0, False), (1.0, True)])
def test_verdicts_as_numbers(tmp_path: Path, written: Any, meant: bool) -> None:
    assert read(tmp_path, [verdict(0, 0, "colors", written)])["correct"].tolist() == [meant]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct": "yes"}, "'correct' must be true, false or null, found 'yes'"),
        ({"correct": [True]}, "'correct' must be true, false or null"),
        ({"correct": 0.5}, "'correct' must be true, false or null"),
        ({"tag": "shapes"}, "unknown tag 'shapes'"),
        ({"tag": None}, "'tag' must be text, found nothing"),
        ({"filename": 7}, "'filename' must be text, found int '7'"),
    ],
)
def test_malformed_row(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=r"results\.jsonl:2: ") as error:
        read(tmp_path, [verdict(0, 0, "colors", True), verdict(0, 1, "colors", True) | change])
    assert message in str(error.value)


def test_missing_verdict(tmp_path: Path) -> None:
    row = verdict(0, 0, "colors", True)
    del row["correct"]
    with pytest.raises(UserError, match="no 'correct': not a GenEval row"):
        read(tmp_path, [row])


def test_the_same_row_twice_counts_once(tmp_path: Path) -> None:
    assert len(read(tmp_path, [verdict(0, 0, "colors", True)] * 2)) == 1


@pytest.mark.parametrize("turn", [1, -1])
def test_a_verdict_stands_over_unscored(tmp_path: Path, turn: int) -> None:
    rows = [unscored(0, 0, "colors"), verdict(0, 0, "colors", True)][::turn]
    assert read(tmp_path, rows)["correct"].tolist() == [True]


def test_two_verdicts_for_one_image(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"results\.jsonl:2: .* is judged both correct and wrong"):
        read(tmp_path, [verdict(0, 0, "colors", True), verdict(0, 0, "colors", False)])


def test_an_image_made_anew_replaces_the_old_one(tmp_path: Path) -> None:
    rows = [verdict(0, 0, "colors", True, image_sha256="aa"), verdict(0, 0, "colors", False, image_sha256="bb")]
    assert read(tmp_path, rows)["correct"].tolist() == [False]


def test_one_file_name_for_many_prompts(tmp_path: Path) -> None:
    rows = [verdict(place, 0, "colors", place > 0, filename="0000.png") for place in range(3)]
    frame = read(tmp_path, rows)
    assert len(frame) == 3
    assert frame["prompt_key"].nunique() == 3


@pytest.mark.parametrize("as_text", [True, False])
def test_boxes_under_names_that_the_suite_does_not_know_are_noted(tmp_path: Path, as_text: bool) -> None:
    metadata = json.dumps({"tag": "single_object", "include": [{"class": "tv remote", "count": 1}], "prompt": "p"})
    details = {"remote": [[1, 1, 9, 9, 0.9]]}
    seen = {"details": json.dumps(details) if as_text else details}
    rows = [verdict(0, sample, "single_object", False, metadata=metadata, **seen) for sample in range(2)]
    odd = [{"details": value} for value in ('{"a": NaN}', "[", "[1]", None, 7, "[" * 5000)]
    rows += [verdict(1, sample, "counting", True, **one) for sample, one in enumerate(odd)]
    write_rows(tmp_path / "results.jsonl", rows)
    note = summarise_run(read_run(tmp_path)).notes[-1]
    assert "remote (GenEval: tv remote), a (not in GenEval)" in note
    assert note.endswith("prompts that ask for these classes can only fail: 1")
    assert note in reports.report([tmp_path], tmp_path / "out").json.read_text(encoding="utf-8")


def test_metadata_may_be_an_object(tmp_path: Path) -> None:
    """Other tools write it so; GenEval writes it as text."""
    rows = [verdict(number, 0, "colors", correct=True) for number in range(3)]
    objects = [row | {"metadata": json.loads(row["metadata"])} for row in rows]
    tables = [read_verdicts(write_rows(tmp_path / f"{place}.jsonl", one)) for place, one in enumerate((rows, objects))]
    assert tables[0].equals(tables[1])
