from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from reports.paper.figure_runs import FigureRun, best_of, figure_runs
from reports.paper.figures import best_of_n, draw_figures, radar_geneval, training_curves
from reports.read.reward_rows import read_rewards
from tests.reports.builders import rewards, write_rows
from tests.reports.paper.test_tables import paper_sweep, run
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


def test_best_of_is_over_whole_prompts(tmp_path: Path) -> None:
    rows = [rewards(0, sample, {"aesthetic": float(sample)}) for sample in range(3)]
    rows += [rewards(1, sample, {"aesthetic": 9.0}) for sample in range(2)]
    curves = best_of(read_rewards(write_rows(tmp_path / "rewards.jsonl", rows)))
    assert curves == {"aesthetic": (1.0, pytest.approx(5 / 3), 2.0)}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        draw_figures(tmp_path / "file" / "figures")
