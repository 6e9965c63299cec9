from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.leaderboard.sections import sections
from reports.leaderboard.table import LEADING_COLUMNS, make_leaderboard
from reports.read.runs import read_run
from reports.read.suite import PROMPTS_PER_TAG
from reports.summary.run_summary import RunSummary, summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import (
    SMALL,
    official_prompts,
    read_leaderboard,
    rewards,
    sweep,
    unscored,
    write_leaderboard,
    write_rows,
)
from tests.shared_data import shared
from wire.errors import UserError
from wire.vocabulary import SEVEN_REWARDS, TAGS


def run(folder: Path, rows: list[dict[str, Any]] | None = None, **manifest: Any) -> RunSummary:
    write_rows(folder / "results.jsonl", sweep(SMALL) if rows is None else rows)
    if manifest:
        (folder / "run.json").write_text(json.dumps(manifest))
    return summarise_run(read_run(folder, CARDS))


def reward_rows() -> list[dict[str, Any]]:
    return [rewards(prompt, sample) for prompt in range(3) for sample in range(4)]


def test_columns_and_values_of_the_real_file(tmp_path: Path) -> None:
    source = shared("data/geneval/genediteval_results.jsonl")
    files = write_leaderboard([summarise_run(read_run(source))], tmp_path)
    frame = pd.read_csv(files.csv)
    assert tuple(frame.columns[: len(LEADING_COLUMNS)]) == LEADING_COLUMNS
    row = frame.iloc[0]
    assert [row[tag] for tag in TAGS] == [316 / 320, 297 / 396, 146 / 320, 333 / 376, 49 / 400, 97 / 400]
    assert round(row["overall"], 5) == 0.57406
    assert row["overall_low"] < row["overall"] < row["overall_high"]
    assert (row["images"], row["prompts"], row["unscored"]) == (2212, 553, 0)
    assert row[list(SEVEN_REWARDS)].isna().all()
    markdown = files.markdown.read_text()
    assert "| 1 | genediteval_results | 0.5741 |" in markdown
    assert "Complete sweeps" in markdown


def test_csv_read_back_gives_exactly_the_values(tmp_path: Path) -> None:
    run(tmp_path / "NA")
    write_rows(tmp_path / "NA" / "rewards.jsonl", reward_rows())
    summaries = [summarise_run(read_run(tmp_path / "NA")), run(tmp_path / "007")]
    board = make_leaderboard(summaries)
    back = read_leaderboard(write_leaderboard(summaries, tmp_path / "out").csv)
    pd.testing.assert_frame_equal(back, board.frame, check_exact=True, check_dtype=False)


def test_same_runs_same_bytes(tmp_path: Path) -> None:
    runs = [run(tmp_path / name) for name in "cab"]
    first = write_leaderboard(runs, tmp_path / "1")
    second = write_leaderboard(runs[::-1], tmp_path / "2")
    assert first.csv.read_bytes() == second.csv.read_bytes()
    assert first.markdown.read_bytes() == second.markdown.read_bytes()
    assert b"\r" not in first.csv.read_bytes()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "out" / "leaderboard.md").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written"):
        write_leaderboard([run(tmp_path / "a")], tmp_path / "out")
    assert (tmp_path / "out" / "leaderboard.md").is_dir()


def test_ranks_with_ties(tmp_path: Path) -> None:
    better = sweep(SMALL | {"position": (8, 8)})
    board = make_leaderboard([run(tmp_path / "z"), run(tmp_path / "y"), run(tmp_path / "best", better)])
    assert board.frame["model"].tolist() == ["best", "y", "z"]
    assert board.frame["rank"].tolist() == [1, 2, 2]


def test_incomplete_sweeps_are_ranked_apart(tmp_path: Path) -> None:
    prompts = official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl"))
    sizes = dict(zip(TAGS, (80, 99, 80, 94, 100, 100), strict=True))
    complete = sweep({tag: (size, 4 * size) for tag, size in sizes.items()}, texts=prompts)
    short = sweep({tag: (4 * size, 4 * size) for tag, size in (sizes | {"color_attr": 91}).items()}, texts=prompts)
    other = sweep({tag: (4 * size, 4 * size) for tag, size in sizes.items()})
    runs = [run(tmp_path / "short", short), run(tmp_path / "other", other), run(tmp_path / "complete", complete)]
    board = make_leaderboard(runs)
    assert board.frame["model"].tolist() == ["complete", "short", "other"]
    assert board.frame["group"].tolist() == ["complete", "incomplete", "other prompts"]
    assert board.frame["rank"].tolist() == [1, 1, 1]
    assert board.frame["coverage"].tolist()[1] == "544 of 553 prompts"
    assert "544 of 553 prompts (color_attr 91 of 100)" in board.frame["notes"][1]
    assert "not GenEval's own" in board.frame["notes"][2]
    markdown = write_leaderboard(runs, tmp_path / "out").markdown.read_text()
    assert markdown.index("Complete sweeps") < markdown.index("Incomplete sweeps") < markdown.index("not GenEval's own")


