from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import example, given
from hypothesis import strategies as st

from reports import report
from reports.leaderboard.files import _number, _text, model_index
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


NAMES = ("miro-\U0001f680-v2", "\U00020bb7野家/模型", 'a\\b "c" #1: {x}', "Émile", "NA", "=1+1", "\u2066x", "- y: z")
LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.mark.parametrize("loader", LOADERS)
def test_both_readers_of_yaml_and_the_hubs_cards_read_every_name(tmp_path: Path, loader: type) -> None:
    folders = [make_run(tmp_path / str(place), name=name) for place, name in enumerate(NAMES)]
    text = index(*folders)
    shown = {read_run(folder).name for folder in folders}
    assert {entry["name"] for entry in yaml.load(text, loader)["model-index"]} == shown
    starts = [place.start() for place in re.finditer("^- name:", text, re.MULTILINE)] + [len(text)]
    for start, end in pairwise(starts):
        card = ModelCard(f"---\nmodel-index:\n{text[start:end]}---\n# x\n")
        assert card.data.model_name in shown
        assert len(card.data.eval_results) == 8
        card.save(tmp_path / "README.md")
        assert ModelCard.load(tmp_path / "README.md").data.eval_results == card.data.eval_results


@given(st.text(st.characters()), st.floats(allow_nan=False, allow_infinity=False))
@example("\x00\x7f\x85\xa0\u2028\u2029\ufeff\ufffe\uffff\ud83d", 1e-05)
@example("", 5e-324)
def test_any_text_and_any_number_come_back(text: str, number: float) -> None:
    document = f"text: {_text(text)}\nnumber: {_number(number)}\n"
    written = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for loader in LOADERS:
        assert yaml.load(document, loader) == {"text": written, "number": number}
