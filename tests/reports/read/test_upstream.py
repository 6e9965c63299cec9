"""Files that MIRO's own evaluation scripts write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import reports
from reports.read.rows import within_run
from reports.read.runs import read_run
from rewards.scorers import CARDS
from tests.reports.builders import SMALL, Row, sweep, write_rows

SIX = ("aesthetic", "pick_score", "image_reward", "hpsv2", "clip_jina", "clip_openai")


def upstreams(root: str, metrics: tuple[str, ...] = SIX) -> list[Row]:
    """Rows of ``score_images.py``: whole paths, a prompt, a number for each scorer."""
    scores = {metric: 0.5 + place for place, metric in enumerate(metrics)}
    verdicts = sweep(SMALL)
    return [{"filename": f"{root}/{row['filename']}", "prompt": row["prompt"], **scores} for row in verdicts]


def test_metric_names_say_their_version(tmp_path: Path) -> None:
    table = read_run(write_rows(tmp_path / "rewards.jsonl", upstreams("/data/run")), CARDS).rewards
    assert table is not None
    assert table.metrics == ("clip_jina", "aesthetic", "image_reward", "pick_score", "clip_openai", "hpsv2.0")
    assert table.frame["hpsv2.0"].tolist() == [3.5] * 48
    assert {card.upstream for card in CARDS.values() if card.upstream} == set(SIX)


def test_a_partly_finished_file(tmp_path: Path) -> None:
    """It is rewritten after each scorer."""
    table = read_run(write_rows(tmp_path / "rewards.jsonl", upstreams("/data/run", SIX[:4])), CARDS).rewards
    assert table is not None
    assert table.metrics == ("aesthetic", "image_reward", "pick_score", "hpsv2.0")


def test_other_tools_names_are_left_alone(tmp_path: Path) -> None:
    rows = [row | {"mine": 1.0} for row in upstreams("/data/run")]
    table = read_run(write_rows(tmp_path / "rewards.jsonl", rows), CARDS).rewards
    assert table is not None
    assert "hpsv2" in table.metrics


def test_both_stages_of_upstream_are_one_run(tmp_path: Path) -> None:
    """GenEval's script writes paths as it was given them, the reward script whole ones."""
    run = tmp_path / "run"
    write_rows(run / "results.jsonl", [row | {"filename": f"out/run/{row['filename']}"} for row in sweep(SMALL)])
    write_rows(run / "rewards.jsonl", upstreams("/home/someone/out/run"))
    files = reports.report([run], tmp_path / "out", cards=CARDS)
    frame = files.leaderboard.frame
    assert frame["images"].tolist() == [48]
    assert frame["unscored"].tolist() == [0]
    assert frame["hpsv2.0"].tolist() == [3.5]
    assert "/home" not in files.scores.read_text()
    board = json.loads(files.json.read_text())
    assert "score_images.py" in board["sections"][0]["runs"][0]["notes"]


@pytest.mark.parametrize(
    ("names", "within"),
    [
        (
            ["/a/00000/samples/0000.png", "/a/00001/samples/0000.png"],
            ["00000/samples/0000.png", "00001/samples/0000.png"],
        ),
        (["/a/00000/samples/0000.png", "/b/00000/samples/0000.png"], None),
        (["/a/00000/samples/0000.png", "x.png"], None),
        (["00000/samples/0000.png"], None),
        ([], None),
    ],
)
def test_a_prefix_goes_where_all_names_have_it(tmp_path: Path, names: list[str], within: list[str] | None) -> None:
    assert within_run(names, tmp_path) == (names if within is None else within)


def test_names_of_files_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "out/00000/samples").mkdir(parents=True)
    (tmp_path / "out/00000/samples/0000.png").touch()
    assert within_run(["out/00000/samples/0000.png"], tmp_path) == ["out/00000/samples/0000.png"]


def test_it_is_said_that_their_hpsv2_crops_where_ours_pads(tmp_path: Path) -> None:
    write_rows(tmp_path / "a" / "rewards.jsonl", upstreams("/data/run"))
    write_rows(tmp_path / "b" / "rewards.jsonl", upstreams("/data/run", SIX[:3]))
    board = json.loads(reports.report([tmp_path / "a", tmp_path / "b"], tmp_path / "out", cards=CARDS).json.read_text())
    notes = {run["model"]: run["notes"] for section in board["sections"] for run in section["runs"]}
    assert "'hpsv2' is hpsv2.0, but of images cropped to a square where the authors' package pads" in notes["a"]
    assert "score_images.py" in notes["b"]
    assert "hpsv2" not in notes["b"]
