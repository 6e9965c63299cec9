from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from reports.analysis.steps import placed
from reports.analysis.track import write_track
from reports.paper.printed import read_data
from reports.read.runs import find_run
from tests.reports.builders import SMALL, rewards, sweep, write_rows
from wire.errors import UserError
from wire.files import natural_order


def checkpoint(folder: Path, value: float = 0.0, **manifest: Any) -> Path:
    rows = [rewards(prompt, 0, {"image_reward": value + prompt - 0.5}) for prompt in range(2)]
    write_rows(folder / "rewards.jsonl", rows)
    if manifest:
        (folder / "run.json").write_text(json.dumps(manifest))
    return folder


def places(*folders: Path) -> list[tuple[str, int]]:
    return [(place.training, place.step) for place in placed([find_run(folder) for folder in folders])]


@pytest.mark.parametrize(
    ("name", "training", "step"),
    [
        ("miro-step=250000", "miro", 250_000),
        ("step=1000", "runs", 1000),
        ("epoch=3-step=1000", "runs", 1000),
        ("miro_step_20k", "miro", 20_000),
        ("miro_step_1000_512", "miro__512", 1000),
        ("baseline-iter-7", "baseline", 7),
    ],
)
def test_the_step_is_read_from_the_name(tmp_path: Path, name: str, training: str, step: int) -> None:
    assert places(checkpoint(tmp_path / "runs" / name)) == [(training, step)]


@pytest.mark.parametrize(
    "manifest", [{"step": 5}, {"checkpoint": {"global_step": 5}}, {"checkpoint": {"path": "/x/epoch=0-step=5.ckpt"}}]
)
def test_the_step_is_read_from_the_manifest(tmp_path: Path, manifest: dict[str, Any]) -> None:
    assert places(checkpoint(tmp_path / "miro" / "a", **manifest)) == [("miro", 5)]


def test_steps_are_sorted_as_numbers_within_training_runs(tmp_path: Path) -> None:
    folders = [checkpoint(tmp_path / training / f"step={step}") for step in (1000, 200) for training in ("b", "a")]
    assert places(*folders) == [("a", 200), ("a", 1000), ("b", 200), ("b", 1000)]


def test_the_order_counts_where_no_step_is_known(tmp_path: Path) -> None:
    folders = [checkpoint(tmp_path / name) for name in ("last", "best", "footsteps12")]
    found = placed([find_run(folder) for folder in folders])
    assert [(place.step, place.by_order) for place in found] == [(1, True), (2, True), (3, True)]
    files = write_track(folders, tmp_path / "out")
    assert "in the order given" in files.markdown.read_text()


@pytest.mark.parametrize("name", ["step=1.5k", "step=250,000", "step_100_000", "step=1.5"])
def test_a_number_that_goes_on_is_no_step(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"no training step known of {name}; name its folder like 'step=250000'"):
        places(checkpoint(tmp_path / name), checkpoint(tmp_path / "step=7"))


def test_an_order_that_is_not_that_of_the_names_is_told(tmp_path: Path) -> None:
    """A shell's: epoch=10 comes before epoch=2."""
    runs = [checkpoint(tmp_path / f"epoch={number}") for number in (1, 10, 2)]
    told = "checkpoints are numbered in the order given, which is not that of their names: epoch=10 comes before epoch="
    files = write_track(runs, tmp_path / "out")
    assert files.notes[0] == f"{told}2"
    assert f"{told}2." in files.markdown.read_text()
    assert told not in "".join(write_track(sorted(runs, key=natural_order), tmp_path / "out").notes)


def test_checkpoints_of_other_prompts_or_settings_are_told(tmp_path: Path) -> None:
    """A checkpoint tried with --limit among whole sweeps; one made with fewer sampler steps."""
    first, second = (checkpoint(tmp_path / f"step={at}", name=f"step={at}", protocol={"steps": at}) for at in (1, 2))
    third = checkpoint(tmp_path / "step=3", name="step=3", protocol={"steps": 1})
    write_rows(third / "rewards.jsonl", [rewards(0, 0, {"image_reward": 1.0})])
    notes = write_track([first, second, third], tmp_path / "out").notes
    assert notes[:2] == (
        "runs differ in prompts: 2 (step=1, step=2); 1 (step=3)",
        "runs differ in steps: 1 (step=1, step=3); 2 (step=2)",
    )


