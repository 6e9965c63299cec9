"""A prompt under several numbers is one prompt, wherever prompts are counted, paired or drawn."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from reports.compare.comparison import compare
from reports.gate.baseline import read_baseline, save_baseline
from reports.leaderboard.merge import merge_images, merge_stages
from reports.read.runs import Run, read_run
from reports.read.suite import PROMPTS_PER_TAG
from reports.summary.run_summary import summarise_run
from reports.summary.scored import Scored
from tests.reports.builders import Row, official_prompts, rewards, sweep, verdict, write_rows
from tests.reports.gate.builders import check_paths
from tests.shared_data import shared


def samples(seed: int = 1) -> list[Row]:
    """A complete sweep, four samples per prompt, verdicts alike within prompts."""
    prompts = official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl"))
    rows = sweep({tag: (0, 4 * size) for tag, size in PROMPTS_PER_TAG.items()}, texts=prompts)
    draw = random.Random(seed)
    chances = [draw.choice((0.1, 0.5, 0.9)) for _ in prompts]
    return [row | {"correct": draw.random() < chances[place // 4]} for place, row in enumerate(rows)]


def moved(row: Row, folder: int, sample: int, **other: object) -> Row:
    return row | {"filename": f"{folder:05d}/samples/{sample:04d}.png", **other}


def lines(rows: list[Row]) -> list[Row]:
    """Every image a line of the list, as when each prompt stands in it four times."""
    return [moved(row, place, 0) for place, row in enumerate(rows)]


def seeds(rows: list[Row]) -> list[Row]:
    """A folder an image, and the image named by its seed."""
    return [moved(row, place, place % 4) for place, row in enumerate(rows)]


def rounds(rows: list[Row]) -> list[Row]:
    """The whole list four times over."""
    return [moved(row, 553 * (place % 4) + place // 4, 0) for place, row in enumerate(rows)]


def padding(rows: list[Row], **other: object) -> list[Row]:
    """The first seven prompts again, under the numbers after the last."""
    return [moved(row, 553 + place // 4, place % 4, **other) for place, row in enumerate(rows[:28])]


def read(folder: Path, rows: list[Row]) -> Run:
    write_rows(folder / "results.jsonl", rows)
    return read_run(folder)


@pytest.mark.parametrize("layout", [lines, seeds, rounds])
def test_one_line_an_image_is_the_same_sweep(tmp_path: Path, layout) -> None:  # type: ignore[no-untyped-def]
    plain, other = read(tmp_path / "a", samples()), read(tmp_path / "b", layout(samples()))
    assert other.repeats == ("553 prompts have 2,212 numbers: images of one prompt are its samples",)
    first, second = summarise_run(plain), summarise_run(other)
    assert second.prompts == 553
    assert first.geneval == second.geneval
    assert second.geneval is not None
    assert second.geneval.coverage.scored == Scored(2212, 2212)
    comparison = compare(plain, other)
    assert [(line.paired.difference, line.paired.images, line.left_out) for line in comparison.metrics] == [
        (0.0, line.paired.images, "") for line in comparison.metrics
    ]
    assert comparison.metrics[0].paired.images == 2212
    assert any("have 2,212 numbers" in note for note in comparison.notes)


def test_the_gate_passes_a_run_against_its_own_twin(tmp_path: Path) -> None:
    baseline = save_baseline(read(tmp_path / "a", lines(samples())), tmp_path / "baseline.json")
    assert read_baseline(baseline).verdicts is not None
    for name, rows in (("twin", lines(samples())), ("samples", samples())):
        write_rows(tmp_path / name / "results.jsonl", rows)
        gate = check_paths(tmp_path / name, baseline)
        assert gate.passes, gate.verdict
        assert gate.comparison.metrics[0].paired.images == 2212


def test_a_padded_list_is_told_and_its_other_images_are_further_samples(tmp_path: Path) -> None:
    rows = samples()
    run = read(tmp_path / "padded", [*rows, *padding(rows)])
    assert run.repeats == ("553 prompts have 560 numbers: images of one prompt are its samples",)
    coverage = summarise_run(run).geneval.coverage  # type: ignore[union-attr]
    assert (coverage.prompts_found, coverage.images, coverage.samples_per_prompt, coverage.images_missing) == (
        *(553, 2240, 4),
        0,
    )
    assert coverage.scored.whole
    gate = check_paths(tmp_path / "padded", save_baseline(read(tmp_path / "a", rows), tmp_path / "baseline.json"))
    assert any("28 images only in the second" in note for note in gate.notes)
    assert any("have 560 numbers" in note for note in gate.notes)


def test_copies_under_another_number_count_once(tmp_path: Path) -> None:
    rows = [row | {"image_sha256": f"{place:064x}"} for place, row in enumerate(samples())]
    padded = [*rows, *padding(rows)]
    padded[-1] = padded[-1] | {"correct": not padded[-1]["correct"]}
    run = read(tmp_path / "padded", padded)
    assert summarise_run(run).geneval == summarise_run(read(tmp_path / "plain", rows)).geneval
    assert run.repeats[1] == (
        "28 copies of images under another number, counted once (1 with other results than the first): "
        "00553/samples/0000.png, 00553/samples/0001.png, 00553/samples/0002.png and 25 more"
    )


def test_what_an_image_lacks_is_taken_from_its_copy(tmp_path: Path) -> None:
    image = {"image_sha256": "ab" * 32}
    rows = [
        verdict(0, 0, "colors", None, "a red dog", status="unscored", error="broken", **image),
        verdict(5, 0, "colors", True, "a red dog", **image),
    ]
    write_rows(tmp_path / "rewards.jsonl", [
        rewards(0, 0, {"vqa": None, "aesthetic": 5.0}) | image | {"prompt": "a red dog"},
        rewards(5, 0, {"vqa": 0.5, "aesthetic": 5.0}) | image | {"prompt": "a red dog"},
    ])  # fmt: skip
    (row,) = merge_stages(read(tmp_path, rows)).to_dict("records")
    assert (row["filename"], row["correct"], row["vqa"]) == ("00000/samples/0000.png", True, 0.5)


def test_equal_images_of_one_number_are_samples(tmp_path: Path) -> None:
    rows = [verdict(0, sample, "colors", True, image_sha256="ab" * 32) for sample in range(4)]
    run = read(tmp_path, rows)
    assert run.repeats == ("3 samples of 1 prompts are copies of another sample: had each its own seed?",)
    assert summarise_run(run).images == 4


def test_rows_that_stand_twice_are_named(tmp_path: Path) -> None:
    rows = samples()
    run = read(tmp_path, [*rows, *rows[:2]])
    assert run.repeats == (
        "2 rows appear twice in the file, counted once: 00000/samples/0000.png, 00000/samples/0001.png",
    )


def test_a_suite_that_has_a_prompt_twice_is_complete(tmp_path: Path) -> None:
    rows = [
        rewards(prompt, sample, {"vqa": 0.5}) | {"prompt": f"text {prompt % 9}"}
        for prompt in range(10)
        for sample in range(4)
    ]
    write_rows(tmp_path / "rewards.jsonl", rows)
    (tmp_path / "run.json").write_text(json.dumps({"protocol": {"suite": {"prompts": 10}, "samples": 4}}))
    summary = summarise_run(read_run(tmp_path))
    assert (summary.prompts, summary.scored["vqa"]) == (9, Scored(40, 40))
    assert summary.notes == ("9 prompts have 10 numbers: images of one prompt are its samples",)
    prompts = merge_images(merge_stages(read_run(tmp_path)))
    assert prompts["images"].tolist() == [8] + [4] * 8