def test_rewards_without_verdicts(tmp_path: Path) -> None:
    write_rows(tmp_path / "scored" / "rewards.jsonl", [*reward_rows(), rewards(9, 0, {"clip_openai": 0.25})])
    board = make_leaderboard([run(tmp_path / "a"), summarise_run(read_run(tmp_path / "scored"))])
    row = board.frame.iloc[1]
    assert (row["model"], row["group"], row["images"], row["unscored"]) == ("scored", "no geneval", 13, 13)
    assert pd.isna(row["rank"])
    assert pd.isna(row["overall"])
    assert row["clip_openai"] == 0.25
    assert row["vqa"] == pytest.approx(0.5 + 0.01 + 0.0015)


def test_rewards_over_other_prompts_bear_no_marks_beside_each_other(tmp_path: Path) -> None:
    """Two files of rewards alone: whose mean is larger is their prompts' doing."""
    rows = [rewards(prompt, 0, {"pick_score": prompt / 64}) for prompt in range(6)]
    others = [row | {"pick_score": 0.5} for row in rows]
    for name, own in {"first": rows, "same": others, "less": rows[1:]}.items():
        write_rows(tmp_path / name / "rewards.jsonl", own)
    first, same, less = (summarise_run(read_run(tmp_path / name, CARDS)) for name in ("first", "same", "less"))
    (section,) = sections(make_leaderboard([first, same]))
    assert [marks["pick_score"] for marks in section.marks] == ["second", "best"]
    found = list(sections(make_leaderboard([first, less])))
    assert [section.marks for section in found] == [({},), ({},)]


def test_images_without_a_result_of_any_stage_are_unscored(tmp_path: Path) -> None:
    run(tmp_path / "a", [*sweep(SMALL), unscored(1, 3, "single_object") | {"filename": "x.png"}])
    write_rows(tmp_path / "a" / "rewards.jsonl", [rewards(0, 0), rewards(0, 1, {"vqa": 0.5})])
    summary = summarise_run(read_run(tmp_path / "a"))
    assert (summary.images, summary.unscored) == (49, 2)


def test_random_weights_are_said_first(tmp_path: Path) -> None:
    runs = [run(tmp_path / "tiny", random_weights=True), run(tmp_path / "real", random_weights=False)]
    lines = write_leaderboard(runs, tmp_path / "out").markdown.read_text().splitlines()
    assert lines[2] == "> **Random weights: the scores mean nothing.** Small random models were used for: tiny."
    frame = read_leaderboard(tmp_path / "out" / "leaderboard.csv")
    assert dict(zip(frame["model"], frame["random_weights"], strict=True)) == {"tiny": True, "real": False}


def test_runs_are_ranked_across_what_a_table_is_about(tmp_path: Path) -> None:
    points = [
        run(tmp_path / name, protocol={"steps": 50, "reward_targets": {"aesthetic_score": target}})
        for name, target in (("a", 0.0), ("b", 1.0))
    ]
    apart = make_leaderboard(points)
    together = make_leaderboard(points, across=["reward_targets"])
    assert apart.frame["protocol"].tolist() == ["P1", "P2"]
    assert together.frame["protocol"].tolist() == ["P1", "P1"]
    assert together.notes == apart.notes
    assert any("reward_targets.aesthetic_score" in note for note in together.notes)
    assert together.frame["fingerprint"].nunique() == 2
    with pytest.raises(UserError, match=r"--across shift: .*; they have reward_targets, .*, steps"):
        make_leaderboard(points, across=["shift"])