def test_a_step_known_of_some_only_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training step known of last"):
        places(checkpoint(tmp_path / "step=1"), checkpoint(tmp_path / "last"))


def test_one_checkpoint_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="both are step 1 of 'miro'"):
        places(checkpoint(tmp_path / "a" / "miro-step=1"), checkpoint(tmp_path / "b" / "miro-step=1"))


def test_no_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no runs to track"):
        write_track([], tmp_path)


def test_the_papers_speed_ups_come_out_of_runs_on_its_curves(tmp_path: Path) -> None:
    training = read_data("figures")["training"]
    folders = []
    for label in ("baseline", "miro"):
        for place, step in enumerate(training["steps"]):
            values = {metric: curve[label][place] for metric, curve in training["metrics"].items()}
            folders.append(tmp_path / label / f"step={int(step)}")
            write_rows(folders[-1] / "rewards.jsonl", [rewards(prompt, 0, values) for prompt in range(2)])
    lines = write_track(folders, tmp_path / "out").markdown.read_text().splitlines()
    for metric, factor in {"aesthetic": 19.11, "hpsv2.1": 6.30, "pick_score": 3.54, "image_reward": 3.46}.items():
        (line,) = [line for line in lines if line.replace("\\", "").startswith(f"| {metric} | baseline |")]
        assert line.endswith(f"| {factor:.2f}x |")


def test_all_three_files(tmp_path: Path) -> None:
    folders = []
    for step, correct in ((100, 1), (200, 6)):
        folder = tmp_path / "miro" / f"step={step}"
        write_rows(folder / "results.jsonl", sweep(SMALL | {"position": (correct, 8)}))
        folders.append(folder)
    files = write_track(folders, tmp_path / "out")
    with files.csv.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["metric"] == "position"]
    assert [(row["training"], row["step"], float(row["value"])) for row in rows] == [
        ("miro", "100", 0.125),
        ("miro", "200", 0.75),
    ]
    assert all(float(row["low"]) < float(row["value"]) < float(row["high"]) for row in rows)
    assert files.image.read_bytes().startswith(b"\x89PNG")
    assert "Speed-ups" not in files.markdown.read_text()


def test_a_curve_that_never_gets_there_and_one_that_begins_there(tmp_path: Path) -> None:
    values = {"slow": (0.0, 1.0), "fast": (2.0, 3.0)}
    folders = [
        checkpoint(tmp_path / name / f"step={step}", value)
        for name, both in values.items()
        for step, value in zip((100, 200), both, strict=True)
    ]
    text = write_track(folders, tmp_path / "out").markdown.read_text()
    assert "| fast | 100 | at least 2.00x |" in text
    assert "| slow | never |  |" in text


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ((1.0, 1.0), (1.0, 1.0), ["no difference", "no difference"]),
        ((0.0, 1.0), (0.0, 1.0), ["no difference", "no difference"]),
        ((1.0, 3.0, 2.0), (1.0, 3.0, 2.0), ["no difference", "no difference"]),
        ((3.0, 1.0), (2.0, 1.5), ["no difference", "no difference"]),
        ((0.0, 2.0, 2.0), (0.0, 1.0, 2.0), ["1.00x", "1.50x"]),
        ((0.0, 1.0), (2.0, 3.0), ["at least 2.00x", ""]),
    ],
)
@pytest.mark.parametrize("first", [0, 100])
def test_no_factor_is_told_where_each_would_be_sooner(
    tmp_path: Path, ours: tuple[float, ...], theirs: tuple[float, ...], said: list[str], first: int
) -> None:
    for name, values in (("ours", ours), ("theirs", theirs)):
        for place, value in enumerate(values):
            checkpoint(tmp_path / name / f"step={first + 100 * place}", value)
    text = write_track([tmp_path], tmp_path / "out").markdown.read_text()
    lines = [line for line in text.splitlines() if line.startswith("| image")]
    assert len(lines) == 2
    if first or said[0] == "no difference":
        assert sorted(line.split("|")[-2].strip() for line in lines) == sorted(said)
