from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from reports.paper.figures import (
    BASELINE,
    MIRO,
    FigureRun,
    best_of,
    best_of_n,
    draw_figures,
    figure_runs,
    radar_geneval,
    training_curves,
)
from reports.read.reward_rows import read_rewards
from tests.reports.builders import rewards, write_rows
from tests.reports.paper.test_tables import paper_sweep, run
from tests.shared_data import shared
from wire.errors import UserError

MEASURED = FigureRun("mine", "MIRO", {}, {"aesthetic": (5.0, 5.5)}, ", 3 prompts")


def texts(axes: object) -> list[str]:
    return [text.get_text() for text in axes.texts]  # type: ignore[attr-defined]


def test_every_figure_is_an_image(tmp_path: Path) -> None:
    paths = draw_figures(tmp_path / "new" / "figures", [MEASURED])
    names = ["training", "best_of_n", "radar_rewards", "radar_geneval", "aesthetic_weight"]
    assert [path.stem for path in paths] == names
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", content[16:24])
        assert min(width, height) > 600


def test_same_bytes_each_time() -> None:
    images = [io.BytesIO(), io.BytesIO()]
    for image in images:
        training_curves().savefig(image, dpi=50)
    assert images[0].getvalue() == images[1].getvalue()


def test_speedups_are_drawn() -> None:
    figure = training_curves()
    assert "published points" in figure.get_suptitle()
    marks = [text.split("×")[0] for axes in figure.axes for text in texts(axes)]
    assert marks == ["19.11", "3.46", "3.54", "6.30"]


def test_runs_stand_beside_published_points() -> None:
    panel = best_of_n([MEASURED]).axes[0]
    labels = [line.get_label() for line in panel.lines]
    assert labels == ["baseline (published points)", "MIRO (published points)", "mine (measured, 3 prompts)"]
    assert list(panel.lines[2].get_ydata()) == [5.0, 5.5]


def test_a_run_takes_the_place_of_its_model(tmp_path: Path) -> None:
    folder = run(tmp_path / "mine", paper_sweep("MIRO"))
    figure = radar_geneval(figure_runs([f"MIRO={folder}"]))
    labels = [str(line.get_label()) for line in figure.axes[0].lines]
    assert "MIRO (measured: mine)" in labels
    assert "Synth MIRO (published points)" in labels
    assert not any(label == "MIRO (published points)" for label in labels)


@pytest.mark.parametrize("rows", [["Baseline"], ["MIRO", "Baseline"], ["CLIP", "Baseline", "MIRO", "Baseline", "MIRO"]])
def test_a_run_has_the_color_of_its_model_and_no_other_has_it(rows: Sequence[str]) -> None:
    runs = [FigureRun(f"$r_{place}", row, {}, {"aesthetic": (5.0, 5.5)}, "") for place, row in enumerate(rows)]
    figure = best_of_n(runs)
    measured = figure.axes[0].lines[2:]
    colors = {str(line.get_label()): str(line.get_color()) for line in measured}
    assert len(set(colors.values())) == len(rows)
    for model, color in (("Baseline", BASELINE), ("MIRO", MIRO)):
        first = [rf"\$r_{rows.index(model)} (measured)"] if model in rows else []
        assert [label for label, found in colors.items() if found == color] == first
    figure.savefig(io.BytesIO(), dpi=30)
    wheel = {str(line.get_label()): str(line.get_color()) for line in radar_geneval().axes[0].lines}
    assert wheel["Baseline (published points)"] == BASELINE
    assert [label for label, color in wheel.items() if color == MIRO] == ["MIRO (published points)"]


@pytest.mark.parametrize("kind", ["geneval", "rewritten", "few", "random", "whole"])
def test_what_the_table_refuses_is_in_no_figure_and_is_told(tmp_path: Path, kind: str) -> None:
    name = "geneval_evaluation_metadata" if kind == "geneval" else "parti_prompts"
    prompts = [json.loads(line)["prompt"] for line in shared(f"data/prompts/{name}.jsonl").read_text().splitlines()]
    prompts = [f"{prompt}." for prompt in prompts] if kind == "rewritten" else prompts
    rows = [
        rewards(place, sample, {"aesthetic": 5.0 + sample if kind != "few" or place % 9 else None}) | {"prompt": prompt}
        for place, prompt in enumerate(prompts)
        for sample in range(2)
    ]
    write_rows(tmp_path / "mine" / "rewards.jsonl", rows)
    (tmp_path / "mine" / "run.json").write_text(json.dumps({"random_weights": kind == "random"}))
    (drawn,) = figure_runs([f"MIRO={tmp_path / 'mine'}"])
    assert len(best_of_n([drawn]).axes[0].lines) == (3 if kind == "whole" else 2)
    (reason,) = drawn.not_drawn or ("",)
    expected = {
        "geneval": "aesthetic (over other prompts than the paper's 1,632 PartiPrompts)",
        "rewritten": "aesthetic (over other prompts than the paper's 1,632 PartiPrompts)",
        "few": "aesthetic (scored 2,900 of 3,264)",
        "random": "aesthetic (random weights: the scores mean nothing)",
        "whole": "",
    }
    assert reason == expected[kind]


def test_best_of_is_over_whole_prompts(tmp_path: Path) -> None:
    rows = [rewards(0, sample, {"aesthetic": float(sample)}) for sample in range(3)]
    rows += [rewards(1, sample, {"aesthetic": 9.0}) for sample in range(2)]
    curves = best_of(read_rewards(write_rows(tmp_path / "rewards.jsonl", rows)))
    assert curves == {"aesthetic": (1.0, pytest.approx(5 / 3), 2.0)}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        draw_figures(tmp_path / "file" / "figures")
