from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from reports.gallery.sheet import draw_sheet, make_sheet, sheet_run
from reports.paper.results import STRIP, find_result, results
from reports.paper.strips import draw_strips
from reports.read.runs import find_run
from tests.reports.paper.world import reward_run
from wire.errors import UserError

PROMPTS = ("a tiger wearing a tuxedo", "panda mad scientist mixing sparkling chemicals", "a panda")


def training(out: Path, prompts: tuple[str, ...] = PROMPTS) -> Path:
    """Checkpoints of both models, with pictures."""
    for model in ("miro-no-synthetic-captions", "baseline"):
        for step in (25_000, 100_000, 400_000, 450_000):
            folder = out / "training" / model / f"step={step}"
            reward_run(folder, prompts=prompts, metrics=["aesthetic"], name=model, step=step)
            for place in range(len(prompts)):
                path = folder / f"{place:05d}" / "samples" / "0000.png"
                path.parent.mkdir(parents=True)
                Image.new("RGB", (64, 64), (step // 2000, 80 * place, 99)).save(path)
    return out


def words(path: Path) -> str:
    return path.with_suffix(".svg").read_text()


def test_images_along_training_at_the_papers_steps(tmp_path: Path) -> None:
    drawn = draw_strips(tmp_path / "out", training(tmp_path), ["fig4"], ["svg", "pdf"])
    assert [path.name for path in drawn.paths] == ["fig4.png", "fig4.svg", "fig4.pdf"]
    assert drawn.notes == []
    text = words(drawn.paths[0])
    places = [text.index(f">{word}<") for word in ("step 25k", "step 100k", "step 400k")]
    assert places == sorted(places)
    assert "step 450k" not in text
    assert text.count(">MIRO<") == text.count(">Baseline<") == 2
    assert text.count("<image") == 12


def test_other_prompts_are_shown_and_told(tmp_path: Path) -> None:
    drawn = draw_strips(tmp_path / "out", training(tmp_path, ("a dog",)), ["fig4"], ["svg"])
    assert ">a dog<" in words(drawn.paths[0])
    (note,) = drawn.notes
    assert note.startswith("fig4: not among the prompts of these runs: a tiger wearing a tuxedo; panda mad")


def test_images_along_targets_are_in_the_order_of_the_targets(tmp_path: Path) -> None:
    (needed,) = find_result("interpolation").inputs
    for t in (1.0, 0.25, 0.0):
        targets = {**needed.set.negative, "aesthetic_score": t, "hpsv2_score": 1 - t}
        folder = tmp_path / needed.set.key / "miro" / f"t={t:g}"
        reward_run(folder, prompts=["a", "b"], metrics=["aesthetic"], protocol={"negative_reward_targets": targets})
    (points,) = find_result("fig7-left").inputs
    for name, negative in reversed(points.set.points.items()):
        folder = tmp_path / points.set.key / "miro" / name
        reward_run(folder, prompts=["a", "b"], metrics=["aesthetic"], protocol={"negative_reward_targets": negative})
    drawn = draw_strips(tmp_path / "out", tmp_path, ["interpolation", "fig7-left"], ["svg"])
    text = words(tmp_path / "out" / "interpolation.png")
    assert text.index(">t = 0<") < text.index(">t = 0.25<") < text.index(">t = 1<")
    text = words(tmp_path / "out" / "fig7-left.png")
    assert text.index(">to aesthetic<") < text.index(">to clip<") < text.index(">to all<")
    assert text.count(">not there<") == 16
    assert drawn.notes == []


def test_a_strip_without_runs_is_said_to_be_missing(tmp_path: Path) -> None:
    drawn = draw_strips(tmp_path, None)
    keys = [result.key for result in results().values() if result.kind == STRIP]
    assert [note.split()[2] for note in drawn.notes] == keys
    assert all(f"`miro-eval paper reproduce {key}`" in note for key, note in zip(keys, drawn.notes, strict=True))
    assert drawn.paths == []


def test_a_sheet_of_any_runs_by_parts_of_prompts(tmp_path: Path) -> None:
    training(tmp_path)
    folder = tmp_path / "training" / "baseline"
    runs = [sheet_run(find_run(folder / f"step={step}"), str(step)) for step in (25_000, 400_000)]
    sheet = make_sheet(runs, ["TUXEDO", "a panda"])
    assert [prompt for prompt, _, _ in sheet.rows] == ["a tiger wearing a tuxedo", "a panda"]
    assert all(path is not None and path.is_file() for _, _, row in sheet.rows for path in row)
    (folder / "step=25000" / "00002" / "samples" / "0000.png").write_text("no picture")
    texts = [text.get_text() for axes in draw_sheet(sheet).axes for text in axes.texts]
    assert texts == ["cannot be shown"]
    with pytest.raises(UserError, match="--prompt 'unicorn': no run has such a prompt"):
        make_sheet(runs, ["unicorn"])
    with pytest.raises(UserError, match="share no prompt for which all have an image number 7"):
        make_sheet(runs, sample=7)
