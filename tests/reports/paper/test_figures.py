from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from reports.paper.figure_runs import Runs, best_of
from reports.paper.figures import Drawing, draw_figures
from reports.paper.results import FIGURE, find_result, results
from reports.read.runs import read_run
from reports.statistics.crossing import first_crossing
from tests.reports.builders import rewards, write_rows
from tests.reports.paper.test_tables import paper_sweep, run
from tests.reports.paper.world import STEPS, fill, fill_result, parti_prompts, reward_run
from tests.shared_data import shared
from wire.errors import UserError

BOTH = ["MIRO, published", "Baseline, published"]


def drawing(key: str, runs: Runs | None = None) -> Drawing:
    result = find_result(key)
    return Drawing(result, (runs or Runs(None)).of(result))


def panels(key: str, runs: Runs | None = None) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Score -> label -> points, as they are drawn."""
    figure = drawing(key, runs).figure()
    assert figure is not None
    return {
        axes.get_ylabel().split()[0]: {
            str(line.get_label()): list(zip(line.get_xdata(), line.get_ydata(), strict=True))  # type: ignore[arg-type]
            for line in axes.lines
            if not str(line.get_label()).startswith("_")
        }
        for axes in figure.axes
    }


def legend_of(key: str, runs: Runs | None = None) -> list[str]:
    figure = drawing(key, runs).figure()
    assert figure is not None
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_figure_is_drawn_or_said_to_be_missing_with_the_command_that_makes_it(tmp_path: Path) -> None:
    drawn = draw_figures(tmp_path / "new" / "figures", Runs(None), further=["pdf", "svg"])
    keys = [result.key for result in results().values() if result.kind == FIGURE]
    there = {path.stem for path in drawn.paths}
    missing = [key for key in keys if key not in there]
    assert missing == ["fig11"]
    assert any("not drawn: fig11" in note and "`miro-eval paper reproduce fig11`" in note for note in drawn.notes)
    assert any("published points only: fig2, fig3," in note for note in drawn.notes)
    for path in drawn.paths:
        start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[path.suffix]
        content = path.read_bytes()
        assert content.startswith(start)
        assert len(content) < 600_000
        if path.suffix == ".png":
            width, _ = struct.unpack(">II", content[16:24])
            assert 3.2 * 300 <= width <= 6.8 * 300, "a column's width, or a page's"


@pytest.mark.parametrize("key", ["fig2", "fig3", "fig5", "fig6", "fig7-right", "fig12", "fig14", "fig16", "fig18"])
def test_no_words_stick_out_or_are_too_small_to_read(key: str) -> None:
    figure = drawing(key).figure()
    assert figure is not None
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0, width - drawn.x1, height - drawn.y1) > -0.02, "in inches"
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()}
    assert 5 <= min(sizes) <= max(sizes) <= 8


def test_the_same_points_are_the_same_files(tmp_path: Path) -> None:
    once, again = (draw_figures(tmp_path / name, Runs(None), ["fig3"], ["pdf", "svg"]).paths for name in "ab")
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]


def test_the_runs_that_paper_reproduce_makes_have_all_that_a_figure_shows() -> None:
    for result in results().values():
        if result.kind == FIGURE:
            made = {metric for needed in result.inputs for metric in needed.set.metrics}
            made |= {"geneval" for needed in result.inputs if needed.set.suite == "geneval"}
            assert set(result.shows) <= made, result.key


def test_published_curves_are_never_labelled_as_measured() -> None:
    for key in ("fig2", "fig3", "fig5", "fig6", "fig7-right", "fig12", "fig14", "fig16"):
        assert all(label.endswith(", published") for label in legend_of(key)), key
        figure = drawing(key).figure()
        assert figure is not None
        assert "not measured" in figure.legends[0].get_title().get_text()


def test_training_curves_stand_beside_the_published_ones_with_their_own_speed_ups(tmp_path: Path) -> None:
    runs = Runs(fill_result(tmp_path, "fig3"))
    found = panels("fig3", runs)
    assert list(found) == ["aesthetic", "image_reward", "hpsv2.1", "pick_score"]
    for curves in found.values():
        assert list(curves) == ["MIRO, published", "MIRO, measured", "Baseline, published", "Baseline, measured"]
        assert [step for step, _ in curves["MIRO, measured"]] == list(STEPS)
    miro, baseline = found["aesthetic"]["MIRO, measured"], found["aesthetic"]["Baseline, measured"]
    reached = first_crossing([x for x, _ in miro], [y for _, y in miro], baseline[-1][1])
    assert reached is not None
    figure = drawing("fig3", runs).figure()
    assert figure is not None
    (words,) = [text.get_text() for text in figure.axes[0].texts]
    assert words == f"{500_000 / reached:.2f}× sooner\nstep {reached:,.0f}\n(measured)"
    assert len(figure.axes[0].collections) == 2, "a band for each measured curve"


def test_speed_ups_of_the_published_curves() -> None:
    figure = drawing("fig3").figure()
    assert figure is not None
    marks = [text.get_text().split("×")[0] for axes in figure.axes for text in axes.texts]
    assert marks == ["19.11", "3.46", "6.30", "3.54"]


def test_the_target_and_the_guidance_are_read_from_the_protocol(tmp_path: Path) -> None:
    for key in ("fig11", "fig14"):
        for needed in find_result(key).inputs:
            fill(tmp_path, type(needed)(needed.set, needed.models[:1]))
    runs = Runs(tmp_path)
    guidance = panels("fig11", runs)["aesthetic"]
    assert list(guidance) == ["MIRO, measured"]
    assert [x for x, _ in guidance["MIRO, measured"]] == [0, 7.5, 15, 22.5, 30]
    weight = panels("fig14", runs)["aesthetic"]
    assert [x for x, _ in weight["Synth MIRO, measured"]] == [0, 0.25, 0.5, 0.75, 1]
    assert len(weight["Synth MIRO, published"]) == 9


def test_scores_along_negative_targets_are_drawn_beside_the_strips(tmp_path: Path) -> None:
    for key in ("fig7-left", "interpolation"):
        (needed,) = find_result(key).inputs
        fill(tmp_path, needed)
    drawn = draw_figures(tmp_path / "out", Runs(tmp_path), ["fig7-left", "interpolation"])
    assert [path.name for path in drawn.paths] == ["fig7-left-scores.png", "interpolation-scores.png"]
    assert [x for x, _ in panels("interpolation", Runs(tmp_path))["aesthetic"]["Synth MIRO, measured"]] == [
        0, 0.25, 0.5, 0.75, 1,
    ]  # fmt: skip
    figure = drawing("fig7-left", Runs(tmp_path)).figure()
    assert figure is not None
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == list(find_result("fig7-left").inputs[0].set.points)


def test_best_of_n_is_exact_over_all_subsets_and_has_intervals(tmp_path: Path) -> None:
    folder = reward_run(tmp_path / "mine", samples=3, metrics=["aesthetic"])
    found = best_of(read_run(folder), ["aesthetic", "absent"])
    frame = read_run(folder).rewards
    assert frame is not None
    groups = [np.sort(group.to_numpy()) for _, group in frame.frame.groupby("prompt_key")["aesthetic"]]
    pairs = np.mean([(group[1] + 2 * group[2]) / 3 for group in groups])
    curve = found["aesthetic"]
    assert (list(found), curve.sizes, curve.prompts) == (["aesthetic"], (1, 2, 3), 1632)
    assert [value.value for value in curve.values] == pytest.approx(
        [np.mean(groups), pairs, np.mean([g[-1] for g in groups])]
    )
    assert all(value.low < value.value < value.high for value in curve.values)
    drawn = panels("fig6", Runs(None, [f"MIRO={folder}"]))["aesthetic"]
    assert list(drawn) == ["MIRO, published", "MIRO, measured: mine", "Baseline, published"]
    assert len(drawn["MIRO, measured: mine"]) == 3


def test_best_of_is_over_whole_prompts(tmp_path: Path) -> None:
    rows = [rewards(0, sample, {"aesthetic": float(sample)}) for sample in range(3)]
    rows += [rewards(1, sample, {"aesthetic": 9.0}) for sample in range(2)]
    write_rows(tmp_path / "rewards.jsonl", rows)
    curve = best_of(read_run(tmp_path), ["aesthetic"])["aesthetic"]
    assert [value.value for value in curve.values] == pytest.approx([1.0, 5 / 3, 2.0])
    assert (curve.prompts, curve.left_out) == (1, 1)


def test_prompts_that_a_best_of_n_curve_leaves_out_are_counted(tmp_path: Path) -> None:
    folder = reward_run(tmp_path / "mine", samples=3, metrics=["aesthetic"])
    first, *rest = [json.loads(line) for line in (folder / "rewards.jsonl").read_text().splitlines()]
    write_rows(folder / "rewards.jsonl", [first | {"aesthetic": None}, *rest])
    notes = draw_figures(tmp_path / "out", Runs(None, [f"MIRO={folder}"]), ["fig6"]).notes
    assert "mine: best of N by aesthetic over 1,631 prompts; the 1 others lack an image or its score" in notes


def test_a_run_takes_the_place_of_its_models_published_line(tmp_path: Path) -> None:
    folder = run(tmp_path / "mine", paper_sweep("MIRO"))
    labels = legend_of("fig12", Runs(None, [f"miro={folder}"]))
    assert "MIRO, published" in labels, "the model called miro is the one with synthetic captions"
    labels = legend_of("fig12", Runs(None, [f"MIRO={folder}"]))
    assert "MIRO, measured: mine" in labels
    assert "MIRO, published" not in labels
    assert "Baseline, published" in labels


def test_a_run_that_was_sampled_otherwise_stands_for_no_model(tmp_path: Path) -> None:
    protocol = {"reward_targets": {"aesthetic_score": 0.625}}
    folder = run(tmp_path / "mine", paper_sweep("MIRO"), protocol=protocol)
    runs = Runs(None, [f"MIRO={folder}"])
    assert "MIRO, published" in legend_of("fig12", runs)
    told = "not drawn: mine: sampled in another way than the paper's models"
    assert told in draw_figures(tmp_path / "out", runs, ["fig12"]).notes


@pytest.mark.parametrize("kind", ["geneval", "rewritten", "few", "random", "whole"])
def test_what_the_table_refuses_is_in_no_figure_and_is_told(tmp_path: Path, kind: str) -> None:
    lines = shared("data/prompts/geneval_evaluation_metadata.jsonl").read_text().splitlines()
    prompts = [json.loads(line)["prompt"] for line in lines] if kind == "geneval" else list(parti_prompts())
    prompts = [f"{prompt}." for prompt in prompts] if kind == "rewritten" else prompts
    rows = [
        rewards(place, sample, {"aesthetic": 5.0 + sample if kind != "few" or place % 9 else None}) | {"prompt": prompt}
        for place, prompt in enumerate(prompts)
        for sample in range(2)
    ]
    write_rows(tmp_path / "mine" / "rewards.jsonl", rows)
    (tmp_path / "mine" / "run.json").write_text(json.dumps({"random_weights": kind == "random"}))
    runs = Runs(None, [f"MIRO={tmp_path / 'mine'}"])
    assert ("MIRO, measured: mine" in panels("fig6", runs)["aesthetic"]) == (kind == "whole")
    reasons = {
        "geneval": "over other prompts than the paper's 1,632 PartiPrompts",
        "rewritten": "over other prompts than the paper's 1,632 PartiPrompts",
        "few": "scored 2,900 of 3,264",
        "random": "random weights: the scores mean nothing",
    }
    told = [note for note in draw_figures(tmp_path / "out", runs, ["fig6"]).notes if "mine" in note]
    assert told == ([] if kind == "whole" else [f"not drawn of mine: aesthetic ({reasons[kind]})"])


def test_runs_that_lack_the_same_share_a_note(tmp_path: Path) -> None:
    own = {}
    for name in "abcdefgh":
        own[name] = reward_run(tmp_path / name, samples=1, metrics=["aesthetic"])
        (own[name] / "run.json").write_text(json.dumps({"random_weights": True}))
    runs = Runs(None, [f"MIRO={folder}" for folder in own.values()])
    (note,) = (note for note in draw_figures(tmp_path / "out", runs, ["fig6"]).notes if "not drawn of" in note)
    assert note == "not drawn of a, b, c, d, e, f, g, h: aesthetic (random weights: the scores mean nothing)"


def test_numbers_of_random_weights_are_drawn_only_where_nothing_published_is_and_say_so(tmp_path: Path) -> None:
    (needed,) = find_result("fig11").inputs
    for scale in (0.0, 7.0):
        folder = tmp_path / needed.set.key / needed.models[0] / f"guidance_scale={scale:g}"
        protocol = {"guidance_scale": scale}
        reward_run(folder, prompts=["a", "b", "c"], metrics=["aesthetic"], protocol=protocol, random_weights=True)
    figure = drawing("fig11", Runs(tmp_path)).figure()
    assert figure is not None
    assert "random weights: the scores mean nothing" in figure.legends[0].get_title().get_text().replace("\n", " ")


def test_which_model_a_named_run_stands_for_must_be_known(tmp_path: Path) -> None:
    folder = reward_run(tmp_path / "mine", prompts=["a"])
    with pytest.raises(UserError, match="'mine' is no model of the paper; say which it stands for: MODEL="):
        Runs(None, [str(folder)])


def test_bad_input_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        draw_figures(tmp_path / "file" / "figures", Runs(None), ["fig3"])
    with pytest.raises(UserError, match="--format jpg: a figure is written as pdf or svg, beside the PNG"):
        draw_figures(tmp_path, Runs(None), ["fig3"], ["jpg"])
    with pytest.raises(UserError, match=r"--from .*nowhere: no such folder"):
        Runs(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no 'fig99' here; choose from table1, table3, fig2"):
        draw_figures(tmp_path, Runs(None), ["fig99"])