def test_unlike_protocols_are_named(tmp_path: Path) -> None:
    runs = [
        run(tmp_path / "a", protocol={"guidance": 7.0, "suite": {"id": "geneval"}}),
        run(tmp_path / "b", protocol={"guidance": 3.0, "suite": {"id": "geneval"}}),
        run(tmp_path / "foreign", sweep(SMALL, samples=2)),
    ]
    board = make_leaderboard(runs)
    assert board.notes == (
        "runs differ in samples per prompt: 4 (b, a); 2 (foreign)",
        "runs differ in guidance: 3.0 (b); 7.0 (a)",
        "no protocol is recorded (seed, sampler, precision, ...) for foreign",
    )
    assert board.frame[["model", "protocol", "rank"]].to_numpy().tolist() == [
        ["b", "P1", 1],
        ["a", "P2", 1],
        ["foreign", "P3", 1],
    ]
    assert board.protocols == {
        "P1": 'guidance 3.0, samples per prompt 4, suite.id "geneval"',
        "P2": 'guidance 7.0, samples per prompt 4, suite.id "geneval"',
        "P3": "protocol not recorded, samples per prompt 2",
    }
    headings = [section.heading for section in sections(board)]
    assert headings[1] == "Incomplete sweeps, ranked separately; protocol P2: " + board.protocols["P2"]
    assert board.frame["fingerprint"].nunique() == 3
    assert board.frame["fingerprint"][2] == ""


def test_random_weights_are_ranked_apart(tmp_path: Path) -> None:
    tiny = run(tmp_path / "tiny", sweep(SMALL | {"position": (8, 8)}), random_weights=True)
    board = make_leaderboard([tiny, run(tmp_path / "real")])
    assert board.frame["model"].tolist() == ["real", "tiny"]
    assert board.frame["rank"].tolist() == [1, 1]


def test_scoring_rewards_otherwise_does_not_part_geneval_ranks(tmp_path: Path) -> None:
    runs = [
        run(tmp_path / name, protocol={"steps": 50}, stages={"rewards": {"settings": {"precision": name}}})
        for name in ("reference", "fast")
    ]
    board = make_leaderboard(runs)
    assert board.frame["protocol"].tolist() == ["P1", "P1"]
    assert "runs differ in rewards.precision" in board.notes[0]


def whole(position: int) -> list[dict[str, Any]]:
    """A complete sweep of GenEval with so many right images of one tag, and half of all others."""
    prompts = official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl"))
    counts = {tag: (2 * size, 4 * size) for tag, size in PROMPTS_PER_TAG.items()}
    return sweep(counts | {"position": (position, 400)}, texts=prompts)


def test_best_and_second_best_are_marked(tmp_path: Path) -> None:
    places = {"a": 400, "b": 250, "c": 250, "d": 200}
    runs = [run(tmp_path / name, whole(right)) for name, right in places.items()]
    (section,) = sections(make_leaderboard(runs))
    assert [marks.get("position") for marks in section.marks] == ["best", "second", "second", None]
    assert all("colors" not in marks for marks in section.marks)
    markdown = write_leaderboard(runs, tmp_path / "out").markdown.read_text()
    assert "| 1 | a | **0.5833** |" in markdown
    assert "| b | *0.5208* |" in markdown


def test_normalised_rewards(tmp_path: Path) -> None:
    values = {"aesthetic": 5.5, "image_reward": -1.0, "vqa": 0.5}
    write_rows(tmp_path / "a" / "rewards.jsonl", [rewards(place, 0, values) for place in range(3)])
    row = make_leaderboard([run(tmp_path / "a")]).frame.iloc[0]
    assert row["aesthetic_normalised"] == pytest.approx(0.55)
    assert row["image_reward_normalised"] == pytest.approx(0.25)
    assert "vqa_normalised" not in row


def test_an_all_zero_sweep_is_pointed_at(tmp_path: Path) -> None:
    notes = run(tmp_path / "a", sweep(dict.fromkeys(TAGS, (0, 8)))).notes
    assert any("no image is judged correct" in note for note in notes)


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / parent / "geneval_images" / "last" for parent in ("one", "two")]
    board = make_leaderboard([run(folder) for folder in folders])
    assert sorted(board.frame["model"]) == ["one/last", "two/last"]
    shutil.copy(folders[0] / "results.jsonl", folders[0] / "again.jsonl")
    same_folder = [summarise_run(read_run(folders[0])), summarise_run(read_run(folders[0] / "results.jsonl"))]
    assert make_leaderboard(same_folder).frame["model"].tolist() == ["last #1", "last #2"]


def test_no_runs() -> None:
    with pytest.raises(UserError, match="no runs to report"):
        make_leaderboard([])
