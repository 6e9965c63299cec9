"""Metrics that are called as columns and keys of ours: nothing of ours may change, and nothing of theirs be lost."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli.app import app
from reports.gate.baseline import read_baseline, save_baseline
from reports.leaderboard.files import leaderboard_record, write_tables
from reports.leaderboard.markdown import leaderboard_markdown
from reports.leaderboard.merge import merge_images, merge_stages
from reports.leaderboard.table import Leaderboard, make_leaderboard
from reports.read.reward_rows import read_rewards
from reports.read.runs import Run, read_run
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import SMALL, read_leaderboard, rewards, sweep, write_rows
from wire.errors import UserError
from wire.reserved import PREFIX, RESERVED, ROW_KEYS, SUFFIXES, is_reserved, shown_name
from wire.vocabulary import SEVEN_REWARDS

#: Names that a foreign metric may come with; what rows must have for themselves is left out.
NAMES = sorted({*RESERVED, *(f"aesthetic{suffix}" for suffix in SUFFIXES), "overall_low"} - ROW_KEYS)


def run(folder: Path, values: dict[str, float]) -> Run:
    """GenEval verdicts of two prompts a tag, and rewards of the same images: aesthetic, and whatever is asked for."""
    rows = sweep(SMALL)
    write_rows(folder / "results.jsonl", rows)
    scored = [
        {"filename": row["filename"], "prompt": row["prompt"], "aesthetic": 5.0 + 0.1 * place}
        | {name: value + 0.01 * place for name, value in values.items()}
        for place, row in enumerate(rows)
    ]
    write_rows(folder / "rewards.jsonl", scored)
    return read_run(folder, CARDS)


def board_of(found: Run) -> Leaderboard:
    return make_leaderboard([summarise_run(found)])


def written(found: Run, path: Path) -> set[str]:
    """Every column and key of ours that a metric may stand beside."""
    images = merge_stages(found)
    lines = json.loads(save_baseline(found, path).read_text())
    keys = {key for part in ("verdicts", "rewards") for prompt in lines[part] for key in prompt}
    frames = (board_of(found).frame, images, merge_images(images), found.rewards.frame if found.rewards else images)
    return keys.union(*(map(str, frame.columns) for frame in frames))


def test_the_list_holds_every_name_that_is_written(tmp_path: Path) -> None:
    names = written(run(tmp_path, {"zeta": 1.0}), tmp_path / "saved.json")
    rows = {key for row in (*sweep(SMALL), rewards(0, 0, {})) for key in row}
    assert {name for name in names | rows if not is_reserved(name)} == {*SEVEN_REWARDS, "zeta"}
    assert not any(is_reserved(metric) for metric in CARDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_of_that_name_changes_nothing_of_ours(name: str, tmp_path: Path) -> None:
    plain, clashing = run(tmp_path / "m", {}), run(tmp_path / "m", {name: 0.25})
    before, board = board_of(plain), board_of(clashing)
    shown = shown_name(name)
    assert board.metrics == (*SEVEN_REWARDS, shown)
    ours = before.frame.columns.drop(["notes", "scored"])  # words on all metrics
    pd.testing.assert_frame_equal(board.frame[ours], before.frame[ours])
    mean = 0.25 + 0.01 * 23.5
    assert board.frame[shown][0] == pytest.approx(mean)
    assert f"{name} as {shown}" in board.frame["notes"][0]
    files = write_tables(board, tmp_path / "out")
    assert read_leaderboard(files.csv)[shown][0] == board.frame[shown][0]
    record = leaderboard_record(board)["sections"][0]["runs"][0]
    assert record["rewards"][shown]["value"] == pytest.approx(mean)
    prompts = merge_images(merge_stages(clashing))
    assert prompts[shown].mean() == pytest.approx(mean)
    again = read_baseline(save_baseline(clashing, tmp_path / "saved.json"), CARDS)
    assert again.rewards is not None
    assert again.rewards.metrics == ("aesthetic", shown)
    assert again.rewards.frame[shown].mean() == pytest.approx(mean)


def test_such_names_together_through_every_verb(tmp_path: Path) -> None:
    names = ("overall", "position", "rank", "model", "images", "prompt_key", "samples", "correct", "aesthetic_low")
    found = run(tmp_path / "step=1", dict.fromkeys(names, 0.25))
    run(tmp_path / "step=2", dict.fromkeys(names, 0.25))
    policy = tmp_path / "gate.toml"
    policy.write_text('[metrics."rewards.overall"]\nmargin = 0.1\n')
    one, two = tmp_path / "step=1", tmp_path / "step=2"
    for arguments in (
        ("report", one, two, "--out", tmp_path / "out", "--export", "tensorboard"),
        ("analyse", one, two, "--out", tmp_path / "out"),
        ("track", one, two, "--out", tmp_path / "out"),
        ("baseline", "save", one, tmp_path / "saved.json"),
        ("compare", one, tmp_path / "saved.json"),
        ("check", two, "--baseline", tmp_path / "saved.json", "--policy", policy),
        ("view", one, "--out", tmp_path / "gallery"),
    ):
        result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    table = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    assert found.rewards is not None
    assert {*found.rewards.metrics} <= {*table.columns}
    assert table[shown_name("overall")].dtype == "float64"


def test_a_number_for_correct_is_a_metric_also_in_a_bare_file(tmp_path: Path) -> None:
    found = read_run(write_rows(tmp_path / "x.jsonl", [rewards(0, 0, {"correct": 0.49})]))
    assert found.rewards is not None
    assert found.rewards.metrics == ("rewards.correct",)


@given(st.lists(st.sampled_from([PREFIX, *SUFFIXES, *NAMES[:4], "x"]), min_size=1, max_size=4).map("".join))
def test_a_shown_name_is_free_and_stays(name: str) -> None:
    shown = shown_name(name)
    assert shown not in RESERVED
    assert shown_name(shown) == shown
    assert is_reserved(name) == (shown != name or name.startswith(PREFIX))


_NAME = st.lists(st.sampled_from([PREFIX, *SUFFIXES[:2], "overall", "x"]), min_size=1, max_size=3).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.sets(_NAME, min_size=2, max_size=5))
def test_names_that_meet_are_refused_and_others_keep_their_values(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    values = {name: float(place) for place, name in enumerate(sorted(names))}
    rows = [rewards(prompt, 0, values) for prompt in range(3)]
    path = write_rows(tmp_path_factory.mktemp("names") / "rewards.jsonl", rows)
    try:
        frame = board_of(read_run(path)).frame
    except UserError as error:
        assert "rename one" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert {name: frame[shown_name(name)][0] for name in names} == values
    assert math.isnan(frame["overall"][0])


def test_a_card_of_an_older_run_goes_with_its_metric(tmp_path: Path) -> None:
    card: dict[str, Any] = CARDS["vqa"].record() | {"metric": "overall", "higher_is_better": False}
    manifest = {"stages": {"rewards": {"provenance": {"cards": {"overall": card}}}}}
    (tmp_path / "run.json").write_text(json.dumps(manifest))
    board = board_of(run(tmp_path, {"overall": 0.5}))
    assert board.cards["rewards.overall"].lower
    assert board.cards["rewards.overall"].label == "rewards.overall ↓"
    assert "rewards.overall ↓" in leaderboard_markdown(board)
    assert "overall" not in board.cards


def test_one_metric_under_two_keys_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rewards.jsonl", [rewards(0, 0, {"overall": 1.0, "rewards.overall": 2.0})])
    with pytest.raises(UserError, match=r"'overall' and .* are both shown as rewards"):
        read_rewards(path)
