from __future__ import annotations

import json
import re
from pathlib import Path

from reports import report
from reports.leaderboard.model_index import model_index
from reports.leaderboard.table import make_leaderboard
from reports.read.runs import read_run
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import SMALL, rewards, sweep, write_rows


def index(*folders: Path) -> str:
    return model_index(make_leaderboard([summarise_run(read_run(folder, CARDS)) for folder in folders]))


def make_run(folder: Path, **manifest: object) -> Path:
    write_rows(folder / "results.jsonl", sweep(SMALL))
    write_rows(folder / "rewards.jsonl", [rewards(0, 0, {"image_reward": -0.5}), rewards(1, 0, {"image_reward": 0.0})])
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


def test_scores_and_rewards_with_their_names(tmp_path: Path) -> None:
    lines = index(make_run(tmp_path / "a", name='a "model": #1')).splitlines()
    assert lines[:3] == ["model-index:", '- name: "a \\"model\\": #1"', "  results:"]
    place = lines.index('    - type: "geneval_overall"')
    assert lines[place + 2] == "      value: 0.5"
    place = lines.index('    - type: "image_reward"')
    assert lines[place + 1 : place + 3] == [
        '      name: "mean ImageReward v1.0 (2 of 2,212 images)"',
        "      value: -0.25",
    ]
    assert len([line for line in lines if "- type:" in line]) == 7 + 1


def test_every_line_is_a_key_or_an_entry(tmp_path: Path) -> None:
    for line in index(make_run(tmp_path / "a", name="x\n- y: z")).splitlines():
        assert re.fullmatch(r' *(- )?[a-z-]+:( "([^"\\]|\\.)*"| -?[\d.e-]+| text-to-image)?', line), line


def test_random_weights_are_left_out(tmp_path: Path) -> None:
    assert index(make_run(tmp_path / "a", random_weights=True)) == "model-index: []\n"


def test_a_report_has_it(tmp_path: Path) -> None:
    report([make_run(tmp_path / "a")], tmp_path / "out", cards=CARDS)
    assert (tmp_path / "out" / "model-index.yaml").read_text() == index(tmp_path / "a")
