from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

import reports
from reports.leaderboard.merge import LEADING, PROMPT_COLUMNS, merge_images, merge_stages
from reports.leaderboard.row_tables import join_parts, write_part
from reports.read.runs import read_run
from tests.reports.builders import SMALL, Row, rewards, sweep, unscored, verdict, write_rows
from tests.shared_data import shared
from wire.vocabulary import SEVEN_REWARDS


def folder(path: Path, verdicts: list[Row], scores: list[Row] | None = None, **manifest: object) -> Path:
    write_rows(path / "results.jsonl", verdicts)
    if scores:
        write_rows(path / "rewards.jsonl", scores)
    (path / "run.json").write_text(json.dumps(manifest))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_an_image_over_all_stages(tmp_path: Path) -> None:
    verdicts = [verdict(0, 0, "colors", True), verdict(0, 1, "colors", False), unscored(1, 0, "colors", "broken")]
    scores = [rewards(0, 0), rewards(0, 1, {"vqa": None}) | {"unscored": {"vqa": "no memory"}}, rewards(7, 0)]
    frame = merge_stages(read_run(folder(tmp_path, verdicts, scores)))
    assert frame["filename"].tolist() == [f"{p:05d}/samples/{s:04d}.png" for p, s in ((0, 0), (0, 1), (1, 0), (7, 0))]
    assert frame["correct"].astype(object).where(frame["correct"].notna(), None).tolist() == [True, False, None, None]
    assert frame["reason"].tolist()[2] == "broken"
    assert frame["prompt"].tolist()[3] == "prompt 7"
    assert frame["vqa"].notna().tolist() == [True, False, False, True]
    assert frame["unscored_rewards"].tolist()[1] == "vqa: no memory"


def test_the_csv_of_several_runs(tmp_path: Path) -> None:
    text = 'a "quoted",\nbroken line'
    first = folder(tmp_path / "a", [verdict(0, 0, "colors", True, text)], name="last")
    second = folder(tmp_path / "b", [verdict(0, 0, "colors", False)], [rewards(0, 0, {"mine": 0.1 + 0.2})], name="last")
    parts = []
    for place, path in enumerate((first, second)):
        parts.append(write_part(merge_stages(read_run(path)), tmp_path / f"{place}.csv"))
    rows = rows_of(join_parts(parts, tmp_path / "out" / "scores.csv", LEADING, ("unscored_rewards",)))
    assert tuple(rows[0]) == (*LEADING, "mine", "unscored_rewards")
    assert [row["correct"] for row in rows] == ["True", "False"]
    assert rows[0]["prompt"] == text
    assert [row["mine"] for row in rows] == ["", repr(0.1 + 0.2)]
    assert not list((tmp_path / "out").glob("*.partial"))


def test_report_writes_scores_under_the_names_of_the_leaderboard(tmp_path: Path) -> None:
    inputs = [folder(tmp_path / name / "last", sweep(SMALL), name="last") for name in ("one", "two")]
    files = reports.report(inputs, tmp_path / "out")
    rows = rows_of(files.scores)
    assert len(rows) == 2 * 48
    assert {row["model"] for row in rows} == set(files.leaderboard.frame["model"]) == {"one/last", "two/last"}


def test_one_file_name_for_several_prompts(tmp_path: Path) -> None:
    """Shards that each count from 0, in one file."""
    verdicts = [verdict(0, 0, "colors", True, "a"), verdict(0, 0, "colors", False, "b")]
    scores = [rewards(0, 0, {"vqa": 0.1}) | {"prompt": "a"}, rewards(0, 0, {"vqa": 0.2}) | {"prompt": "b"}]
    frame = merge_stages(read_run(folder(tmp_path, verdicts, scores)))
    assert frame[["prompt", "vqa"]].to_numpy().tolist() == [["a", 0.1], ["b", 0.2]]


def test_the_real_file(tmp_path: Path) -> None:
    run = read_run(shared("data/geneval/genediteval_results.jsonl"))
    frame = merge_stages(run)
    assert len(frame) == 2212
    assert int(frame["correct"].sum()) == 316 + 297 + 146 + 333 + 49 + 97
    assert frame[list(SEVEN_REWARDS)].isna().all(axis=None)


@pytest.mark.parametrize("stage", ["results", "rewards"])
def test_a_single_stage(tmp_path: Path, stage: str) -> None:
    rows = sweep(SMALL) if stage == "results" else [rewards(place, 0) for place in range(3)]
    frame = merge_stages(read_run(write_rows(tmp_path / f"{stage}.jsonl", rows)))
    assert len(frame) == len(rows)


def test_one_row_a_prompt(tmp_path: Path) -> None:
    verdicts = [verdict(0, 0, "colors", True), verdict(0, 1, "colors", False), unscored(0, 2, "colors")]
    scores = [rewards(0, 0, {"vqa": 0.5, "mine": 1.0}), rewards(0, 1, {"vqa": 0.25}), rewards(7, 0, {"vqa": 0.125})]
    frame = merge_images(merge_stages(read_run(folder(tmp_path, verdicts, scores))))
    assert frame["prompt_key"].tolist() == ["00000", "00007"]
    assert frame[["images", "judged"]].to_numpy().tolist() == [[3, 2], [1, 0]]
    assert frame["vqa"].tolist() == [0.375, 0.125]
    assert frame["mine"].isna().tolist() == [False, True]
    assert frame["correct"].isna().tolist() == [False, True]


def test_the_prompts_of_a_report_add_up_to_its_images(tmp_path: Path) -> None:
    files = reports.report([folder(tmp_path / "a", sweep(SMALL), [rewards(0, 0)])], tmp_path / "out")
    images, prompts = rows_of(files.scores), rows_of(files.prompts)
    assert tuple(prompts[0]) == PROMPT_COLUMNS
    assert sum(int(prompt["images"]) for prompt in prompts) == len(images) == 48
    assert sum(int(prompt["correct"]) for prompt in prompts) == 24
    assert sum(image["correct"] == "True" for image in images) == 24
    assert [prompt["vqa"] != "" for prompt in prompts] == [True] + [False] * 11


def test_parquet_holds_the_rows_of_the_csv_with_their_types(tmp_path: Path) -> None:
    text = 'a "quoted",\nbroken line, and \ud800 half a letter'
    rows = [verdict(0, 0, "colors", True, text), unscored(0, 1, "colors") | {"prompt": text}]
    files = reports.report([folder(tmp_path / "a", rows, [rewards(0, 0, {"vqa": 0.1 + 0.2})])], tmp_path / "out")
    frame = pd.read_parquet(files.parquet)
    assert frame["prompt"].tolist() == [text.encode("utf-8", "backslashreplace").decode()] * 2
    assert frame["correct"].tolist() == [True, None]
    assert frame["sample_index"].tolist() == [0, 1]
    assert frame["vqa"].tolist()[0] == 0.1 + 0.2
    assert frame["vqa"].isna().tolist() == [False, True]
    assert list(frame.columns) == list(rows_of(files.scores)[0])
    assert not list((tmp_path / "out").glob("*.partial"))
