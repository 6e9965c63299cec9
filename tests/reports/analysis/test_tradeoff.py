"""Diversity against scores over runs: fronts, intervals, and what is not held against each other."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from reports.analysis import write_analysis
from reports.analysis.curves import axis_label
from rewards.scorers import CARDS
from tests.reports.builders import rewards, write_rows
from tests.reports.geneval2 import made_up_lines, random_answers, rows_of


def run_of(folder: Path, samples: int = 2, **values: float) -> Path:
    rows = [
        rewards(prompt, sample, {name: value + 0.02 * (prompt % 3 - 1) for name, value in values.items()})
        for prompt in range(6)
        for sample in range(samples)
    ]
    write_rows(folder / "rewards.jsonl", rows)
    (folder / "run.json").write_text(json.dumps({"name": folder.name}))
    return folder


def lines_of(files: tuple[Path, ...]) -> list[dict[str, str]]:
    with next(path for path in files if path.suffix == ".csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_front_is_what_no_other_run_beats_in_both(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / "guided", diversity_dinov2=0.2, image_reward=0.9),
        run_of(tmp_path / "free", diversity_dinov2=0.5, image_reward=0.1),
        run_of(tmp_path / "between", diversity_dinov2=0.4, image_reward=0.5),
        run_of(tmp_path / "beaten", diversity_dinov2=0.3, image_reward=0.4),
        run_of(tmp_path / "no diversity", image_reward=2.0),
    ]
    files = write_analysis(runs, tmp_path / "out", CARDS).tradeoffs
    assert [path.name for path in files] == ["tradeoff.md", "tradeoff.csv", "tradeoff.png"]
    assert files[2].read_bytes().startswith(b"\x89PNG")
    lines = lines_of(files)
    assert {line["model"]: line["front"] for line in lines} == {
        "guided": "True", "free": "True", "between": "True", "beaten": "False",
    }  # fmt: skip
    first = lines[0]
    assert (float(first["score"]), float(first["diversity"])) == pytest.approx((0.9, 0.2))
    assert float(first["diversity_low"]) < 0.2 < float(first["diversity_high"])
    text = files[0].read_text()
    assert "## diversity\\_dinov2 against image\\_reward" in text or "## diversity_dinov2 against image_reward" in text
    assert text.count("| front |") == 1 + 3


def test_a_score_that_is_better_when_lower_turns_the_front_round(tmp_path: Path) -> None:
    card = CARDS["image_reward"].record() | {"metric": "mine", "higher_is_better": False}
    runs = [run_of(tmp_path / str(place), diversity_clip=0.2, mine=float(place)) for place in range(3)]
    for run in runs:
        cards = {"provenance": {"cards": {"mine": card}}}
        (run / "run.json").write_text(json.dumps({"name": run.name, "stages": {"rewards": cards}}))
    lines = lines_of(write_analysis(runs, tmp_path / "out", CARDS).tradeoffs)
    assert {line["model"]: line["front"] for line in lines} == {"0": "True", "1": "False", "2": "False"}


def test_an_axis_has_a_direction_only_where_one_is_known() -> None:
    assert axis_label("unheard_of", {}) == "unheard_of"
    assert axis_label("geneval2", {}) == "geneval2 \u2191\n0 to 100"
    assert axis_label("diversity_clip", CARDS).startswith("diversity_clip \u2191")


def test_runs_of_other_numbers_of_samples_are_apart(tmp_path: Path) -> None:
    values = {"vendi_clip": 1.5, "image_reward": 0.5}
    runs = [run_of(tmp_path / f"{count} of {name}", count, **values) for count in (2, 4) for name in "ab"]
    runs.append(run_of(tmp_path / "alone", 3, **values))
    lines = lines_of(write_analysis(runs, tmp_path / "out", CARDS).tradeoffs)
    assert [(line["samples_per_prompt"], line["model"]) for line in lines] == [
        *(("2", "2 of a"), ("2", "2 of b"), ("4", "4 of a"), ("4", "4 of b"))
    ]
    assert write_analysis(runs[:1], tmp_path / "one", CARDS).tradeoffs == ()


def test_geneval2_is_a_score_and_diversity_chooses_no_image(tmp_path: Path) -> None:
    lines = made_up_lines(4)
    for name in ("a", "b"):
        rows = [row | {"diversity_dinov2": 0.25} for row in rows_of(lines, random_answers(lines, 2))]
        write_rows(tmp_path / name / "rewards.jsonl", rows)
    answer = CliRunner().invoke(app, ["analyse", *(str(tmp_path / name) for name in "ab"), "--out", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    assert "diversity against scores: " in answer.output
    assert {line["score_metric"] for line in lines_of((tmp_path / "tradeoff.csv",))} == {"geneval2", "soft_tifa"}
    analysis = (tmp_path / "analysis.csv").read_text()
    assert "best_of_2,soft_tifa" in analysis
    assert "best_of_2,diversity_dinov2" not in analysis
