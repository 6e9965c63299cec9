"""Images that have a value, of those that a whole sweep has: they decide who is ranked with whom."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from reports.leaderboard.sections import sections
from reports.leaderboard.table import make_leaderboard
from reports.paper.tables import Verdict, reproduce_table
from reports.read.runs import read_run
from reports.read.suite import PROMPTS_PER_TAG
from reports.statistics.best_of_n import usual_size
from reports.summary.run_summary import RunSummary, summarise_run, write_summaries
from reports.summary.scored import Scored
from tests.reports.builders import (
    Row,
    official_prompts,
    read_leaderboard,
    rewards,
    sweep,
    write_leaderboard,
    write_rows,
)
from tests.shared_data import shared

IMAGES = 2212


def whole() -> list[Row]:
    """A complete sweep with half of the images of every tag right, of every other prompt three of four."""
    prompts = official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl"))
    rows = sweep({tag: (0, 4 * size) for tag, size in PROMPTS_PER_TAG.items()}, texts=prompts)
    return [row | {"correct": place % 8 in (1, 2, 3, 4)} for place, row in enumerate(rows)]


def unscored(row: Row) -> Row:
    return row | {"correct": None, "status": "unscored", "error": "judge timed out"}


def summary(folder: Path, rows: list[Row], **manifest: object) -> RunSummary:
    write_rows(folder / "results.jsonl", rows)
    if manifest:
        (folder / "run.json").write_text(json.dumps(manifest))
    return summarise_run(read_run(folder))


def lossy(rows: list[Row], drop: bool) -> list[Row]:
    """Wrong images are unscored, or not there at all; every prompt keeps a right one."""
    return [row if row["correct"] else unscored(row) for row in rows if row["correct"] or not drop]


@pytest.mark.parametrize("drop", [True, False])
def test_a_run_without_its_wrong_images_is_not_ranked_with_complete_ones(tmp_path: Path, drop: bool) -> None:
    runs = [summary(tmp_path / "honest", whole()), summary(tmp_path / "lossy", lossy(whole(), drop))]
    board = make_leaderboard(runs)
    assert board.frame["model"].tolist() == ["honest", "lossy"]
    assert board.frame["group"].tolist() == ["complete", "incomplete"]
    assert board.frame["rank"].isna().tolist() == [False, True]
    assert board.frame["geneval_scored"].tolist()[0] == IMAGES
    scored = board.frame["geneval_scored"].tolist()[1]
    text = f"{scored:,} of 2,212"
    assert f"overall would be {runs[0].geneval.overall:.4f} if the others were all wrong" in board.frame["notes"][1]
    assert not any(section.marks[0] for section in sections(board))
    files = write_leaderboard(runs, tmp_path / "out")
    for path in (files.markdown, files.latex, files.html, files.csv, files.index):
        assert "2,212 of 2,212" in path.read_text(), path
        assert text in path.read_text(), path
    record = json.loads(files.json.read_text())["sections"][1]["runs"][0]
    assert record["scored_images"]["geneval"] == {"scored": scored, "expected": IMAGES}
    pd.testing.assert_frame_equal(read_leaderboard(files.csv), board.frame, check_exact=True, check_dtype=False)


@pytest.mark.parametrize(("missing", "group"), [(22, "complete"), (23, "incomplete")])
def test_one_image_in_a_hundred_may_lack(tmp_path: Path, missing: int, group: str) -> None:
    rows = [unscored(row) if place % 8 == 0 and place < 8 * missing else row for place, row in enumerate(whole())]
    assert make_leaderboard([summary(tmp_path / "run", rows)]).frame["group"].tolist() == [group]


def test_the_protocol_says_how_many_samples_a_prompt_has(tmp_path: Path) -> None:
    one = [row for row in whole() if row["filename"].endswith("0000.png")]
    protocol = {"suite": {"id": "geneval", "prompts": 553}, "samples": 4}
    assert summary(tmp_path / "one", one).geneval.coverage.scored == Scored(553, 553)
    found = summary(tmp_path / "four", one, protocol=protocol)
    assert found.geneval.coverage.scored == Scored(553, IMAGES)


def test_every_metric_has_its_own_count(tmp_path: Path) -> None:
    values = [rewards(prompt, 0, {"vqa": 0.5, "aesthetic": 5.0 if prompt < 2 else None}) for prompt in range(300)]
    runs = []
    for name in "ab":
        write_rows(tmp_path / name / "rewards.jsonl", [row | {"vqa": 0.25 + 0.5 * (name == "b")} for row in values])
        runs.append(summarise_run(read_run(tmp_path / name)))
    better = {"aesthetic": 6.0}
    write_rows(tmp_path / "b" / "rewards.jsonl", [row | better if row["aesthetic"] else row for row in values])
    runs[1] = summarise_run(read_run(tmp_path / "b"))
    board = make_leaderboard(runs)
    assert board.frame["scored"].tolist()[0] == "aesthetic 2 of 300; vqa 300 of 300"
    assert not any("aesthetic" in marks for section in sections(board) for marks in section.marks)
    assert "aesthetic 2 of 300" in write_leaderboard(runs, tmp_path / "out").latex.read_text()
    files = write_summaries(tmp_path / "a")
    assert json.loads(files[0].read_text())["metrics"]["aesthetic"]["expected"] == 300


def test_the_paper_is_compared_with_whole_suites_alone(tmp_path: Path) -> None:
    lines = shared("data/prompts/parti_prompts.jsonl").read_text().splitlines()
    rows = [
        rewards(place, 0, {"vqa": 0.5, "aesthetic": 6.28 if place < 20 else None})
        | {"prompt": json.loads(line)["prompt"]}
        for place, line in enumerate(lines)
    ]
    write_rows(tmp_path / "rewards.jsonl", rows)
    cells = reproduce_table("table1", [f"MIRO={tmp_path}"]).cells
    (cell,) = [cell for cell in cells if (cell.row, cell.column) == ("MIRO", "aesthetic")]
    assert (cell.verdict, cell.reason) == (Verdict.NOT_COMPARABLE, "scored 20 of 1,632")


def test_verdicts_of_a_part_are_not_compared_with_the_paper(tmp_path: Path) -> None:
    write_rows(tmp_path / "results.jsonl", lossy(whole(), drop=False))
    cells = reproduce_table("table1", [f"MIRO={tmp_path}"]).cells
    (cell,) = [cell for cell in cells if (cell.row, cell.column) == ("MIRO", "overall")]
    assert cell.reason.startswith("scored 1,")


def test_padding_meets_a_few_prompts_alone() -> None:
    assert usual_size([8] * 7 + [4] * 546) == 4
    assert usual_size([4] * 5 + [3] * 5) == 4
    assert usual_size([]) == 0


def test_an_images_line_is_missed_too(tmp_path: Path) -> None:
    """Each image a line: what was dropped is known from the lines' numbers, though no prompt may have all."""
    rows = [row | {"filename": f"{place:05d}/samples/0000.png"} for place, row in enumerate(whole())]
    found = summary(tmp_path / "lines", lossy(rows, drop=True)).geneval
    assert found is not None
    assert found.coverage.scored.expected == IMAGES
    assert not found.coverage.scored.whole
