from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.read.reward_rows import RewardTable, read_rewards
from tests.reports.builders import rewards, write_rows
from wire.cards import MetricCard
from wire.errors import UserError
from wire.vocabulary import SEVEN_REWARDS


def read(tmp_path: Path, rows: list[dict[str, Any]]) -> RewardTable:
    return read_rewards(write_rows(tmp_path / "rewards.jsonl", rows))


def test_seven_first_then_others_by_name(tmp_path: Path) -> None:
    table = read(tmp_path, [rewards(0, 0, {"zeta": 1, "hpsv2.0": 2, **dict.fromkeys(SEVEN_REWARDS[::-1], 3.0)})])
    assert table.metrics == (*SEVEN_REWARDS, "hpsv2.0", "zeta")


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [rewards(prompt, sample) for prompt in range(3) for sample in range(2)]
    pd.testing.assert_frame_equal(read(tmp_path, rows).frame, read(tmp_path, rows[::-1]).frame)


def test_what_is_unscored_and_why(tmp_path: Path) -> None:
    rows = [
        rewards(0, 0, {"aesthetic": 5.0}, unscored={"vqa": "out of memory"}),
        rewards(0, 1, {"aesthetic": None, "vqa": math.nan}),
        rewards(0, 2, {"aesthetic": math.inf, "vqa": 0.5}),
        rewards(0, 3, {"aesthetic": 10**400, "vqa": 0.5}),
    ]
    table = read(tmp_path, rows)
    assert table.frame["aesthetic"].isna().tolist() == [False, True, True, True]
    assert list(table.reasons["vqa"].values()) == ["out of memory", "not a finite number"]
    assert list(table.reasons["aesthetic"].values()) == ["no reason given", *["not a finite number"] * 2]


def test_only_metrics_are_unscored(tmp_path: Path) -> None:
    table = read(tmp_path, [rewards(0, 0, {"vqa": 0.5}, unscored={"prompt": "x", "sciscore": "y"})])
    assert table.metrics == ("vqa", "sciscore")
    assert table.frame["prompt"].tolist() == ["prompt 0"]


def test_metrics_added_later_are_joined(tmp_path: Path) -> None:
    rows = [rewards(0, 0, {"aesthetic": 5.0}, unscored={"vqa": "later"}), rewards(0, 0, {"vqa": 0.5})]
    table = read(tmp_path, rows)
    assert table.frame[["aesthetic", "vqa"]].to_numpy().tolist() == [[5.0, 0.5]]
    assert table.reasons == {"aesthetic": {}, "vqa": {}}


def test_an_image_made_anew_loses_its_old_values(tmp_path: Path) -> None:
    rows = [rewards(0, 0, {"aesthetic": 5.0}, image_sha256="a"), rewards(0, 0, {"vqa": 0.5}, image_sha256="b")]
    assert math.isnan(read(tmp_path, rows).frame.get("aesthetic", pd.Series([math.nan]))[0])


def test_two_values_of_one_metric(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rewards\.jsonl:2: .* has two values of 'vqa'"):
        read(tmp_path, [rewards(0, 0, {"vqa": 0.5}), rewards(0, 0, {"vqa": 0.6})])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vqa": "0.5"}, "'vqa' must be a number, found '0.5'"),
        ({"unscored": ["vqa"]}, "'unscored' must be an object"),
        ({"prompt_index": -1}, "'prompt_index' must be a whole number from 0"),
    ],
)
def test_malformed_row(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=r"rewards\.jsonl:1: ") as error:
        read(tmp_path, [rewards(0, 0) | change])
    assert message in str(error.value)


def test_a_row_without_any_metric(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no metric in this row"):
        read(tmp_path, [rewards(0, 0, {})])


@pytest.mark.parametrize(("value", "kind"), [("8.4", "text"), ([8.4], "a list"), ({"mu": 8.4}, "an object")])
def test_what_is_no_number_is_counted(tmp_path: Path, value: Any, kind: str) -> None:
    rows = [rewards(prompt, 0, {"vqa": 0.5, "hpsv3": value}) for prompt in range(3)]
    table = read(tmp_path, rows)
    assert table.metrics == ("vqa",)
    assert table.notes == (f"ignored, because they hold no numbers: hpsv3 ({kind} in 3 rows)",)
    table = read(tmp_path, [*rows[:2], rewards(2, 0, {"vqa": 0.5, "hpsv3": 8.4})])
    assert [*table.reasons["hpsv3"].values()] == [f"{kind}, not a number"] * 2


@pytest.mark.parametrize("key", ["sample_id", "imageWidth", "height", "seed", "id", "global_step", "status", "IDX"])
@pytest.mark.parametrize("value", [3, 1024.0, 10**400])
def test_whole_numbers_that_tell_which_or_how_large_are_no_metric(tmp_path: Path, key: str, value: float) -> None:
    table = read(tmp_path, [rewards(prompt, 0, {"vqa": 0.5, key: value}) for prompt in range(3)])
    assert table.metrics == ("vqa",)
    assert table.notes == (f"ignored, because whole numbers under such names are not scores: {key}",)


@pytest.mark.parametrize(("key", "value"), [("width", 0.5), ("validity", 1), ("grid", 2), ("how", 1)])
def test_other_names_and_other_numbers_are_metrics(tmp_path: Path, key: str, value: float) -> None:
    table = read(tmp_path, [rewards(0, 0, {key: value}), rewards(1, 0, {key: 1})])
    assert (table.metrics, table.notes) == ((key,), ())


def test_a_card_makes_a_metric_of_any_key(tmp_path: Path) -> None:
    card = MetricCard(metric="blur_size", scale="pixels", higher_is_better=False)
    path = write_rows(tmp_path / "rewards.jsonl", [rewards(0, 0, {"blur_size": 3})])
    assert read_rewards(path, {"blur_size": card}).metrics == ("blur_size",)


def test_a_row_without_a_file_name_says_so(tmp_path: Path) -> None:
    row = {"sample_id": 0, "prompt": "a kettle", "scores": {"imagereward": 0.8}, "image_path": "x.jpg"}
    with pytest.raises(UserError, match=r":1: no 'filename' in this row.*keys are sample_id, prompt, scores, image_p"):
        read(tmp_path, [row])


@pytest.mark.parametrize("key", ["prompt_index", "sample_index"])
@pytest.mark.parametrize("value", [2**31, 10**400])
def test_an_index_beyond_all_tables_is_refused(tmp_path: Path, key: str, value: int) -> None:
    with pytest.raises(UserError, match=f"{key!r} must be a whole number from 0"):
        read(tmp_path, [rewards(0, 0, {"vqa": 0.5}) | {key: value}])


def test_a_file_name_may_hold_any_number(tmp_path: Path) -> None:
    name = f"{'9' * 5000}/samples/{'9' * 5000}.png"
    assert read(tmp_path, [rewards(0, 0, {"vqa": 0.5}) | {"filename": name}]).frame["filename"].tolist() == [name]
